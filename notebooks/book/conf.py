"""How Sphinx builds the book out of what build.py has laid together."""

import hashlib
import json
import tomllib
from base64 import b64decode
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
told = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

project = html_title = "SLAE Lab"
author = told["authors"][0]["name"]
version = release = told["version"]
copyright = f"{author}. Code: MIT, text: CC BY 4.0"
language = "en"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "formulas"]

nb_execution_mode = "off"  # the stored outputs
nb_ipywidgets_js = {}  # would ask elsewhere for scripts
myst_enable_extensions = ["dollarmath", "attrs_block", "attrs_inline"]
myst_heading_anchors = 3  # the anchors that GitHub gives

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_use_type_comments = False
autodoc_default_options = {"members": True, "ignore-module-all": True}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 72
napoleon_use_ivar = True
default_role = "py:obj"  # `name` in a docstring leads to its entry, where it has one
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "sphinx_book_theme"
html_math_renderer = "katex"
html_css_files = ["book.css"]
templates_path = ["_templates"]
html_context = {"default_mode": "auto"}
html_copy_source = html_use_index = html_domain_indices = False
html_theme_options = {
    "logo": {"text": "SLAE Lab", "alt_text": ""},
    "repository_url": told["urls"]["Repository"],
    "use_repository_button": True,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "max_navbar_depth": 2,
    "article_header_end": ["language.html", "article-header-buttons.html"],
    "show_toc_level": 2,
}


def describe_pictures(app: Sphinx, doctree: nodes.document) -> None:
    """Give every picture of a notebook the alternative text that is stored beside it."""
    path = Path(app.env.doc2path(app.env.docname))
    if path.suffix != ".ipynb":
        return
    alts = {}
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            if png := output.get("data", {}).get("image/png"):
                name = hashlib.sha256(b64decode("".join(png))).hexdigest()  # as MyST-NB calls it
                alts[name] = output["metadata"]["image/png"]["alt"]
    for image in doctree.findall(nodes.image):
        image["alt"] = alts.get(Path(image["uri"]).stem, image.get("alt", ""))


def setup(app: Sphinx) -> None:
    """Connect the above."""
    app.connect("doctree-read", describe_pictures)

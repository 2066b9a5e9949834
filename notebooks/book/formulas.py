"""Formulas as HTML and MathML, set by KaTeX while the book is built: its pages need no script."""

import html
import json
import re
import subprocess
import tarfile
from functools import cached_property
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging

from slae_lib.explorer.page import Package, packed
from slae_lib.support.errors import LabError

KATEX = Package(
    "katex",
    "0.19.1",
    "jG8uKntjSEcm2EpQOh0XturpPuuC9r3Sq5HLHdsFdWZT27E672SF19QEi+of0/YeOy15lDgRhKvr5614uRrEfA==",
)

# One formula a line in, one line of HTML (or of what is wrong with it) out.
SETTER = """
const katex = require(process.argv[1]);
require('readline').createInterface({input: process.stdin}).on('line', line => {
    const [formula, displayMode] = JSON.parse(line);
    let html = '', wrong = '';
    try { html = katex.renderToString(formula, {displayMode, strict: 'error'}); }
    catch (error) { wrong = error.message; }
    console.log(JSON.stringify([html, wrong]));
});
"""


def unpack(package: Package, wanted: str, cache: Path, folder: Path) -> None:
    """Unpack files of a package from npm into a folder.

    Args:
        package: in the known version.
        wanted: pattern of the files' paths in the package; its group is the path in the folder.
        cache: where the package is kept for the next time.
        folder: to unpack into.

    Raises:
        SystemExit: where npm is missing or gets nothing, or the package is not the known one.
    """
    try:
        file = packed(package, cache)
    except LabError as problem:
        raise SystemExit(str(problem)) from None
    with tarfile.open(file) as archive:
        for member in archive.getmembers():
            if found := re.fullmatch(f"package/{wanted}", member.name):
                member.name = found[1]
                archive.extract(member, folder, filter="data")


def fetch_katex(cache: Path, folder: Path) -> None:
    """Unpack KaTeX's scripts, style, fonts and licence into a folder.

    Args: as for `unpack`.
    """
    files = r"LICENSE|katex\.min\.(?:js|css)|auto-render\.min\.js|fonts/.*\.woff2"
    unpack(KATEX, rf"(?:dist/)?(?:contrib/)?({files})", cache, folder)
    style = folder / "katex.min.css"
    older = r',url\([^)]*\.(?:woff|ttf)\) format\("\w+"\)'  # for browsers from before 2016
    style.write_text(re.sub(older, "", style.read_text("utf-8")), "utf-8")


class Setter:
    """Node.js with KaTeX in it, started when the first formula comes."""

    def __init__(self, script: Path) -> None:
        self.script = script

    @cached_property
    def process(self) -> "subprocess.Popen[str]":
        """The running Node.js; it ends by itself with the process that feeds it."""
        return subprocess.Popen(
            ["node", "-e", SETTER, str(self.script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def set(self, formula: str, *, display: bool) -> tuple[str, str]:
        """Return the HTML of a formula and, in place of it, what is wrong."""
        assert self.process.stdin
        assert self.process.stdout
        print(json.dumps([formula, display]), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise ExtensionError(f"Node.js ended while it set {formula!r}")
        found, wrong = json.loads(answer)
        return found, wrong


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx who sets formulas."""
    setter = Setter(Path(app.srcdir) / "_static" / "katex" / "katex.min.js")

    def write(translator: Any, node: nodes.Element) -> None:
        display = isinstance(node, nodes.math_block)
        found, wrong = setter.set(node.astext(), display=display)
        if wrong:
            logging.getLogger(__name__).warning("formula: %s", wrong, location=node)
        translator.body.append(found or f"<code>{html.escape(node.astext())}</code>")
        raise nodes.SkipNode

    app.add_html_math_renderer("katex", (write, None), (write, None))
    app.add_css_file("katex/katex.min.css")
    return {"parallel_read_safe": True, "parallel_write_safe": False}

"""The lessons as slides: reveal.js over what nbconvert makes of a notebook.

Here is left out what is a student's work: set-up, checks, solutions, predictions, and the code that
only draws. What goes on a slide is measured where it is shown: see slides.html.
"""

import html
import re
from pathlib import Path

from lesson_pages import BADGE, SOLUTION, WIDGET
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from pygments.formatters import HtmlFormatter

from slae_lib.explorer.page import Package

REVEAL = Package(
    "reveal.js",
    "6.0.2",
    "JYIg5D9aoxoaLeb84O+OvAwsKWdIavVgEDScxtYEXFCT6t6TQrhNtSgogcjdCpdLsWglhJn3zyE3fUOwiH5KEg==",
)
PAGE = Path(__file__).with_name("slides.html")
FOR_ONE_STUDENT = re.compile(
    r"^\*Stuck\?.*\*$|^\*\*(?:Prerequisites|Time|Place in the series):.*$", re.MULTILINE
)
PREDICTION = re.compile(r"^predict\(.*\)$\n?", re.MULTILINE)


def slide_show(notebook: NotebookNode, title: str) -> str:
    """Return a page of slides that stands beside the folder ``reveal`` in one of the book's.

    Args:
        notebook: with its stored outputs; it is changed.
        title: of the lesson.
    """
    cells = (shown(cell) for cell in notebook.cells)
    notebook.cells = [cell for cell in cells if cell is not None]
    exporter = HTMLExporter(template_name="basic", exclude_anchor_links=True)
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    body, _ = exporter.from_notebook_node(notebook)
    # The book's pages, whose sources were linked.
    body = re.sub(r'(href="\.\./[\w/]+)\.(?:ipynb|md)\b', r"\1.html", body)
    parts = {
        "title": html.escape(title),
        "colours": HtmlFormatter().get_style_defs(".highlight"),
        "lesson": body,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda part: parts[part[1]], PAGE.read_text("utf-8"))


def shown(cell: NotebookNode) -> NotebookNode | None:
    """Return what the slides have of a cell, if anything."""
    if cell.cell_type == "markdown":
        cell.source = FOR_ONE_STUDENT.sub("", BADGE.sub("", cell.source))
        return cell
    if "set-up" in cell.metadata.get("tags", []) or cell.metadata.get("nbgrader", {}).get("grade"):
        return None
    if PREDICTION.fullmatch(cell.source.partition("#")[0].strip()):
        return new_markdown_cell("---")  # time to think, before the next slide
    cell.source = PREDICTION.sub("", SOLUTION.sub("", cell.source)).strip("\n")
    told = [output.get("data", {}) for output in cell.outputs]
    if any(WIDGET in data for data in told):
        return None
    if any("image/png" in data for data in told):  # its caption is the picture's alternative text
        cell.source = ""
        cell.outputs = [
            output for output in cell.outputs if "text/html" not in output.get("data", {})
        ]
    return cell

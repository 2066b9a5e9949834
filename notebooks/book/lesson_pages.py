"""A notebook as a page of the book: nothing is run, what spoils or does not work is folded."""

import html
import re
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

WIDGET = "application/vnd.jupyter.widget-view+json"
SOLUTION = re.compile(
    r"^ *### BEGIN SOLUTION\n(.*?)^ *### END SOLUTION\n?", re.DOTALL | re.MULTILINE
)
HIDDEN = re.compile(r"\n### BEGIN HIDDEN TESTS\n.*?### END HIDDEN TESTS", re.DOTALL)
BADGE = re.compile(r"\[!\[Open in Colab\]\([^)]*\)\]\(([^)]*)\)")

PROMPTS = "Set-up", "A solution (try first)"
CHINESE_PROMPTS = "准备", "一个答案（先自己试）"
STAGE = """<details class="stage"><summary>Try it here: paint the attention yourself</summary>
<iframe src="../stage/index.html" title="The attention stage" loading="lazy"></iframe>
<p><a href="../stage.html">The stage on a page of its own</a></p></details>"""
CHINESE_STAGE = """<details class="stage"><summary>在这里试：亲手画注意力</summary>
<iframe src="../../stage/index.html?lang=zh" title="注意力舞台" loading="lazy"></iframe>
<p><a href="../stage.html">单独一页的舞台</a></p></details>"""
NO_STAGE = """<p class="stage">Here belongs <a href="../stage.html">the stage</a>, which works in \
the browser; this copy of the book was built without it.</p>"""


def points(notebook: NotebookNode) -> int:
    """Return the points of all exercises, as nbgrader counts them."""
    told = [cell.metadata.get("nbgrader", {}) for cell in notebook.cells]
    return sum(one.get("points", 0) for one in told)


def lesson_page(
    notebook: NotebookNode, minutes: int, source: str, stage: str, prompts: tuple[str, str]
) -> None:
    """Turn a notebook into its page, in place.

    Args:
        notebook: with its stored outputs.
        minutes: that a student needs.
        source: address of the notebook.
        stage: HTML for the place of the first widget; empty where no stage belongs.
        prompts: behind which the set-up and the solutions are folded.
    """
    facts = f"{minutes} minutes · {points(notebook)} points"
    line = rf'<p class="facts"><a class="colab" href="\1">Open in Colab</a> {facts} · '
    line += f'<a href="{html.escape(source)}">the notebook</a> · '
    line += f'<a href="../slides/{Path(source).stem}.html">slides</a></p>'
    notebook.cells[0].source = BADGE.sub(line, notebook.cells[0].source)
    notebook.cells = [new for cell in notebook.cells for new in _cells(cell, *prompts)]
    for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
        if output.get("data", {}).pop(WIDGET, None) and stage:
            output.data["text/html"], stage = stage, ""


def _cells(cell: NotebookNode, set_up: str, solution: str) -> list[NotebookNode]:
    """What stands in the book for one cell."""
    if cell.cell_type != "code":
        return [cell]
    cell.source = HIDDEN.sub("", cell.source)
    if "set-up" in cell.metadata.get("tags", []):
        return [_folded(cell, set_up)]
    if not SOLUTION.search(cell.source):
        return [cell]
    open_ended = SOLUTION.sub("", cell.source).strip("\n")
    cell.source = SOLUTION.sub(r"\1", cell.source)
    solved = _folded(cell, solution)
    return [new_code_cell(open_ended), solved] if open_ended.strip() else [solved]


def _folded(cell: NotebookNode, prompt: str) -> NotebookNode:
    """Fold the source of a cell behind a prompt."""
    metadata: dict[str, Any] = cell.metadata
    metadata["tags"] = [*metadata.get("tags", []), "hide-input"]
    metadata["mystnb"] = {"code_prompt_show": prompt, "code_prompt_hide": prompt}
    return cell

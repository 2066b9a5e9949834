"""How nbgrader makes the students' edition, and how long it waits when it grades.

nbgrader reads this file from the folder of a course. Its own stub raises NotImplementedError,
and the check below an exercise could then not explain what is missing.
"""

import os
from typing import Any

from nbformat import NotebookNode
from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import NbGraderPreprocessor


class DropBadge(NbGraderPreprocessor):
    """Take out the badge, whose link leads to the lab's own notebook, with the solutions."""

    def preprocess_cell(
        self, cell: NotebookNode, resources: Any, index: int
    ) -> tuple[NotebookNode, Any]:
        """Return the cell without the badge's line."""
        lines = cell.source.split("\n")
        cell.source = "\n".join(line for line in lines if not line.startswith("[![Open in Colab]"))
        return cell, resources


class CloseSolutions(NbGraderPreprocessor):
    """Tell the set-up cell that `solution` and the last `hint` are not to be had.

    They stay in the package, where a check that fails takes them from, and whoever opens its
    files finds them: a closed door, no safe. For an examination, write other exercises.
    """

    def preprocess_cell(
        self, cell: NotebookNode, resources: Any, index: int
    ) -> tuple[NotebookNode, Any]:
        """Return the cell, with the set-up's word about solutions."""
        if "set-up" in cell.metadata.get("tags", []):
            cell.source = f"{cell.source.removesuffix(')')}, solutions=False)"
        return cell, resources


# nbgrader provides get_config.
c = get_config()  # type: ignore[name-defined]  # noqa: F821
c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE"}
c.GenerateAssignment.preprocessors = [*GenerateAssignment.preprocessors.default(), DropBadge]
if os.environ.get("SOLUTIONS") == "no":  # make student SOLUTIONS=no
    c.GenerateAssignment.preprocessors.append(CloseSolutions)
c.Execute.timeout = 300  # seconds for a cell; lesson 08 trains for 40 on two quiet cores

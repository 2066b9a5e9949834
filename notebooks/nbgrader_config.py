"""How nbgrader makes the students' edition, and how long it waits when it grades.

nbgrader reads this file from the folder of a course. Its own stub raises NotImplementedError,
and the check below an exercise could then not explain what is missing.
"""

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


# nbgrader provides get_config.
c = get_config()  # type: ignore[name-defined]  # noqa: F821
c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE"}
c.GenerateAssignment.preprocessors = [*GenerateAssignment.preprocessors.default(), DropBadge]
c.Execute.timeout = 300  # seconds for a cell; lesson 08 trains for 40 on two quiet cores

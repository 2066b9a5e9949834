"""How nbgrader makes the students' edition, and what it forgives when it grades.

nbgrader reads this file from the folder of a course. Its own stub raises NotImplementedError,
and the check below an exercise could then not explain what is missing.
"""

import os
from typing import Any

from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde, GenerateAssignment
from nbgrader.nbgraderformat import MetadataValidator
from nbgrader.preprocessors import CheckCellMetadata, NbGraderPreprocessor, OverwriteCells


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


class DropStrayMarks(NbGraderPreprocessor):
    """Take nbgrader's marks from a cell that is none of the assignment's, so that grading goes on.

    A student copies a cell, brings one from another lesson, or from a course with an older
    nbgrader. nbgrader 0.9.6 takes away a part of its marks and then fails on what is left: that
    student is not graded, and where it takes the rest for an old format, nobody after that student
    is. Without marks the cell stays and runs, like any other that a student has added.
    """

    def preprocess_cell(
        self, cell: NotebookNode, resources: Any, index: int
    ) -> tuple[NotebookNode, Any]:
        """Return the cell, without marks that nbgrader would not accept."""
        if "nbgrader" in cell.metadata:
            try:
                MetadataValidator().validate_cell(cell)
            except Exception as error:  # of whatever kind: a student's file may hold anything
                reason = str(error).partition("\n")[0]
                self.log.warning("Cell %d is taken as the student's own: %s", index + 1, reason)
                del cell.metadata["nbgrader"]
        return cell, resources


class RestoreChecks(OverwriteCells):
    """Put a check that a student has deleted back below its exercise.

    nbgrader 0.9.6 has this as an option, which fails on who has deleted the exercise as well.
    """

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """Return the notebook, with every check of the assignment."""
        told = resources["nbgrader"]
        with Gradebook(told["db_url"]) as book:
            source = book.find_notebook(told["notebook"], told["assignment"])
            points = {check.name: check.max_score for check in source.grade_cells}
            after = len(nb.cells)  # where neither a check nor an exercise before it is left
            for cell in source.source_cells:
                there = [one.metadata.get("nbgrader", {}).get("grade_id") for one in nb.cells]
                if cell.name in there:
                    after = there.index(cell.name) + 1
                elif cell.name in points:
                    self.log.warning("Check %s was deleted, and is put back", cell.name)
                    nb.cells.insert(after, self.missing_cell_transform(cell, points[cell.name]))
                    after += 1
        return nb, resources


# nbgrader provides get_config.
c = get_config()  # type: ignore[name-defined]  # noqa: F821
c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE"}
c.GenerateAssignment.preprocessors = [*GenerateAssignment.preprocessors.default(), DropBadge]
if os.environ.get("SOLUTIONS") == "no":  # make student SOLUTIONS=no
    c.GenerateAssignment.preprocessors.append(CloseSolutions)
steps = list(Autograde.sanitize_preprocessors.default())
last = steps.index(CheckCellMetadata)  # after all that restore a cell
steps[last:last] = DropStrayMarks, RestoreChecks
c.Autograde.sanitize_preprocessors = steps
c.Execute.timeout = 300  # seconds for a cell; lesson 08 trains for 40 on two quiet cores

"""The course's notebooks as files of one's own: the lab's edition, or the students'."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from slae_lib.course.autograders import FOLDER, write_autograders
from slae_lib.support.errors import LabError, UsageError
from slae_lib.support.files import atomic_write, stored_file

CONFIG = "nbgrader_config.py"


def write_notebooks(folder: Path, *, student: bool = False, otter: bool = False) -> list[Path]:
    """Write the notebooks that came with the lab into a folder.

    Args:
        folder: where to; it is made if it is not there.
        student: leave out solutions and hidden tests. The lab's own edition has nbgrader's
            configuration beside it, for a teacher who grades.
        otter: the students' edition, with an autograder for each notebook in ``autograders``.

    Returns:
        The files that were written.

    Raises:
        UsageError: if one of them is there already; it may hold somebody's answers.
        LabError: if they are not in this installation, nbgrader or Otter fails or is missing, or
            the folder cannot be written.
    """
    student |= otter
    stored = stored_file("notebooks")
    if stored is None:
        raise LabError("This installation of the lab has no notebooks; install its wheel anew.")
    names = [path.name for path in sorted(stored.glob("*.ipynb"))]
    graders = [f"{FOLDER}/{Path(name).stem}.zip" for name in names] if otter else []
    names += [CONFIG] * (not student) + graders
    there = next((path for name in names if (path := folder / name).exists()), None)
    if there is not None:
        raise UsageError(
            f"{there} is there already and may hold somebody's answers; name another folder."
        )
    with tempfile.TemporaryDirectory() as temporary:
        source = students_edition(stored, Path(temporary)) if student else stored
        if otter:
            needed("otter", "otter-grader", "makes the autograders")
            write_autograders(stored, source)
        for name in names:
            with atomic_write(folder / name) as file:
                shutil.copyfile(source / name, file)
    return [folder / name for name in names]


def needed(module: str, package: str, does: str) -> None:
    """Raise a `LabError` if a package is not installed."""
    if importlib.util.find_spec(module) is None:
        raise LabError(f"{package}, which {does}, is not installed; pip install {package}.")


def students_edition(notebooks: Path, course: Path) -> Path:
    """Let nbgrader make the students' edition.

    Args:
        notebooks: folder of the lab's edition and of nbgrader's configuration.
        course: an empty folder, which becomes nbgrader's course.

    Returns:
        The folder of the students' edition, in ``course``.

    Raises:
        LabError: if nbgrader is missing or fails.
    """
    needed("nbgrader", "nbgrader", "makes the students' edition")
    source = course / "source" / "slae-lab"
    source.mkdir(parents=True)
    for path in notebooks.glob("*.ipynb"):
        shutil.copyfile(path, source / path.name)
    shutil.copyfile(notebooks / CONFIG, course / CONFIG)
    # nbgrader starts programs of its environment by their bare names.
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", "generate_assignment", "slae-lab"],
        cwd=course,
        env=os.environ | {"PATH": programs},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode:
        raise LabError(f"nbgrader could not make the students' edition; it said:\n{done.stderr}")
    return course / "release" / "slae-lab"

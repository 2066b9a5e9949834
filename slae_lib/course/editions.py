"""The course's notebooks as files of one's own, for the lab or for students, in any language."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from slae_lib.course.autograders import FOLDER, write_autograders
from slae_lib.support.errors import LabError, UsageError
from slae_lib.support.files import atomic_write, stored_file
from slae_lib.support.language import MARK, languages

CONFIG = "nbgrader_config.py"
BADGE = re.compile(r"\[!\[Open in Colab\]\([^)]*\)\]\([^)]*\)\n*")
_CELL = re.compile(r"^<!-- (\S+) -->\n", re.MULTILINE)


def write_notebooks(
    folder: Path, *, student: bool = False, otter: bool = False, language: str = "en"
) -> list[Path]:
    """Write the notebooks that came with the lab into a folder.

    Args:
        folder: where to; it is made if it is not there.
        student: leave out solutions and hidden tests. The lab's own edition has nbgrader's
            configuration beside it, for a teacher who grades.
        otter: the students' edition, with an autograder for each notebook in ``autograders``.
        language: of the text; the code is the same in all. Another than English comes without
            outputs, and with the file that lets checks and figures speak it.

    Returns:
        The files that were written.

    Raises:
        UsageError: if one of them is there already, since it may hold somebody's answers; or if
            the course has no such language.
        LabError: if they are not in this installation, nbgrader or Otter fails or is missing, or
            the folder cannot be written.
    """
    student |= otter
    stored = stored_file("notebooks")
    if stored is None:
        raise LabError("This installation of the lab has no notebooks; install its wheel anew.")
    if language not in (known := ["en", *languages()]):
        raise UsageError(f"The course has no language {language!r}; choose {', '.join(known)}.")
    names = [path.name for path in sorted(stored.glob("*.ipynb"))]
    graders = [f"{FOLDER}/{Path(name).stem}.zip" for name in names] if otter else []
    names += [CONFIG] * (not student) + graders
    there = next((path for name in names if (path := folder / name).exists()), None)
    if there is not None:
        raise UsageError(
            f"{there} is there already and may hold somebody's answers; name another folder."
        )
    with tempfile.TemporaryDirectory() as temporary:
        source = lab = (
            stored if language == "en" else translated(stored, language, Path(temporary, "lab"))
        )
        if student:
            source = students_edition(lab, Path(temporary, "course"))
        if otter:
            needed("otter", "otter-grader", "makes the autograders")
            write_autograders(lab, source)
        for name in names:
            with atomic_write(folder / name) as file:
                shutil.copyfile(source / name, file)
    if language != "en":
        (folder / MARK).write_text(language, encoding="utf-8")
    return [folder / name for name in names]


def translated(notebooks: Path, language: str, folder: Path) -> Path:
    """Write the notebooks in another language into a new folder, and return it.

    Their code is the same; a text that is not translated stays English. Outputs are left out,
    since their words come from the kernel, and so is the badge, which opens the English notebook.
    """
    folder.mkdir()
    shutil.copyfile(notebooks / CONFIG, folder / CONFIG)
    for path in sorted(notebooks.glob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        words = translation(notebooks / language / f"{path.stem}.md")
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell |= {"outputs": [], "execution_count": None}
            elif (text := words.get(cell["id"])) is not None:
                cell["source"] = BADGE.sub("", text).splitlines(keepends=True)
        text = json.dumps(notebook, indent=1, ensure_ascii=False)
        (folder / path.name).write_text(f"{text}\n", encoding="utf-8")
    return folder


def translation(file: Path) -> dict[str, str]:
    """Return the texts of a notebook's cells in another language, by the cells' names.

    Args:
        file: each text stands behind a line ``<!-- NAME -->``; empty if there is no such file.
    """
    parts = _CELL.split(file.read_text(encoding="utf-8")) if file.is_file() else [""]
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}


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

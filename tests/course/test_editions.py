"""The notebooks of an installed lab as files of one's own."""

import zipfile
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner, Result
from nbformat.v4 import new_code_cell, new_notebook

from slae_lib.cli import main
from slae_lib.course import editions, repository
from slae_lib.course.lessons import LESSONS
from slae_lib.support import files

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAMES = [f"{lesson.name}.ipynb" for lesson in LESSONS]
MARKS = {"schema_version": 3, "grade": False, "solution": True, "locked": False, "grade_id": "one"}
SOLUTION = "### BEGIN SOLUTION\nanswer = 1\n### END SOLUTION"


def slae(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed lab whose course is one small notebook, since the real one takes minutes."""
    stored = tmp_path / "site-packages" / "slae_lib" / "data" / "notebooks"
    stored.mkdir(parents=True)
    cell = new_code_cell(SOLUTION, metadata={"nbgrader": MARKS})
    nbformat.write(new_notebook(cells=[cell]), stored / "small.ipynb")
    (stored / editions.CONFIG).write_bytes((NOTEBOOKS / editions.CONFIG).read_bytes())
    monkeypatch.setattr(files, "__file__", str(stored.parents[1] / "support" / "files.py"))
    return stored


def test_a_checkout_gives_its_notebooks(tmp_path: Path) -> None:
    folder = tmp_path / "my course"
    result = slae("notebooks", folder)
    assert result.exit_code == 0, result.output
    written = sorted(path.name for path in folder.iterdir())
    assert written == sorted([*NAMES, "nbgrader_config.py"])
    for name in written:
        assert (folder / name).read_bytes() == (NOTEBOOKS / name).read_bytes()
        assert name in result.output


def test_an_installed_lab_gives_those_that_it_came_with(installed: Path, tmp_path: Path) -> None:
    assert slae("notebooks", tmp_path).exit_code == 0
    assert (tmp_path / "small.ipynb").read_bytes() == (installed / "small.ipynb").read_bytes()


def test_the_students_edition_has_no_solution(installed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "student"
    result = slae("notebooks", "--student", folder)
    assert result.exit_code == 0, result.output
    assert [path.name for path in folder.iterdir()] == ["small.ipynb"]
    (cell,) = nbformat.read(folder / "small.ipynb", as_version=4).cells
    assert cell.source == "# YOUR CODE HERE"


def test_otters_edition_has_an_autograder_for_each_notebook(
    installed: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "gradescope"
    result = slae("notebooks", "--otter", folder)
    assert result.exit_code == 0, result.output
    written = [path.relative_to(folder).as_posix() for path in folder.rglob("*.*")]
    assert sorted(written) == ["autograders/small.zip", "small.ipynb"]
    (cell,) = nbformat.read(folder / "small.ipynb", as_version=4).cells
    assert cell.source == "# YOUR CODE HERE"
    with zipfile.ZipFile(folder / "autograders" / "small.zip") as autograder:
        assert f"slae-lib @ git+{repository()}@v" in autograder.read("environment.yml").decode()


@pytest.mark.parametrize("options", [[], ["--student"], ["--otter"]])
def test_a_students_answers_are_not_written_over(
    options: list[str], installed: Path, tmp_path: Path
) -> None:
    (tmp_path / "small.ipynb").write_text("my answers")
    result = slae("notebooks", tmp_path, *options)
    assert result.exit_code == 2
    assert "small.ipynb is there already" in result.output
    assert [path.name for path in tmp_path.glob("*.*")] == ["small.ipynb"]
    assert (tmp_path / "small.ipynb").read_text() == "my answers"


def test_what_nbgrader_does_not_like_is_told(installed: Path, tmp_path: Path) -> None:
    (installed / "broken.ipynb").write_text("no notebook")
    result = slae("notebooks", "--student", tmp_path / "student")
    assert result.exit_code == 1
    assert "nbgrader could not make the students' edition" in result.output
    assert "broken.ipynb" in result.output
    assert not (tmp_path / "student").exists()


def test_what_is_missing_is_told(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(editions.importlib.util, "find_spec", lambda name: None)
    result = slae("notebooks", "--student", tmp_path / "student")
    assert result.exit_code == 1
    assert "pip install nbgrader" in result.output
    installed.rename(tmp_path / "elsewhere")
    assert "has no notebooks" in slae("notebooks", tmp_path / "course").output


def test_a_folder_that_cannot_be_written_is_told(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = slae("notebooks", tmp_path / "file")
    assert result.exit_code == 1
    assert "small.ipynb could not be written" in result.output

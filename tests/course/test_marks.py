"""A gradebook becomes a table, read as Canvas and Moodle read theirs."""

import csv
import datetime
import os
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from nbgrader.api import Gradebook

from slae_lib.cli import main
from slae_lib.course import marks
from slae_lib.course.marks import FORMATS, course_marks, write_marks

DUE = datetime.datetime(2027, 3, 1, 12)
ONE = "02_spatial_attention / 2.1 pool-channels"
TWO = "02_spatial_attention / spatial-attention"
NAMES = [ONE, TWO]


def hand_in(folder: Path, student: str, graded: bool = True, name: str = "") -> None:
    for step in ("submitted", "autograded")[: 1 + graded]:
        path = folder / step / student / "02_spatial_attention"
        path.mkdir(parents=True)
        (path / f"{name or '02_spatial_attention'}.ipynb").touch()


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What nbgrader leaves behind when it has graded; each student has done something else."""
    # nbgrader starts programs of its environment by their bare names.
    here = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", here)
    lesson = "02_spatial_attention"
    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}", "") as book:
        book.add_assignment(lesson, duedate=DUE)
        book.add_notebook(lesson, lesson)
        for cell, most in (("pool-channels-check", 2), ("spatial-attention-check", 3)):
            book.add_grade_cell(cell, lesson, lesson, max_score=most, cell_type="code")
            source = 'check("2.1", pool_channels)\nassert True' if most == 2 else "assert True"
            book.add_source_cell(cell, lesson, lesson, source=source, cell_type="code")
        book.add_student("mei", first_name="Mei", last_name="Li", email="mei@uni.example")
        book.update_or_create_student("mei", lms_user_id="4711")
        for student in "half late looked manual nothing renamed second".split():
            book.add_student(student)
        for student in "mei half late looked manual renamed second".split():
            when = DUE + datetime.timedelta(hours=1 if student == "late" else -1)
            book.add_submission(lesson, student, timestamp=when)
            for cell, points in (("pool-channels-check", 2), ("spatial-attention-check", 3)):
                grade = book.find_grade(cell, lesson, lesson, student)
                grade.auto_score = 0 if student == "half" and points == 3 else points
                grade.needs_manual_grade = student == "looked" and points == 2
                if student == "manual" and points == 3:
                    grade.manual_score, grade.extra_credit = 1.5, 1
        book.db.commit()
    for student in "mei half late looked manual second".split():
        hand_in(tmp_path, student)
    hand_in(tmp_path, "renamed", graded=False, name="02_spatial_attention (1)")
    again = tmp_path / "submitted" / "second" / lesson / "timestamp.txt"
    again.write_text("2027-03-01 11:30:00 UTC")  # handed in once more, half an hour later
    return tmp_path


def table(course: Path, layout: str) -> list[list[str]]:
    out = course / "marks.csv"
    write_marks(course, out, layout)
    with out.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def read_by_canvas(rows: list[list[str]]) -> dict[str, dict[str, float | None]]:
    """Import as Canvas does (its `lib/gradebook_importer.rb`): grades by login.

    Title of an assignment: with " (number)" at its end it is the number of an existing one, and
    with one of Canvas's own words it is dropped.
    """
    header, points, *students = rows
    assert len(header) > 3
    assert "Student" in header[0]
    assert "ID" in header[1]
    assert re.search(r"SIS\s+User\s+ID", header[2])
    assert re.search(r"SIS\s+Login\s+ID", header[3])
    assert "Section" in header[4]
    titles = header[5:]
    own = "(Current|Final) (Score|Points|Grade)|Override (Score|Grade|Status)"
    assert not [title for title in titles if re.search(own + r"|\s\(\d+\)$", title)]
    assert len(set(titles)) == len(titles)
    assert "Points Possible" in points[0]
    assert [float(most) for most in points[5:]] == [2, 3]
    assert all(len(row) == len(header) and row[0] for row in students)
    return {
        row[3]: {
            title: float(cell) if cell else None
            for title, cell in zip(titles, row[5:], strict=True)
        }
        for row in students
    }


def read_by_moodle(rows: list[list[str]]) -> dict[str, dict[str, float | None]]:
    """Import as Moodle does (its `grade/import/csv`): users by user name, columns as mapped.

    A hyphen or nothing is no grade; what is no number stops the whole import, and so does a
    grade above 100. The last column is mapped to nothing.
    """
    header, *students = rows
    user = header.index("Username")
    grades = {}
    for row in students:
        assert len(row) == len(header)
        cells = dict(zip(header[5:-1], row[5:-1], strict=True))
        grades[row[user]] = {
            title: None if cell in ("", "-") else float(cell) for title, cell in cells.items()
        }
        assert all(grade is None or grade <= 100 for grade in grades[row[user]].values())
    return grades


@pytest.mark.parametrize(
    ("layout", "read"), [("canvas", read_by_canvas), ("moodle", read_by_moodle)]
)
def test_a_platform_takes_the_points_and_no_nought_for_what_is_missing(
    layout, read, course
) -> None:
    none = dict.fromkeys(NAMES)
    assert read(table(course, layout)) == {
        "mei": {ONE: 2, TWO: 3},
        "half": {ONE: 2, TWO: 0},
        "late": {ONE: 2, TWO: 3},
        "looked": {ONE: None, TWO: 3},
        "manual": {ONE: 2, TWO: 2.5},
        "nothing": none,
        "renamed": none,
        "second": none,
    }


def test_a_reader_sees_why_there_are_no_points(course: Path) -> None:
    header, *rows = table(course, "plain")
    assert header == ["Student", "Login", *NAMES, "Remarks"]
    told = {login: (*cells, remarks) for _, login, *cells, remarks in rows}
    both = f"{ONE}, {TWO}"
    assert told == {
        "mei": ("2", "3", ""),
        "half": ("2", "0", ""),
        "late": ("2", "3", f"late: {both}"),
        "looked": ("waits", "3", f"waits: {ONE}"),
        "manual": ("2", "2.5", ""),
        "nothing": ("missing", "missing", f"missing: {both}"),
        "renamed": ("missing", "missing", f"missing: {both}"),
        "second": ("not graded", "not graded", f"not graded: {both}"),
    }


def test_a_student_is_named_as_nbgrader_knows_her(course: Path) -> None:
    row = next(row for row in table(course, "canvas") if row[3] == "mei")
    assert row[:5] == ["Li, Mei", "4711", "", "mei", ""]
    row = next(row for row in table(course, "moodle") if row[2] == "mei")
    assert row[:5] == ["Mei", "Li", "mei", "4711", "mei@uni.example"]


def test_the_course_may_keep_its_gradebook_elsewhere(course: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "safe" / "book.db"
    elsewhere.parent.mkdir()
    (course / "gradebook.db").rename(elsewhere)
    (course / "nbgrader_config.py").write_text(
        f"c = get_config()\nc.CourseDirectory.db_url = {f'sqlite:///{elsewhere}'!r}\n"
    )
    assert len(course_marks(course).students) == 8


def slae(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_the_command_says_what_waits(course: Path) -> None:
    out = course / "canvas.csv"
    done = slae("marks", course, "--format", "canvas", "--out", out)
    assert done.exit_code == 0, done.output
    assert f"looked: waits: {ONE}\n" in done.output
    assert done.output.endswith(f"{out}\n")
    assert set(FORMATS) == {"plain", "canvas", "moodle"}


def test_what_is_no_graded_course_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = slae("marks", tmp_path)
    assert done.exit_code == 2
    assert "has no gradebook" in done.output
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "gradebook.db").write_text("no data base, and long enough to be read as one" * 9)
    done = slae("marks", tmp_path, "--out", tmp_path / "marks.csv")
    assert done.exit_code == 1
    assert "cannot be read as a gradebook" in done.output
    (tmp_path / "nbgrader_config.py").write_text("1 / 0")
    assert "nbgrader_config.py cannot be read (ZeroDivisionError" in slae("marks", tmp_path).output
    monkeypatch.setattr(marks.importlib.util, "find_spec", lambda name: None)
    assert "pip install nbgrader" in slae("marks", tmp_path).output

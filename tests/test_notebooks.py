"""The notebooks: sound, in order, runnable by a student, and the tools that keep them so."""

import html
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import exercise_lint
import nbformat
import notebook_lint
import pytest
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from notebook_lint import NOTEBOOKS, REPOSITORY, ROOT, VERSION, Subject, faults
from PIL import Image

from slae_lib.course import badge, set_up_cell
from slae_lib.course.lessons import LESSONS, lesson

PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def in_words(sentences: list[str]) -> str:
    return "\n" + "\n".join(f"- {sentence}" for sentence in sentences)


# --- the notebooks --------------------------------------------------------------------------


@each_notebook
def test_a_notebook_is_sound(path: Path) -> None:
    subject = Subject.read(path)
    found = faults(subject) + faults(subject, exercise_lint.RULES)
    assert not found, in_words(found)


def test_no_lesson_is_missing() -> None:
    assert [path.stem for path in PATHS] == [lesson.name for lesson in LESSONS]


def test_the_readme_lists_the_course_in_its_order() -> None:
    listing = (NOTEBOOKS / "README.md").read_text(encoding="utf-8")
    assert "\n".join(execute.rows()) in listing, (
        "run `make notebooks`, which writes the table anew."
    )
    assert len(re.findall(r"^\| \[?\d\d", listing, re.MULTILINE)) == len(LESSONS)


def test_the_map_of_the_course_shows_the_course() -> None:
    with Image.open(ROOT / "figures" / "reading_order.png") as picture:
        drawn_from = picture.info["Description"]
    assert drawn_from == repr(LESSONS), "course/lessons.py has changed; run `make notebooks`."


@each_notebook
def test_a_notebook_becomes_a_page(path: Path) -> None:
    """Every picture stands on the page that nbconvert makes, and below it what it shows."""
    page, _ = HTMLExporter().from_filename(str(path))
    pictures = [
        output.metadata["image/png"]["alt"]
        for _, output in Subject.read(path).outputs()
        if "image/png" in output.get("data", {})
    ]
    page = html.unescape(page)
    assert page.count('src="data:image/png;base64,') == len(pictures)
    for alt in pictures:
        assert f"<small>{alt}</small>" in page
    assert "Traceback (most recent call last)" not in page


# --- the students' edition ------------------------------------------------------------------


@pytest.fixture(scope="module")
def students_edition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the real nbgrader has released every notebook."""
    course = tmp_path_factory.mktemp("course")
    source = course / "source" / "lab"
    source.mkdir(parents=True)
    shutil.copy(NOTEBOOKS / "nbgrader_config.py", course)
    for path in PATHS:
        shutil.copy(path, source)
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", "lab"]
    # nbgrader starts programs of its environment by their bare names.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=course, capture_output=True, text=True, env=os.environ | {"PATH": path}
    )
    assert done.returncode == 0, done.stderr
    return course / "release" / "lab"


@each_notebook
def test_the_students_edition_holds_no_solution(path: Path, students_edition: Path) -> None:
    student = nbformat.read(students_edition / path.name, as_version=4)
    teacher = nbformat.read(path, as_version=4)
    source = "\n".join(cell.source for cell in student.cells)
    assert "SOLUTION" not in source
    assert "HIDDEN TESTS" not in source
    assert not any(cell.get("outputs") for cell in student.cells)
    assert "/blob/" not in source  # a link to the lab's own notebook
    for told, hidden in zip(student.cells, teacher.cells, strict=True):
        if notebook_lint.is_solution(hidden):
            assert "# YOUR CODE HERE" in told.source
            assert len(told.source) < len(hidden.source)
        else:
            lines = hidden.source.split("\n")
            without_badge = [line for line in lines if not line.startswith("[![Open in Colab]")]
            assert "\n".join(without_badge).startswith(told.source.rstrip())


@each_notebook
def test_checks_teach_before_anything_is_done(path: Path, students_edition: Path) -> None:
    student = nbformat.read(students_edition / path.name, as_version=4)
    run(student, path.parent, allow_errors=False)
    for place, cell in enumerate(student.cells, start=1):
        if notebook_lint.is_check(cell):
            errors = [out for out in cell.outputs if out.output_type == "error"]
            assert errors, f"{path.stem}, cell {place}: the check passes without an answer."
            said = f"{errors[0].ename}: {errors[0].evalue}"
            assert errors[0].ename == "NotYet", f"{path.stem}, cell {place}: {said}"
            assert len(errors[0].evalue.split()) >= 6, f"{path.stem}, cell {place}: {said}"


def run(notebook: NotebookNode, folder: Path, *, allow_errors: bool = True) -> None:
    """Run all cells, those after an error too, or only after one that is tagged for it."""
    from nbclient import NotebookClient

    client = NotebookClient(
        notebook,
        km=execute.AsyncKernelManager(kernel_spec_manager=execute.ThisPython()),
        timeout=300,
        allow_errors=allow_errors,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()


# --- the command that runs them -------------------------------------------------------------


def load_execute() -> ModuleType:
    spec = importlib.util.spec_from_file_location("execute", NOTEBOOKS / "execute.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


execute = load_execute()


def written(folder: Path, *sources: str) -> Path:
    path = folder / "02_spatial_attention.ipynb"
    cells = [new_markdown_cell("# Title\n\n[![Open in Colab](old)](old)")]
    cells += [new_code_cell(source) for source in sources]
    nbformat.write(new_notebook(cells=cells), path)
    return path


def test_a_run_stores_what_matters_and_nothing_of_this_computer(tmp_path: Path) -> None:
    path = written(tmp_path, "print(1 + 1)", "import os\nprint(os.getcwd())")
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata["widgets"] = {"state": {}}
    notebook.cells[1].metadata["execution"] = {"iopub.status.busy": "2023-02-01"}
    notebook.cells[1].metadata["tags"] = ["slow"]
    nbformat.write(notebook, path)
    execute.execute(path)
    stored = nbformat.read(path, as_version=4)
    assert badge("02_spatial_attention", VERSION, REPOSITORY) in stored.cells[0].source
    assert [cell.execution_count for cell in stored.cells[1:]] == [1, 2]
    assert stored.cells[1].outputs[0].text == "2\n"
    assert stored.cells[1].metadata == {"tags": ["slow"]}
    assert "<tmp>" in stored.cells[2].outputs[0].text
    assert set(stored.metadata) == {"kernelspec", "language_info"}
    assert "version" not in stored.metadata["language_info"]
    before = path.read_bytes()
    execute.execute(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("source", "said"),
    [("1 / 0", "ZeroDivisionError"), ("import sys; print('oh', file=sys.stderr)", "stderr")],
)
def test_a_notebook_with_a_fault_is_not_stored(tmp_path: Path, source: str, said: str) -> None:
    path = written(tmp_path, "print('fine')", source)
    before = path.read_bytes()
    with pytest.raises(execute.NotStored, match=said):
        execute.execute(path)
    assert path.read_bytes() == before


def test_an_unknown_name_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute.main(["77_nothing"]) == 1
    assert "no notebook 77_nothing" in capsys.readouterr().out


# --- what nbval does not compare ------------------------------------------------------------


def sanitised(text: str) -> str:
    from nbval.plugin import get_sanitize_patterns

    told = (ROOT / "tests" / "notebook_sanitise.cfg").read_text(encoding="utf-8")
    for regex, replacement in get_sanitize_patterns(told):
        text = re.sub(regex, replacement, text)
    return text


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("Device: CPU (2 threads)", "Device: Tesla T4 (15 GiB)"),
        ("PyTorch 2.6.0", "PyTorch 2.15.0+cu132"),
        ("100 iterations took 12.5 s", "100 iterations took 9 s"),
        ("read /home/ada/lab/a.png", "read <lab>/data/a.png"),
        ("read /home/ada/lab/a.png", "read C:\\lab\\data\\a.png"),
        ("diversity about 0.9, broken about 1.0", "diversity about -0.1, broken about 0.0"),
        ("beyond luck here: True", "beyond luck here: False"),
    ],
)
def test_computers_may_differ(here: str, there: str) -> None:
    assert sanitised(here) == sanitised(there)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("loss 0.31", "loss 0.32"),
        ("29127846 weights", "29127847 weights"),
        ("margin 12.5 s", "margin 9 s"),
        ("1/2 and 1/3", "1/4 and 1/3"),
        ("read /home/ada/a.png", "read /home/ada/b.png"),
        ("about 0.9, then 1.0", "about 0.9, then 1.1"),
        ("about 19 seeds", "about 18 seeds"),
        ("trained here: no GPU", "trained here: a GPU"),
        ("beyond luck: True", "beyond luck: False"),
    ],
)
def test_results_may_not_differ(one: str, other: str) -> None:
    assert sanitised(one) != sanitised(other)


# --- the lint itself: a sound notebook, and each way to break it ----------------------------

NAME = "02_spatial_attention"
FOLDED = "<details>\n<summary>Answer</summary>\n\n**B**, since it is so.\n\n</details>"
ALT = "Two lines, of which the upper one rises from left to right."


def nbgrader(grade_id: str, *, solution: bool) -> dict[str, object]:
    told = {"schema_version": 3, "grade_id": grade_id, "solution": solution, "task": False}
    told |= {"grade": not solution, "locked": not solution}
    return {"nbgrader": told if solution else told | {"points": 1}}


def exercise(number: int) -> list[NotebookNode]:
    solution = f"y{number} = ...\n### BEGIN SOLUTION\ny{number} = 2\n### END SOLUTION"
    check = f"assert y{number} == 2\n### BEGIN HIDDEN TESTS\n### END HIDDEN TESTS"
    return [
        new_code_cell(solution, metadata=nbgrader(f"e{number}", solution=True)),
        new_code_cell(check, metadata=nbgrader(f"e{number}-check", solution=False)),
    ]


def sound() -> Subject:
    """The smallest notebook without a fault."""
    opening = f"""# 02 · Spatial attention

{badge(NAME, VERSION, REPOSITORY)}

**What you will learn**
**Prerequisites:** none
**Time:** {lesson(NAME).minutes} minutes
**Place in the series:** third"""
    closing = "## Summary\n\nx\n\n## What comes next\n\ny\n\n## References\n\nz"
    picture = new_output(
        "display_data",
        {"image/png": "iVBORw0KGgo=", "text/plain": ALT},
        metadata={"image/png": {"alt": ALT}},
    )
    cells = [
        new_markdown_cell(opening),
        new_code_cell(set_up_cell(NAME, VERSION, REPOSITORY), metadata={"tags": ["set-up"]}),
        new_markdown_cell(f"![A cat, from the side.](cat.png)\n\n{FOLDED}"),
        *exercise(1),
        *exercise(2),
        *[new_code_cell(f"print({n})") for n in range(8)],
        new_code_cell("draw()", outputs=[picture]),
        new_code_cell("from slae_lib import x\nassert_close(x, y)", metadata={"tags": ["compare"]}),
        new_markdown_cell(closing),
    ]
    code = [cell for cell in cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, start=1):
        cell.execution_count = number
    return Subject(Path(f"{NAME}.ipynb"), new_notebook(cells=cells), 20_000)


def test_a_sound_notebook_has_no_fault() -> None:
    assert faults(sound()) == []


Breaker = Callable[[Subject], object]
FIRST, SET_UP, TEXT, SOLUTION, CHECK, PRINT, PICTURE, COMPARE, LAST = 0, 1, 2, 3, 4, 7, 15, 16, 17
BREAKERS: list[tuple[str, str, Breaker]] = []


def breaks(rule: str, said: str) -> Callable[[Breaker], Breaker]:
    def add(breaker: Breaker) -> Breaker:
        BREAKERS.append((rule, said, breaker))
        return breaker

    return add


def replaces(index: int, old: str, new: str) -> Breaker:
    def breaker(subject: Subject) -> None:
        cell = subject.notebook.cells[index]
        assert old in cell.source
        cell.source = cell.source.replace(old, new)

    return breaker


def adds_output(index: int, *arguments: object, **told: object) -> Breaker:
    def breaker(subject: Subject) -> None:
        subject.notebook.cells[index].outputs.append(new_output(*arguments, **told))

    return breaker


def tagged(index: int, *names: str, **metadata: object) -> Breaker:
    def breaker(subject: Subject) -> None:
        cell = subject.notebook.cells[index]
        cell.metadata.update({"tags": [*notebook_lint.tags(cell), *names], **metadata})

    return breaker


def graded(index: int, **told: object) -> Breaker:
    def breaker(subject: Subject) -> None:
        subject.notebook.cells[index].metadata["nbgrader"].update(told)

    return breaker


def removes(*indices: int) -> Breaker:
    def breaker(subject: Subject) -> None:
        kept = [c for i, c in enumerate(subject.notebook.cells) if i not in indices]
        blanks = [new_markdown_cell("x") for _ in indices]
        subject.notebook.cells = [*kept[:-1], *blanks, kept[-1]]
        renumber(subject)

    return breaker


def renumber(subject: Subject) -> None:
    for number, (_, cell) in enumerate(subject.cells("code"), start=1):
        cell.execution_count = number


def add(rule: str, said: str, breaker: Breaker) -> None:
    BREAKERS.append((rule, said, breaker))


@breaks("is_in_the_course", "has no such lesson")
def _(subject: Subject) -> None:
    subject.path = Path("02_something_else.ipynb")


@breaks("is_small", "501 kB")
def _(subject: Subject) -> None:
    subject.size = 501_000


@breaks("has_clean_metadata", "metadata hold widgets")
def _(subject: Subject) -> None:
    subject.notebook.metadata["widgets"] = {}


add("has_clean_metadata", "cell 8: its metadata hold execution", tagged(PRINT, execution={}))
add("has_clean_metadata", "cell 8: the tag nbval-skip", tagged(PRINT, "nbval-skip"))


@breaks("has_unique_cell_ids", "2 cells have the id")
def _(subject: Subject) -> None:
    subject.notebook.cells[4].id = subject.notebook.cells[5].id


@breaks("was_run_from_first_to_last", "cell 8: its number is 9 and should be 6")
def _(subject: Subject) -> None:
    subject.notebook.cells[PRINT].execution_count = 9


@breaks("was_run_from_first_to_last", "cell 17: its number is None")
def _(subject: Subject) -> None:
    subject.notebook.cells[COMPARE].execution_count = None


add(
    "has_no_error_stored",
    "cell 8: it shows the error KeyError",
    adds_output(PRINT, "error", ename="KeyError", evalue="x", traceback=[]),
)
add(
    "is_silent_on_stderr",
    "cell 8: it writes to stderr (100%)",
    adds_output(PRINT, "stream", name="stderr", text="100%"),
)
add(
    "shows_no_folder_of_a_computer",
    "names the folder /home/",
    adds_output(PRINT, "stream", name="stdout", text="saved to /home/ada/x.png"),
)
add(
    "shows_no_folder_of_a_computer",
    "names the folder C:\\",
    adds_output(PRINT, "display_data", {"text/plain": "C:\\Users\\ada"}),
)


@breaks("describes_its_pictures", "cell 16: its picture has no or too short")
def _(subject: Subject) -> None:
    subject.notebook.cells[PICTURE].outputs[0].metadata = {}


@breaks("describes_its_pictures", "cell 16: its picture has no or too short")
def _(subject: Subject) -> None:
    subject.notebook.cells[PICTURE].outputs[0].data["text/plain"] = "<Figure size 640x480>"


add(
    "describes_its_pictures",
    "cell 8: its HTML has an <img> without alt",
    adds_output(PRINT, "display_data", {"text/html": '<img src="x.png">'}),
)
add(
    "describes_its_pictures",
    "cell 3: a picture has no",
    replaces(TEXT, "A cat, from the side.", ""),
)
add(
    "describes_its_pictures",
    "cell 3: a picture has no",
    replaces(TEXT, "![A cat, from the side.](cat.png)", '<img src="cat.png">'),
)
add("opens_as_all_do", "cell 1: its first line", replaces(FIRST, "# 02 · Spatial", "# Spatial"))
add("opens_as_all_do", "**Time:** is missing", replaces(FIRST, "**Time:**", "Time:"))
add(
    "opens_as_all_do",
    f"should be {lesson(NAME).minutes} minutes",
    replaces(FIRST, f"{lesson(NAME).minutes} minutes", "an hour"),
)


@breaks("opens_as_all_do", "cell 1: it should be text")
def _(subject: Subject) -> None:
    subject.notebook.cells[FIRST].cell_type = "raw"


add("has_its_badge", "the Colab badge is missing", replaces(FIRST, "02_spatial", "03_spatial"))
add("starts_with_the_set_up", "not the course's set-up", replaces(SET_UP, VERSION, "0.0.1"))
add("starts_with_the_set_up", "not the course's set-up", removes(SET_UP))
add("closes_as_all_do", "no heading '## References'", replaces(LAST, "## Ref", "Ref"))
add("asks_a_question_with_a_folded_answer", "no question", replaces(TEXT, "<details>", ""))
add(
    "asks_a_question_with_a_folded_answer",
    "an empty line below",
    replaces(TEXT, "</summary>\n\n", "</summary>\n"),
)
add(
    "is_compared_by_nbval",
    "cell 8: it is not compared; say why",
    tagged(PRINT, "nbval-ignore-output"),
)


@breaks("is_compared_by_nbval", "2 of 15 code cells are not compared")
def _(subject: Subject) -> None:
    for index in (PRINT, PRINT + 1):
        why = "it prints the free memory"
        tagged(index, "nbval-ignore-output", nbval_reason=why)(subject)


add("is_compared_by_nbval", "not a comment", replaces(PRINT, "print", "# NBVAL_SKIP\nprint"))
add("is_compared_by_nbval", "ends with a semicolon", replaces(PRINT, "(0)", "(0);"))
add("compares_with_the_package", "no cell has the tag compare", removes(COMPARE))
add("compares_with_the_package", "do not use assert_close", replaces(COMPARE, "assert_close", "p"))
add("compares_with_the_package", "do not use slae_lib", replaces(COMPARE, "slae_lib", "mine"))
add(
    "compares_with_the_package",
    "take nbval-ignore-output out",
    tagged(COMPARE, "nbval-ignore-output", nbval_reason="it is not the same everywhere"),
)
add("has_valid_nbgrader_metadata", "Duplicate grade id", graded(SOLUTION, grade_id="e2"))
add("has_valid_nbgrader_metadata", "does not have points", graded(SOLUTION, grade=True))
add("has_valid_nbgrader_metadata", "nbgrader refuses it", graded(SOLUTION, schema_version=1))
add("has_exercises", "it has 1 exercises", removes(SOLUTION, CHECK))
add("pairs_solutions_with_checks", "mark the solution", replaces(SOLUTION, "### END", "# END"))
add("pairs_solutions_with_checks", "should be the check of this", removes(CHECK))
add("pairs_solutions_with_checks", "should be its solution", removes(SOLUTION))
add("pairs_solutions_with_checks", "metadata do not say so", graded(SOLUTION, solution=False))
add("pairs_solutions_with_checks", "add hidden tests", replaces(CHECK, "### END", "# END"))
add("pairs_solutions_with_checks", "belong into a check", graded(CHECK, grade=False))
add(
    "pairs_solutions_with_checks",
    "draw random numbers",
    replaces(CHECK, "### END HIDDEN", "torch.rand(1)\n### END HIDDEN"),
)


@pytest.mark.parametrize(
    ("rule", "said", "breaker"), BREAKERS, ids=[f"{rule}: {said}" for rule, said, _ in BREAKERS]
)
def test_the_lint_finds(rule: str, said: str, breaker: Breaker) -> None:
    subject = sound()
    breaker(subject)
    (found,) = [check for check in notebook_lint.RULES if check.__name__ == rule]
    sentences = faults(subject, [found])
    assert any(said in sentence for sentence in sentences), sentences
    assert all(sentence.startswith(subject.name) for sentence in sentences)


def test_every_rule_of_the_lint_was_seen_to_fail() -> None:
    assert {rule.__name__ for rule in notebook_lint.RULES} == {rule for rule, _, _ in BREAKERS}

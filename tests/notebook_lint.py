"""What every notebook of the course has to be, as rules that say what to mend.

A rule looks at one notebook and yields a sentence for each fault: the cell, the fault, the mend.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.nbgraderformat import MetadataValidator

from slae_lib.course import badge, set_up_cell
from slae_lib.course.lessons import LESSONS, lesson

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"
LARGEST = 500_000  # bytes
EXERCISES = range(2, 9)
COMPARED = {1, 2, 3, 4, 5, 6, 7, 8, 10}  # lessons in which the student builds a part of the package
UNCOMPARED_SHARE = 0.1
SOLUTION = ("### BEGIN SOLUTION", "### END SOLUTION")
HIDDEN = ("### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS")
OPENING = (
    "What you will learn",
    "Prerequisites:",
    "Time:",
    "Place in the series:",
)
CLOSING = ("## Summary", "## What comes next", "## References")
TAGS = {"set-up", "compare", "slow", "nbval-ignore-output", "raises-exception"}
OWN_FOLDERS = re.compile(r"(?<![\w<])(/(?:home|root|Users|tmp|work|content|mnt)/|[A-Z]:\\)")
RERUN = "run `make notebooks NB={}`"

with (ROOT / "pyproject.toml").open("rb") as _file:
    _project = tomllib.load(_file)["project"]
VERSION = _project["version"]
REPOSITORY = _project["urls"]["Repository"]


@dataclass
class Subject:
    """One notebook under the lint.

    Attributes:
        path: where it is, or would be.
        notebook: what it holds.
        size: bytes of the file.
    """

    path: Path
    notebook: NotebookNode
    size: int

    @classmethod
    def read(cls, path: Path) -> "Subject":
        return cls(path, nbformat.read(path, as_version=4), path.stat().st_size)

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def rerun(self) -> str:
        return RERUN.format(self.name)

    def cells(self, kind: str | None = None) -> Iterator[tuple[int, NotebookNode]]:
        """Yield cells with their place, counted from 1 as a reader does."""
        for place, cell in enumerate(self.notebook.cells, start=1):
            if kind is None or cell.cell_type == kind:
                yield place, cell

    def outputs(self) -> Iterator[tuple[int, NotebookNode]]:
        for place, cell in self.cells("code"):
            for output in cell.outputs:
                yield place, output


Rule = Callable[[Subject], Iterator[str]]
RULES: list[Rule] = []


def rule(function: Rule) -> Rule:
    RULES.append(function)
    return function


def faults(subject: Subject, rules: list[Rule] | None = None) -> list[str]:
    """Return a sentence for each fault of a notebook, none if it is sound."""
    return [f"{subject.name}: {fault}" for rule in rules or RULES for fault in rule(subject)]


def tags(cell: NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))


def grader(cell: NotebookNode) -> dict[str, object]:
    return dict(cell.metadata.get("nbgrader", {}))


def is_solution(cell: NotebookNode) -> bool:
    return bool(grader(cell).get("solution"))


def is_check(cell: NotebookNode) -> bool:
    return bool(grader(cell).get("grade")) and not is_solution(cell)


# --- the whole file -------------------------------------------------------------------------


@rule
def is_in_the_course(subject: Subject) -> Iterator[str]:
    if subject.name not in {lesson.name for lesson in LESSONS}:
        yield "the course has no such lesson; add it to slae_lib/course/lessons.py or rename it."


@rule
def is_small(subject: Subject) -> Iterator[str]:
    if subject.size > LARGEST:
        yield (
            f"the file has {subject.size / 1000:.0f} kB, and {LARGEST / 1000:.0f} is the limit; "
            "draw fewer or smaller pictures."
        )


@rule
def has_clean_metadata(subject: Subject) -> Iterator[str]:
    extra = set(subject.notebook.metadata) - {"kernelspec", "language_info"}
    if extra:  # `widgets` keeps GitHub from showing the notebook at all
        yield f"its metadata hold {', '.join(sorted(extra))}; {subject.rerun}, which takes it out."
    for place, cell in subject.cells():
        extra = set(cell.metadata) - {"tags", "nbgrader", "nbval_reason"}
        if extra:
            yield f"cell {place}: its metadata hold {', '.join(sorted(extra))}; {subject.rerun}."
        unknown = set(tags(cell)) - TAGS
        if unknown:
            yield (
                f"cell {place}: the tag {', '.join(sorted(unknown))} is not one of the course's "
                f"({', '.join(sorted(TAGS))}); take it out."
            )


@rule
def has_unique_cell_ids(subject: Subject) -> Iterator[str]:
    ids = Counter(cell.get("id", "") for cell in subject.notebook.cells)
    for name, count in ids.items():
        if count > 1:
            yield f"{count} cells have the id {name!r}; give each its own."


# --- what was stored ------------------------------------------------------------------------


@rule
def was_run_from_first_to_last(subject: Subject) -> Iterator[str]:
    for expected, (place, cell) in enumerate(subject.cells("code"), start=1):
        if cell.execution_count != expected:
            yield (
                f"cell {place}: its number is {cell.execution_count} and should be {expected}, "
                f"so it was not run in order; {subject.rerun}."
            )
            return


@rule
def has_no_error_stored(subject: Subject) -> Iterator[str]:
    for place, output in subject.outputs():
        if output.output_type == "error":
            yield f"cell {place}: it shows the error {output.ename}; mend it and {subject.rerun}."


@rule
def is_silent_on_stderr(subject: Subject) -> Iterator[str]:
    for place, output in subject.outputs():
        if output.output_type == "stream" and output.name == "stderr":
            yield f"cell {place}: it writes to stderr ({output.text.strip()[:60]}); silence it."


@rule
def shows_no_folder_of_a_computer(subject: Subject) -> Iterator[str]:
    for place, output in subject.outputs():
        texts = [output.get("text", "")]
        texts += [str(v) for kind, v in output.get("data", {}).items() if kind.startswith("text/")]
        for text in texts:
            if found := OWN_FOLDERS.search(text):
                yield f"cell {place}: its output names the folder {found[0]}...; print less."


@rule
def describes_its_pictures(subject: Subject) -> Iterator[str]:
    mend = "show it with show(figure, alt=...) of slae_lib.course"
    for place, output in subject.outputs():
        for kind in output.get("data", {}):
            if not kind.startswith("image/"):
                continue
            alt = output.metadata.get(kind, {}).get("alt", "")
            if len(alt.split()) < 8 or output.data.get("text/plain") != alt:
                yield f"cell {place}: its picture has no or too short a description; {mend}."
        html = str(output.get("data", {}).get("text/html", ""))
        if re.search(r"<img(?![^>]*\balt=\"[^\"]{10})", html):
            yield f"cell {place}: its HTML has an <img> without alt; describe the picture there."
    for place, cell in subject.cells("markdown"):
        if re.search(r"!\[\s*\]", cell.source) or re.search(
            r"<img(?![^>]*\balt=\"[^\"]+\")", cell.source
        ):
            yield f"cell {place}: a picture has no alternative text; write ![what it shows](...)."


# --- the text -------------------------------------------------------------------------------


@rule
def opens_as_all_do(subject: Subject) -> Iterator[str]:
    if subject.name not in {lesson.name for lesson in LESSONS}:
        return
    here = lesson(subject.name)
    first = subject.notebook.cells[0]
    if first.cell_type != "markdown":
        yield "cell 1: it should be text, with the title and what the reader can expect."
        return
    title = f"# {here.number:02} · {here.title}"
    if first.source.split("\n")[0] != title:
        yield f"cell 1: its first line should be the title {title!r}, as in course/lessons.py."
    for part in OPENING:
        if f"**{part}**" not in first.source:
            yield f"cell 1: **{part}** is missing; say it there."
    if f"{here.minutes} minutes" not in first.source:
        yield f"cell 1: the time should be {here.minutes} minutes, as in course/lessons.py."


@rule
def has_its_badge(subject: Subject) -> Iterator[str]:
    wanted = badge(subject.name, VERSION, REPOSITORY)
    if wanted not in subject.notebook.cells[0].source.split("\n"):
        yield (
            "cell 1: the Colab badge is missing or opens something else; write a line that "
            f"begins with [![Open in Colab] and {subject.rerun}."
        )


@rule
def starts_with_the_set_up(subject: Subject) -> Iterator[str]:
    code = next((cell for _, cell in subject.cells("code")), None)
    wanted = set_up_cell(subject.name, VERSION, REPOSITORY)
    if code is None or "set-up" not in tags(code) or code.source != wanted:
        yield (
            "the first code cell is not the course's set-up; give it the tag set-up and "
            f"{subject.rerun}, which writes it."
        )


@rule
def closes_as_all_do(subject: Subject) -> Iterator[str]:
    text = "\n".join(cell.source for cell in subject.notebook.cells[-3:])
    lines = text.split("\n")
    for part in CLOSING:
        if part not in lines:
            yield f"the last cells have no heading {part!r}; every notebook closes with it."


@rule
def asks_a_question_with_a_folded_answer(subject: Subject) -> Iterator[str]:
    text = "\n".join(cell.source for _, cell in subject.cells("markdown"))
    if not re.search(r"<details>\s*<summary>.+?</summary>\n\n.+?</details>", text, re.DOTALL):
        yield (
            "no question has a folded answer; put it between <details> and </details>, with a "
            "<summary> and an empty line below that."
        )


# --- the comparison by nbval ----------------------------------------------------------------


@rule
def is_compared_by_nbval(subject: Subject) -> Iterator[str]:
    code = list(subject.cells("code"))
    ignored = [(place, cell) for place, cell in code if "nbval-ignore-output" in tags(cell)]
    if len(ignored) > UNCOMPARED_SHARE * len(code):
        yield (
            f"{len(ignored)} of {len(code)} code cells are not compared, and a tenth may be; print "
            "what holds on every computer."
        )
    for place, cell in ignored:
        if len(str(cell.metadata.get("nbval_reason", "")).split()) < 4:
            yield f'cell {place}: it is not compared; say why in its metadata, "nbval_reason".'
    for place, cell in code:
        if re.search(r"#\s*(NBVAL|PYTEST_VALIDATE)_", cell.source):
            yield f"cell {place}: use the tag nbval-ignore-output with a reason, not a comment."
        if cell.source.rstrip().endswith(";"):
            yield f"cell {place}: it ends with a semicolon, which hides its value; take it out."


@rule
def compares_with_the_package(subject: Subject) -> Iterator[str]:
    if subject.name[:2] not in {f"{number:02}" for number in COMPARED}:
        return
    cells = [cell for _, cell in subject.cells("code") if "compare" in tags(cell)]
    if not cells:
        yield (
            "no cell has the tag compare; show at the end that what the student built gives the "
            "package's output."
        )
    source = "\n".join(cell.source for cell in cells)
    for wanted in ("assert_close", "slae_lib"):
        if cells and wanted not in source:
            yield f"the cells with the tag compare do not use {wanted}; compare with the package."
    if any("nbval-ignore-output" in tags(cell) for cell in cells):
        yield "a cell with the tag compare is not compared by nbval; take nbval-ignore-output out."


# --- the exercises --------------------------------------------------------------------------


@rule
def has_valid_nbgrader_metadata(subject: Subject) -> Iterator[str]:
    try:
        MetadataValidator().validate_nb(subject.notebook)
    except Exception as error:  # of several kinds, and all of them mean the same
        yield f"nbgrader refuses it ({str(error).splitlines()[0]}); mend the cell's metadata."


@rule
def has_exercises(subject: Subject) -> Iterator[str]:
    count = sum(is_solution(cell) for _, cell in subject.cells("code"))
    if count not in EXERCISES:
        yield f"it has {count} exercises; make them {EXERCISES[0]} to {EXERCISES[-1]}."


@rule
def pairs_solutions_with_checks(subject: Subject) -> Iterator[str]:
    code = list(subject.cells("code"))
    for index, (place, cell) in enumerate(code):
        markers = [marker in cell.source.split("\n") for marker in HIDDEN]
        regions = [cell.source.count(marker) for marker in SOLUTION]
        if is_solution(cell):
            if regions[0] == 0 or regions[0] != regions[1]:
                yield f"cell {place}: mark the solution with {SOLUTION[0]} and {SOLUTION[1]}."
            if len(code) == index + 1 or not is_check(code[index + 1][1]):
                yield f"cell {place}: the next code cell should be the check of this solution."
        elif any(regions):
            yield f"cell {place}: it has a solution, but nbgrader's metadata do not say so."
        if is_check(cell):
            if index == 0 or not is_solution(code[index - 1][1]):
                yield f"cell {place}: the code cell before this check should be its solution."
            if not all(markers):
                yield f"cell {place}: add hidden tests between {HIDDEN[0]} and {HIDDEN[1]}."
            hidden = cell.source.partition(HIDDEN[0])[2]
            if re.search(r"\brand\w*\(|manual_seed|normal_\(", hidden) and "fork_rng" not in hidden:
                yield (
                    f"cell {place}: its hidden tests draw random numbers, so the students' "
                    "edition goes on with others; draw them inside torch.random.fork_rng()."
                )
        elif any(markers):
            yield f"cell {place}: hidden tests belong into a check, a graded cell."

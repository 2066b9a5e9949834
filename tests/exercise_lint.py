"""What the exercises of a lesson have to be, as rules in the manner of notebook_lint."""

import ast
import re
import statistics
import symtable
from collections.abc import Iterator

from nbformat import NotebookNode
from notebook_lint import HIDDEN, SOLUTION, Rule, Subject, grader, is_check, is_solution, tags

from slae_lib.course.checks import exercise
from slae_lib.course.texts import texts

MEDIAN_LINES = 8
MOST_LINES = 20
GOES_ON = "raises-exception"
ONE_LINE = re.compile(r'check\("(\d+\.\d+)", ([\w, ]+)\)')
HEADING = re.compile(
    r"^### Exercise (\d+\.\d+) · .+\n\n"
    r"\*\*Difficulty [123] of 3 · \d+ minutes · (\d+) points?\*\*$",
    re.MULTILINE,
)
DOTS = re.compile(r"[=,:] \.\.\.")
RULES: list[Rule] = []


def rule(function: Rule) -> Rule:
    RULES.append(function)
    return function


def shown(cell: NotebookNode) -> str:
    """A cell without its hidden tests."""
    return str(cell.source.split(HIDDEN[0])[0].rstrip("\n"))


def own(cell: NotebookNode) -> str:
    """The lab's own answer in a solution's cell: without the markers and the lines with dots."""
    lines = cell.source.split("\n")
    return "\n".join(
        line for line in lines if line.strip() not in SOLUTION and not DOTS.search(line)
    )


def checks(subject: Subject) -> Iterator[tuple[int, NotebookNode, str, list[str]]]:
    """Place, cell, exercise and names of every check that is one line."""
    for place, cell in subject.cells("code"):
        if is_check(cell) and (found := ONE_LINE.fullmatch(shown(cell))):
            yield place, cell, found[1], found[2].split(", ")


@rule
def has_short_cells(subject: Subject) -> Iterator[str]:
    lengths = {place: len(shown(cell).split("\n")) for place, cell in subject.cells("code")}
    for place, lines in lengths.items():
        if lines > MOST_LINES:
            yield f"cell {place}: it has {lines} lines, and {MOST_LINES} may be; divide it."
    if (median := statistics.median(lengths.values())) > MEDIAN_LINES:
        yield f"its code cells have {median:g} lines in the median, and {MEDIAN_LINES} may be."


@rule
def asserts_nothing_in_sight(subject: Subject) -> Iterator[str]:
    for place, cell in subject.cells("code"):
        try:
            nodes = list(ast.walk(ast.parse(shown(cell))))
        except SyntaxError:  # %pip
            continue
        if any(isinstance(node, ast.Assert) for node in nodes):
            yield f"cell {place}: it asserts; a check belongs into slae_lib/course/checks."


@rule
def checks_in_one_line(subject: Subject) -> Iterator[str]:
    numbers = []
    for place, cell in subject.cells("code"):
        if not is_check(cell):
            if GOES_ON in tags(cell):
                yield f"cell {place}: only a check may have the tag {GOES_ON}; take it out."
            continue
        if not (found := ONE_LINE.fullmatch(shown(cell))):
            yield f'cell {place}: write the check in one line, such as check("4.1", up_block).'
            continue
        numbers.append(found[1])
        if GOES_ON not in tags(cell):
            yield f"cell {place}: give the check the tag {GOES_ON}, so that Run all goes on."
        names = exercise(found[1]).names
        if found[2].split(", ") != names:
            yield f"cell {place}: the check should be given {', '.join(names)}, as in the texts."
        if not any(out.output_type == "stream" and out.name == "stdout" for out in cell.outputs):
            yield (
                f"cell {place}: its stored output says nothing, so nbval would not notice a "
                f"failure behind the tag {GOES_ON}; {subject.rerun}."
            )
    lesson = int(subject.name[:2])
    if numbers != [f"{lesson}.{place}" for place in range(1, len(numbers) + 1)]:
        yield f"its exercises are {', '.join(numbers)}; number them in order, from {lesson}.1."


def tables(code: str) -> Iterator[symtable.SymbolTable]:
    """The names of a piece of code, and those of all functions and classes in it."""
    waiting = [symtable.symtable(code, "", "exec")]
    while waiting:
        yield (table := waiting.pop())
        waiting += table.get_children()


@rule
def tests_in_secret_what_stays(subject: Subject) -> Iterator[str]:
    """A grader may run hidden tests when all cells have run: then another thing bears the name."""
    later: set[str] = set()
    for place, cell in reversed(list(subject.cells("code"))):
        if not is_check(cell):
            code = re.sub(r"^( *)[%!].*", r"\1pass", cell.source, flags=re.MULTILINE)
            names = next(tables(code)).get_symbols()
            later |= {name.get_name() for name in names if name.is_assigned()}
            continue
        hidden, *inner = tables(cell.source.partition(HIDDEN[0])[2])
        own = {name.get_name() for name in hidden.get_symbols() if name.is_assigned()}
        read = {name.get_name() for name in hidden.get_symbols()} - own
        read |= {one.get_name() for t in inner for one in t.get_symbols() if one.is_global()} - own
        for name in sorted(read & later - set(checked_names(cell))):
            yield f"cell {place}: its hidden tests read {name}, which a later cell binds anew."


def checked_names(cell: NotebookNode) -> list[str]:
    """The names that a check is given: they are the exercise's own."""
    found = ONE_LINE.fullmatch(shown(cell))
    return found[2].split(", ") if found else []


@rule
def has_the_labs_own_in_the_package(subject: Subject) -> Iterator[str]:
    code = list(subject.cells("code"))
    for place, _, key, _ in checks(subject):
        before = next((it for at, it in reversed(code) if at < place and is_solution(it)), None)
        if before is not None and own(before).strip() != exercise(key).solution.strip():
            yield (
                f"cell {place}: the solution before it and the one of {key} in "
                "slae_lib/course/texts differ; they should be the same but for the dots."
            )


@rule
def tells_difficulty_and_minutes(subject: Subject) -> Iterator[str]:
    text = "\n\n".join(cell.source for _, cell in subject.cells("markdown"))
    told = dict(HEADING.findall(text))
    for place, cell, key, _ in checks(subject):
        points = str(grader(cell)["points"])
        if told.get(key) != points:
            yield (
                f"cell {place}: above the exercise should stand `### Exercise {key} · Title`, an "
                f"empty line, and `**Difficulty 1 of 3 · 5 minutes · {points} points**`."
            )


@rule
def describes_its_pictures_in_the_texts(subject: Subject) -> Iterator[str]:
    lesson = int(subject.name[:2])
    code = "\n".join(cell.source for _, cell in subject.cells("code"))
    used = set(re.findall(rf'show\((?:(?!\n[^\s)])[\s\S])*?"{lesson}\.([\w-]+)",?\s*\)', code))
    there = set(texts(f"lesson_{lesson:02}").get("pictures", {}))
    for name in sorted(used ^ there):
        yield f'the picture "{lesson}.{name}" is not both shown and described in the texts.'


@rule
def shows_its_predictions_beside_the_results(subject: Subject) -> Iterator[str]:
    cells = subject.notebook.cells
    code = "\n".join(cell.source for _, cell in subject.cells("code"))
    for place, cell in subject.cells("code"):
        asked = re.match(r'predict\("([\w.-]+)", ', cell.source)
        if asked is None or re.fullmatch(r"\d+\.\d+", asked[1]):
            continue  # no prediction, or that of an exercise, whose check shows it
        in_words = "<b>Answer</b>" in cells[place].source
        if not in_words and f'predict("{asked[1]}")' not in code:
            yield f'cell {place}: show it beside the result, with `predict("{asked[1]}")`.'

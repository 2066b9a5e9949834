"""The layout of the package: what stands where, how long it may be, and what may import what.

The order is written here and nowhere else. A folder may import what stands before it, never what
comes after; the files of the paper are one room.
"""

import ast
import functools
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "slae_lib"

PAPER = "attention blocks generator discriminator metadata losses augment config".split()
ORDER = [
    "support",
    "paper",
    *"datasets training baselines evaluation ablation plotting explorer course cli".split(),
]
LONGEST_FILE = 300
LONGEST_PAPER = 1_150
LONGEST_PACKAGE = 13_461
"""Of all lines without `course/` and `explorer/`."""


def sources(package: Path) -> dict[str, str]:
    """Path within the package to text, of every Python file."""
    files = sorted(package.rglob("*.py"))
    return {file.relative_to(package).as_posix(): file.read_text("utf-8") for file in files}


def room(name: str) -> str:
    """The room of a module below ``slae_lib``, such as ``training.loop`` or ``losses``."""
    first = name.split(".")[0]
    return "paper" if first in PAPER else first


@functools.cache
def imports(text: str) -> list[tuple[int, str]]:
    """Line and name of every module of this package that a source imports, wherever it does."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "slae_lib":
            names = [f"slae_lib.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are written with the whole name"
            names = [node.module or ""]
        else:
            continue
        own = [name for name in names if name.startswith("slae_lib.")]
        found += [(node.lineno, name.removeprefix("slae_lib.")) for name in own]
    return found


def faults(files: dict[str, str]) -> list[str]:
    """One sentence for everything that is not as the design says."""
    found = []
    lines = {path: text.count("\n") for path, text in files.items()}
    rooms = {path.split("/")[0].removesuffix(".py") for path in files} - {"__init__", "__main__"}
    if rooms != (wanted := {*PAPER, *ORDER} - {"paper"}):
        found.append(f"the package's entries differ from the design: {rooms ^ wanted}")
    found += [f"{path} has {n} lines" for path, n in lines.items() if n > LONGEST_FILE]
    if (paper := sum(lines.get(f"{name}.py", 0) for name in PAPER)) > LONGEST_PAPER:
        found.append(f"the files of the paper have {paper} lines")
    aside = ("course/", "explorer/")
    package = sum(n for path, n in lines.items() if not path.startswith(aside))
    if package > LONGEST_PACKAGE:
        found.append(f"the package without course/ and explorer/ has {package} lines")
    for path, text in files.items():
        own = room(path.removesuffix(".py").replace("/", "."))
        if own in ("__init__", "__main__"):
            continue
        for line, name in imports(text):
            if ORDER.index(room(name)) > ORDER.index(own):
                found.append(f"{path}:{line} imports {name}, which stands above it")
        found += [f"{path}:{line} {what}" for line, what in link_comparisons(text)]
        found += [f"{path}:{line} imports the private {name}" for line, name in private(text)]
    return found


@functools.cache
def private(text: str) -> list[tuple[int, str]]:
    """Line and name of every private name that a source takes from another module."""
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    return [
        (node.lineno, alias.name)
        for node in nodes
        for alias in node.names
        if (node.module or "").startswith("slae_lib") and alias.name.startswith("_")
    ]


@functools.cache
def link_comparisons(text: str) -> list[tuple[int, str]]:
    """Every place that asks which link it has, in place of what the link gives."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            asked = {ast.unparse(side).split(".")[-1] for side in sides}
            if asked & {"skip", "discriminator_skip"}:
                found.append((node.lineno, f"compares the name of a link: {ast.unparse(node)}"))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance":
            kinds = ast.unparse(node.args[1])
            if "SkipLayer" in kinds:
                found.append((node.lineno, f"asks for the class of a link: {ast.unparse(node)}"))
    return found


def circles(files: dict[str, str]) -> list[list[str]]:
    """The circles among the imports that are done when a module is imported."""
    graph: dict[str, set[str]] = {}
    modules = {path.removesuffix(".py").replace("/", ".") for path in files}
    for path, text in files.items():
        tree = ast.parse(text)
        top = ast.Module([n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)], [])
        graph[path.removesuffix(".py").replace("/", ".")] = {
            name if name in modules else f"{name}.__init__" for _, name in imports(ast.unparse(top))
        }
    found: list[list[str]] = []
    done: set[str] = set()

    def visit(name: str, trail: list[str]) -> None:
        if name in trail:
            found.append([*trail[trail.index(name) :], name])
        elif name not in done:
            for other in sorted(graph.get(name, ())):
                visit(other, [*trail, name])
            done.add(name)

    for name in sorted(graph):
        visit(name, [])
    return found


def test_the_package_is_laid_out_as_designed() -> None:
    assert faults(sources(PACKAGE)) == []


def test_no_imports_go_in_a_circle() -> None:
    assert circles(sources(PACKAGE)) == []


@pytest.mark.parametrize(
    ("path", "addition", "said"),
    [
        ("attention.py", "# a line\n" * 201, "attention.py has"),
        ("training/long.py", "# a line\n" * 301, "training/long.py has 301 lines"),
        ("losses.py", "# a line\n" * 200, "the files of the paper have"),
        ("evaluation/more.py", "# a line\n" * 1_000, "the package without course/ and explorer/"),
        ("gallery.py", "", "the package's entries differ from the design: {'gallery'}"),
        ("losses.py", "import slae_lib.training.loop\n", "imports training.loop, which stands"),
        ("support/files.py", "from slae_lib import losses\n", "imports losses, which stands"),
        ("training/run.py", "def f():\n    from slae_lib.cli import main\n", "imports cli, which"),
        ("cli/train.py", 'x = model.skip == "slae"\n', "compares the name of a link"),
        ("cli/train.py", 'x = config.discriminator_skip in ("sle",)\n', "compares the name of"),
        (
            "explorer/base.py",
            "isinstance(x, SkipLayerExcitation)\n",
            "asks for the class of a link",
        ),
        ("cli/train.py", "from slae_lib.training.loop import _bar\n", "imports the private _bar"),
    ],
)
def test_every_rule_can_be_broken(path: str, addition: str, said: str) -> None:
    files = sources(PACKAGE)
    files[path] = files.get(path, "") + addition
    assert any(said in fault for fault in faults(files))


def test_a_circle_is_found() -> None:
    files = sources(PACKAGE)
    files["attention.py"] += "import slae_lib.generator\n"
    assert ["attention", "generator", "attention"] in circles(files)


def test_a_metadata_bank_crosses_three_modules_in_a_training() -> None:
    """Whoever follows the bank through a training opens no more than these."""
    holding = {
        path
        for path, text in sources(PACKAGE / "training").items()
        if "bank" in {node.arg for node in ast.walk(ast.parse(text)) if isinstance(node, ast.arg)}
    }
    assert holding == {"loop.py", "state.py", "sampling.py"}

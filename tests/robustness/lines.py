"""Command lines with nonsense in them, for all commands that click's own tree has.

A line is one that works and is over at once, with odd values for some of its options and arguments
added to it. What is asked to be long may be: a number in one of `LONG_WORK` that is greater than
the line's own excuses a command that does not come to its end.
"""

import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
from damage import examples
from forked import Outcome, in_children
from good import enter, slae, surroundings, temporaries, tried
from hypothesis import strategies as st
from rounds import Tried

from slae_lib.cli import main

SECONDS, SECONDS_OF_LONG_WORK = 60.0, 6.0
TINY = (
    "--data data --preset cpu-smoke --iterations 1 --batch-size 2 --samples 2 --noise-dim 8 "
    "--reconstruction none --out made"
)
BASES: dict[str, str] = {
    "train": TINY,
    "sample": "--run run --count 1 --out sheet.png",
    "interpolate": "--run run --out film.webp --frames 2 --stops 2",
    "invert": "data/0.png --run run --distance l1 --steps 1 --restarts 1 --out made",
    "export": "--run run --out made",
    "advise": "run --samples 8",
    "evaluate fid": "--run run --count 2 --resamples 2",
    "evaluate novelty": "--run run --count 2",
    "evaluate backtracking": "--run run --distance l1 --steps 1 --restarts 1 --targets 1",
    "evaluate all": "--run run --distance l1 --steps 1 --restarts 1 --targets 1 --count 2 "
    "--samples 2 --resamples 2",
    "ablate": "--data data --seeds 0 --systems fastgan --images 8 --points 1 --count 2 "
    "--preset cpu-smoke --out made",
    "ablate submit": "ablation/slae-0 table.csv",
    "cost": "--resolution 64 --model fastgan --width 8 --rounds 1 --batch-size 2",
    "data show": "data",
    "data fetch": "100-shot-panda",
    "data cache clear": "data",
    "metadata extract": "--data data",
    "metadata show": "run/metadata.safetensors",
    "notebooks": "made",
    "marks": ". --out made.csv",
    "exam": "--seed 1 --lessons 2 --out made.md",
}
"""What works, by command; a command that is not here begins with nothing."""
LONG_WORK = set(
    "--iterations --batch-size --samples --count --steps --restarts --targets --resamples --rounds "
    "--pairs --images --points --seeds --width --noise-dim --resolution --metadata-dim --time "
    "--preset --model --systems --compile --student --otter --discriminator-width "
    "--reconstruction --distance --side --overwrite --frames --through".split()
)
"""Options that can make a command long, and that are no fault then."""

USUAL = {
    "run": "run run/generator.safetensors run/generators/0000002.safetensors ablation/slae-0",
    "data": "data fluent-faces ./data run empty",
    "images": "data fluent-faces",
    "real": "data fluent-faces",
    "fake": "data fluent-faces",
    "mode": "bank mix gaussian data/0.png target",
    "through": "noise metadata data/0.png latent.safetensors",
    "picture": "data/0.png data/2.jpg 1f600.webp",
    "out": "made run data empty made.png made.jpg made.gif made.mp4 made.json run/run.json",
    "each": "made run empty",
    "resume": "run ablation/slae-0 data",
    "file": "run/metadata.safetensors run/generator.safetensors made.json",
    "table": "table.csv made.csv results.json",
    "name": "100-shot-panda fluent-faces",
    "augment": "color translation cutout none color,cutout",
}
"""Values that a parameter may have, by its name."""

odd_numbers = st.sampled_from(
    "0 -1 1 2 3 64 1e9 1e400 nan inf -inf 0x10 1_000 ٣ 4294967296 18446744073709551616 -0.0 1e-300 "
    "99999999999999999999999999999999 2.5".split()
)
odd_paths = st.sampled_from(
    "run data sheet.png run/generator.safetensors run/metadata.safetensors run/run.json data/0.png "
    "table.csv results.json ablation ablation/slae-0 nothing nothing/below run/run.json/below . .. "
    "/ /dev/null /dev/zero /dev/full /proc/self/mem pipe circle dangling closed ~ ~nobody-here "
    "./run/../run empty empty.png made.png made.jpg made.webp made.tiff made.safetensors".split()
)
odd_words = ("", " ", "\n", "x" * 5_000, "-", "--", "--help", "猫", "\udcff\udcfe", "%s{}", "*")
odd_texts = st.sampled_from(odd_words) | st.text(
    st.characters(exclude_characters="\0", exclude_categories=()), max_size=8
)
odd = odd_numbers | odd_paths | odd_texts


class Line(NamedTuple):
    """A command line.

    Args:
        command: its name.
        words: after the name.
    """

    command: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return ascii(" ".join(["slae", self.command, *(word[:80] for word in self.words)]))

    @property
    def is_long(self) -> bool:
        """Whether it may take as long as it likes."""
        own = tuple(BASES.get(self.command, "").split())
        added = self.words[len(own) :]
        begun = self.words[: len(own)] == own
        asked = {word.partition("=")[0] for word in added}
        return not begun or "/" in asked or bool(LONG_WORK & asked)  # "/": all of the computer


def commands() -> dict[str, click.Command]:
    """Return every command by its name, such as ``"data cache list"``."""

    def below(command: click.Command, name: str) -> dict[str, click.Command]:
        found = {name: command}
        for inner, child in getattr(command, "commands", {}).items():
            found |= below(child, f"{name} {inner}".strip())
        return found

    return below(main, "")


def lines_of(name: str, command: click.Command) -> st.SearchStrategy[Line]:
    """Draw lines for a command: half of the values are such as the parameter may have."""
    options: list[st.SearchStrategy[tuple[str, ...]]] = []
    given: list[st.SearchStrategy[str]] = []
    for parameter in command.params:
        values = odd
        if parameter.name in USUAL:
            values = st.sampled_from(USUAL[parameter.name].split()) | odd
        elif isinstance(parameter.type, click.types.IntParamType | click.types.FloatParamType):
            values = st.integers(0, 70).map(str) | odd_numbers
        elif isinstance(parameter.type, click.Choice):
            values = st.sampled_from([str(choice) for choice in parameter.type.choices]) | odd
        if not isinstance(parameter, click.Option):
            given.append(values)
            continue
        spelled = st.sampled_from((*parameter.opts, *parameter.secondary_opts))
        flag = spelled.map(lambda option: (option,))
        options += [flag] if parameter.is_flag else [st.tuples(spelled, values)] * 2
    alone = odd.map(lambda value: (value,))
    added = st.lists(st.one_of(*options, alone), max_size=3).map(lambda some: sum(some, ()))
    base = tuple(BASES.get(name, "").split())
    usual = st.sampled_from((base, base, base, base, ()))
    begun = usual | st.tuples(*given) if given else usual
    return st.builds(lambda first, then: Line(name, (*first, *then)), begun, added)


def guard(root: Path, said: list[str]) -> None:
    """Let nothing be changed outside of ``root``, and say what would have been, from now on."""
    allowed = str(root)
    changing = {"os.rename": 2, "os.remove": 1, "os.mkdir": 1, "os.rmdir": 1, "os.chmod": 1}
    changing |= {"os.link": 2, "os.symlink": 2, "os.truncate": 1, "shutil.rmtree": 1}
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            if not (set(mode or "") & set("wax+") or (flags or 0) & writing):
                return
            paths = [path]
        elif event in changing:
            paths = list(arguments[: changing[event]])
        else:
            return
        for path in paths:
            if isinstance(path, int) or path is None:
                continue
            place = os.path.realpath(os.fsdecode(path))
            if not place.startswith(allowed) and place not in (os.devnull, "/dev/tty"):
                said.append(f"{event} {place}")
                raise PermissionError(errno.EACCES, "outside of the folder of the test", place)

    sys.addaudithook(hook)


def surroundings_of(work: Path) -> None:
    """Put odd things beside the good files."""
    os.mkfifo(work / "pipe")
    (work / "circle").symlink_to("circle")
    (work / "dangling").symlink_to("nothing here")
    (work / "closed").touch(mode=0)
    (work / "empty").mkdir()
    (work / "empty.png").touch()


def lines_round(root: Path, name: str, seed: int, count: int) -> Iterator[Tried]:
    """Try so many lines of a command; see `rounds.files_round`."""
    drawn = examples(lines_of(name, commands()[name]), count, name, seed)
    outside: list[str] = []

    def prepare() -> None:
        surroundings(root)
        os.environ["TORCH_HOME"] = str(root / "weights")
        guard(root, outside)

    def work(line: Line) -> Outcome:
        folder = enter(root)
        surroundings_of(folder)
        outside.clear()
        outcome, _, warned = tried(lambda: slae(*name.split(), *line.words))
        unasked = [place for place in outside if not _named(place.split(" ", 1)[1], line)]
        if unasked:
            return Outcome("outside", unasked[0])
        if left := temporaries(folder):
            return Outcome("left over", ", ".join(left))
        return outcome or Outcome("warned" if warned else "as before")

    def patience(line: Line) -> float:
        return SECONDS_OF_LONG_WORK if line.is_long else SECONDS

    outcomes = in_children(drawn, work, patience, prepare)
    for line, outcome in zip(drawn, outcomes, strict=True):
        if outcome.what == "hang" and line.is_long:
            outcome = Outcome("worked")
        yield Tried(f"slae {name}".strip(), seed, str(line), outcome)


def _named(place: str, line: Line) -> bool:
    """Whether a place outside is one that the line itself names."""
    named = [os.path.realpath(os.path.expanduser(word.split("=")[-1])) for word in line.words]
    return any(place.startswith(os.path.dirname(one) or one) for one in named if one != os.getcwd())

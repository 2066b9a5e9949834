"""What lesson 09 does where there is a GPU, tried where there is none.

Its own cells run, with `WITH_GPU` set: the pictures come from a stand-in for the download, and the
command that the lesson starts is made small and sent to the CPU. What a GPU alone can show, speed
and half precision, is not tried here.
"""

import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import pytest
import torch
from IPython.core.inputtransformer2 import TransformerManager
from notebook_lint import NOTEBOOKS
from PIL import Image

from slae_lib import fetch
from slae_lib.datasets import DATA_SETS, load_images
from slae_lib.runs import RunInfo

CELLS = [
    cell.source
    for cell in nbformat.read(NOTEBOOKS / "09_full_training.ipynb", as_version=4).cells
    if cell.cell_type == "code"
]
SMALL = (
    "--device cpu --precision no --resolution 64 --width 8 --noise-dim 16 --batch-size 4 "
    "--reconstruction l1 --samples 4 --sample-every 2 --log-every 1 --checkpoint-every 2"
)


@dataclass
class Shell:
    """Stands for IPython where a cell begins a line with ``!``, and for the one who stops it."""

    names: dict[str, object]
    more: str = ""  # options added to the command
    commands: list[str] = field(default_factory=list)

    def system(self, command: str) -> None:
        command = command.format(**self.names)
        self.commands.append(command.removeprefix(f"{sys.executable} -m slae_lib "))
        subprocess.run(shlex.split(f"{command} {self.more}"), check=True)


def cell(words: str) -> Callable[[dict[str, object]], None]:
    """Return the one code cell of the lesson that holds these words, ready to run."""
    (source,) = [source for source in CELLS if words in source]
    code = compile(TransformerManager().transform_cell(source), words, "exec")
    return lambda names: exec(code, names)


@pytest.fixture
def lesson(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, random_vgg: None
) -> tuple[dict[str, object], Shell]:
    """The names that the lesson has where its section 7 begins, on a computer with a GPU."""
    monkeypatch.setenv("SLAE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")

    def bring(name: str) -> Path:
        folder = DATA_SETS[name].folder
        folder.mkdir(parents=True, exist_ok=True)
        for hue in range(6):
            Image.new("HSV", (64, 64), (40 * hue, 200, 200)).convert("RGB").save(
                folder / f"{hue}.png"
            )
        return folder

    monkeypatch.setattr(fetch, "fetch", bring)
    names: dict[str, object] = {
        "device": torch.device("cpu"),
        "show": lambda figure, alt: shown.append(figure),
    }
    shown: list[object] = names.setdefault("shown", [])  # type: ignore[assignment]
    shell = Shell(names)
    names["get_ipython"] = lambda: shell
    cell("WITH_GPU = device.type")(names)
    cell("USE_DRIVE = False")(names)
    names["WITH_GPU"] = True
    names["faces"] = load_images("openmoji-faces", 64)
    return names, shell


def test_with_a_gpu_the_lesson_trains_and_goes_on(
    lesson: tuple[dict[str, object], Shell],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names, shell = lesson
    section_7 = cell('fetch("100-shot-obama")')
    run = tmp_path / "runs" / "obama"

    shell.more = f"{SMALL} --iterations 4"
    section_7(names)
    assert "4 of 4 iterations" in capsys.readouterr().out
    assert RunInfo.load(run).data == "100-shot-obama"
    assert len(names["shown"]) == 2  # the log, and samples

    shell.more = "--iterations 6"
    section_7(names)
    assert "6 of 6 iterations" in capsys.readouterr().out
    assert len(names["shown"]) == 4

    first, second = map(str.split, shell.commands)
    assert first[:5] == "train --preset colab-t4 --data 100-shot-obama".split()
    assert second[:2] == ["train", "--resume"]
    assert Path(second[2]).resolve() == run

"""What lesson 09 does where there is a GPU, tried on whatever device is there.

Its own cells run, with `WITH_GPU` set: the pictures come from a stand-in for the download, and the
preset is a small one. What a GPU alone can show, speed and half precision, is not tried here.
"""

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest
from notebook_lint import NOTEBOOKS
from PIL import Image

from slae_lib.datasets import DATA_SETS, fetch
from slae_lib.support.device import pick_device
from slae_lib.training.checkpoint import list_checkpoints
from slae_lib.training.log import read_metrics
from slae_lib.training.presets import PRESETS
from slae_lib.training.recorder import Recorder
from slae_lib.training.run import RunInfo
from slae_lib.training.state import StepLosses

CELLS = [
    cell.source
    for cell in nbformat.read(NOTEBOOKS / "09_full_training.ipynb", as_version=4).cells
    if cell.cell_type == "code"
]
ITERATIONS = 30


def cell(words: str) -> Callable[[dict[str, Any]], None]:
    """Return the one code cell of the lesson that holds these words, ready to run."""
    (source,) = [source for source in CELLS if words in source]
    code = compile(source, words, "exec")
    return lambda names: exec(code, names)


@pytest.fixture
def lesson(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, random_vgg: None) -> dict[str, Any]:
    """The names that the lesson has where its section 8 begins, on a computer with a GPU."""
    monkeypatch.setenv("SLAE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")

    def bring(name: str) -> Path:
        folder = DATA_SETS[name].folder
        folder.mkdir(parents=True, exist_ok=True)
        for hue in range(6):
            colour = Image.new("HSV", (64, 64), (40 * hue, 200, 200)).convert("RGB")
            colour.save(folder / f"{hue}.png")
        return folder

    monkeypatch.setattr(fetch, "fetch", bring)
    smoke, large = PRESETS["cpu-smoke"], PRESETS["colab-t4"]
    train = replace(smoke.train, iterations=ITERATIONS, batch_size=4, log_every=1, sample_every=10)
    monkeypatch.setitem(PRESETS, "colab-t4", replace(large, model=smoke.model, train=train))

    figures: list[object] = []
    names: dict[str, Any] = {
        "device": pick_device(),
        "show": lambda figure, alt: figures.append(figure),
        "figures": figures,
    }
    cell("WITH_GPU = device.type")(names)
    cell("from PIL import Image")(names)
    cell("USE_DRIVE = False")(names)
    cell("def slae(*arguments)")(names)
    cell("def log(run)")(names)
    cell("def checkpoint_bytes(model)")(names)
    names["WITH_GPU"] = True
    return names


def run_section_8(names: dict[str, Any]) -> None:
    """Train or go on, and show what the run has become."""
    cell("def train_or_go_on(run)")(names)
    cell("import long_run")(names)
    cell("info, lines = RunInfo.load(run)")(names)
    cell("import grids_figure")(names)
    cell("import history_figure")(names)


def test_with_a_gpu_the_lesson_trains_stops_and_goes_on(
    lesson: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = tmp_path / "runs" / "obama"
    metrics = run / "metrics.csv"

    record = Recorder.record

    def press_stop(self: Recorder, losses: StepLosses) -> dict[str, float | None] | None:
        if self.state.iteration == 3:
            signal.raise_signal(signal.SIGINT)  # what the notebook's stop button sends
        return record(self, losses)

    with monkeypatch.context() as patched:
        patched.setattr(Recorder, "record", press_stop)
        run_section_8(lesson)
    said = capsys.readouterr().out
    assert "Stopped, with a checkpoint." in said
    reached = int(read_metrics(metrics)[-1]["iteration"])
    assert reached == 3
    assert f"{reached} of {ITERATIONS} iterations" in said
    assert len(list_checkpoints(run / "checkpoints")) == 1
    assert RunInfo.load(run).data == "100-shot-obama"

    run_section_8(lesson)
    said = capsys.readouterr().out
    assert f"Going on at iteration {reached} of {ITERATIONS}." in said
    assert f"{ITERATIONS} of {ITERATIONS} iterations" in said
    assert (run / "generator.safetensors").is_file()

    run_section_8(lesson)
    assert "This run is finished." in capsys.readouterr().out
    assert len(lesson["figures"]) >= 5  # the log each time, and samples where there are some

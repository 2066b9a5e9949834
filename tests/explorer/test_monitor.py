"""The training monitor: live from the loop's callback, and anew from the folder."""

import asyncio
import dataclasses
import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
from explorer_run import TINY, make_run
from PIL import Image

from slae_lib.explorer import TrainingMonitor
from slae_lib.support.errors import LabError
from slae_lib.training.log import METRICS
from slae_lib.training.recorder import Progress


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[str]]]:
    """A run that a monitor has watched, and what the monitor said at each line."""
    run = tmp_path_factory.mktemp("runs") / "watched"
    monitor = TrainingMonitor(run, seconds=0)
    assert "does not exist" in monitor.message
    said = []

    def watched(progress: Progress) -> None:
        monitor(progress)
        said.append(list(monitor.facts))

    make_run(run, callback=watched)
    return run, said


def test_it_follows_the_training(trained: tuple[Path, list[list[str]]]) -> None:
    _, said = trained
    assert len(said) == 4
    assert said[0][0].startswith("Iteration 1 of 4 (not finished); about ")
    assert said[0][-1] == "Attention is shown from the first checkpoint on."
    assert any("Attention at iteration 2" in fact for fact in said[1])
    assert said[3][0] == "Iteration 4 of 4 (finished)."


def test_a_new_monitor_says_the_same(trained: tuple[Path, list[list[str]]]) -> None:
    run, said = trained
    monitor = TrainingMonitor(run)
    assert monitor.facts == said[-1]
    assert all(fact in monitor.alt for fact in monitor.facts)
    figure = monitor.static().figure
    titles = [axis.get_title() for axis in figure.axes]
    assert "Samples at iteration 4" in titles
    maps = [axis for axis in figure.axes if len(axis.images) == 2]
    assert len(maps) == 3 * 4  # links and samples


def test_the_button_and_the_box_read_the_folder_again(
    trained: tuple[Path, list[list[str]]], tmp_path: Path
) -> None:
    run = make_copy(trained[0], tmp_path)
    lines = (run / "metrics.csv").read_text().splitlines(keepends=True)
    (run / "metrics.csv").write_text("".join(lines[:2]))
    monitor = TrainingMonitor(run, seconds=0.01)
    assert "Iteration 1 of 4" in monitor.facts[0]
    (run / "metrics.csv").write_text("".join(lines[:3]))
    monitor.controls["refresh"].click()
    assert "Iteration 2 of 4" in monitor.facts[0]

    async def notebook() -> None:
        monitor.controls["follow"].value = True
        await asyncio.sleep(0.1)
        assert monitor.controls["follow"].value
        (run / "metrics.csv").write_text("".join(lines))
        while monitor.controls["follow"].value:
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(notebook(), 30))
    assert "finished" in monitor.facts[0]


def make_copy(run: Path, folder: Path) -> Path:
    return Path(shutil.copytree(run, folder / "copy"))


def test_models_without_attention_are_watched_too(tmp_path: Path) -> None:
    config = dataclasses.replace(TINY, iterations=2)
    monitor = TrainingMonitor(make_run(tmp_path / "run", config, skip="sle", metadata=False))
    assert monitor.message == ""
    assert monitor.facts[-1] == "This generator has no attention to show."


def test_what_is_not_there_is_one_sentence(
    trained: tuple[Path, list[list[str]]], tmp_path: Path
) -> None:
    monitor = TrainingMonitor(tmp_path)
    assert "is not the folder of a run" in monitor.message
    with pytest.raises(LabError):
        monitor.static()
    run = make_copy(trained[0], tmp_path)
    (run / "metrics.csv").write_text(",".join(METRICS) + "\n")
    monitor.controls["run"].value = str(run)
    assert "has no losses yet" in monitor.message
    (run / "run.json").write_text(json.dumps({"format": "another"}))
    monitor.refresh()
    assert "was not written by this lab" in monitor.message
    monitor.controls["run"].value = str(trained[0])
    assert monitor.message == ""
    assert "finished" in monitor.facts[0]


def test_a_damaged_grid_does_not_stop_it(
    trained: tuple[Path, list[list[str]]], tmp_path: Path
) -> None:
    run = make_copy(trained[0], tmp_path)
    (run / "samples" / "0000009.png").write_text("no picture")
    assert "finished" in TrainingMonitor(run).facts[0]
    Image.new("RGB", (1, 1)).save(run / "samples" / "0000009.png")
    assert "finished" in TrainingMonitor(run).facts[0]


def test_a_fault_of_the_monitor_does_not_end_the_training(
    trained: tuple[Path, list[list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor = TrainingMonitor(trained[0], seconds=0)

    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("slae_lib.explorer.monitor.monitor_figure", broken)
    with pytest.warns(UserWarning, match=r"(?s)training goes on.*ZeroDivisionError"):
        monitor(Progress(trained[0], 1, {}, None))
    assert "fault in the monitor" in monitor.message


def test_it_draws_no_more_often_than_asked(trained: tuple[Path, list[list[str]]]) -> None:
    monitor = TrainingMonitor(trained[0], seconds=1000)
    drawn = monitor.drawn
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monitor(Progress(trained[0], 3, {}, None))
        assert monitor.drawn == drawn
        monitor(Progress(trained[0], 4, {}, None))  # the last one always
    assert monitor.drawn == drawn + 1

"""Who reads the lab's files: functions and commands that give back what they took out of them."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from accelerate.state import AcceleratorState
from good import FETCHED, digest, slae

from slae_lib.ablation.results import AblationResults, final_table
from slae_lib.course import capstone
from slae_lib.datasets import DATA_SETS, MetadataBank, load_images
from slae_lib.datasets.archives import extract_pictures
from slae_lib.datasets.fetch import fetch
from slae_lib.datasets.store import bank_for
from slae_lib.explorer.progress import progress_facts, read_progress
from slae_lib.explorer.source import Source
from slae_lib.plotting.runs import history_figure
from slae_lib.support.errors import LabError
from slae_lib.training.checkpoint import (
    generator_facts,
    load_averaged_generator,
    load_checkpoint,
    load_generator,
)
from slae_lib.training.log import load_samples, read_metrics
from slae_lib.training.loop import train
from slae_lib.training.run import RunInfo, locked, newest_checkpoint
from slae_lib.training.start import reached
from slae_lib.training.start import resume as load_resumed

RUN = Path("run")
GENERATOR = RUN / "generator.safetensors"
BANK = RUN / "metadata.safetensors"
KEPT = RUN / "generators" / "0000003.safetensors"
Reader = Callable[[], Any]


def losses(run: Path) -> list[dict[str, Any]]:
    """The log but for the clock. A loss that is no number is a step that half precision skipped."""
    clock = dict.fromkeys(("seconds", "images_per_second"))
    return [{name: str(value) for name, value in (row | clock).items()}
            for row in read_metrics(run / "metrics.csv")]  # fmt: skip


def result_of(run: Path) -> list[Any]:
    """What a training has made, but for what a clock has a part in."""
    state = load_checkpoint(newest_checkpoint(run))
    del state["seconds"]
    return [losses(run), state, weights(run / "generator.safetensors")]


def resume() -> Any:
    AcceleratorState._reset_state(True)
    info = RunInfo.load(RUN)
    reached(RUN)
    now, images, bank = load_resumed(RUN, info, {"iterations": 4})
    train(now.model, now.train, images, bank, RUN, resume=True)
    return result_of(RUN)


def resume_by_command() -> Any:
    slae("train", "--resume", "run", "--iterations", "4")
    return result_of(RUN)


def held() -> Any:
    with locked(RUN):
        return RunInfo.load(RUN).data_fingerprint


def weights(file: Path) -> Any:
    return load_generator(file).state_dict()


def facts(file: Path) -> Any:
    found = generator_facts(file)
    return {name: found.get(name) for name in ("format", "config", "iteration", "data", "train")}


def film() -> Any:
    words = "interpolate --run run --frames 2 --distance l1 --steps 1 --restarts 1 --out film.webp"
    slae(*words.split(), "--through", "latent.safetensors", "data/2.jpg")
    return Path("film.webp").read_bytes()


def sample(file: Path) -> Any:
    slae("sample", "--run", str(file), "--count", "2", "--out", "sheet.png")
    return Path("sheet.png").read_bytes()


def export() -> Any:
    slae("export", "--run", "run", "--out", "exported")
    return weights(Path("exported/generator.safetensors"))


def backtrack() -> Any:
    words = "evaluate backtracking --run run --distance l1 --steps 1 --restarts 1 --targets 1"
    slae(*words.split(), "--out", "found.json")
    return json.loads(Path("found.json").read_text())["backtracking"]


def monitor() -> Any:
    progress = read_progress(RUN)
    told = [fact for fact in progress_facts(progress) if "left when" not in fact]
    glance = progress.glance
    return [told, progress.samples, None if glance is None else (glance.images, glance.attention)]


def explorer() -> Any:
    source = Source(RUN)
    read = [source.generator(label).state_dict() for label in source.files]
    if source.trouble:  # it goes on without the metadata, and says why
        raise LabError(source.trouble)
    return [list(source.files), read, source.scale]


def history() -> Any:
    history_figure(read_metrics(RUN / "metrics.csv"), title="a run").savefig(io.BytesIO())
    return losses(RUN)


def bank(file: Path) -> Any:
    found = MetadataBank.load(file)
    return [found.values, found.names, found.layer, found.resolution, found.data_fingerprint]


def bank_of_data() -> Any:
    found = bank_for("data")
    return [found.values, found.names]


def pictures() -> Any:
    images = load_images("data", 64)
    return [images.names, images.fingerprint, images.batch(range(len(images)))]


def cache_commands() -> Any:
    slae("data", "cache", "list")
    return slae("data", "show", "data")


def clear_cache() -> Any:
    slae("data", "cache", "clear", "data")
    return pictures()


def fetched() -> Any:
    folder = fetch(FETCHED, announce=lambda _: None, progress=False)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def unpacked() -> Any:
    extract_pictures(DATA_SETS[FETCHED].folder.with_suffix(".zip"), Path("unpacked"))
    return {path.name: path.read_bytes() for path in Path("unpacked").rglob("*.*")}


def submitted() -> Any:
    slae("ablate", "submit", "ablation/slae-0", "table.csv")
    return capstone.read_table(Path("table.csv"))


def table_of_results() -> Any:
    return final_table(AblationResults.load(Path("results.json")))


def checkpoint() -> Any:
    """The bytes that were written; whether they are numbers is asked by whoever loads them."""
    state = load_checkpoint(newest_checkpoint(RUN))
    return [state["iteration"], state["seconds"], digest(state)[0]]


def averaged() -> Any:
    return load_averaged_generator(newest_checkpoint(RUN)).state_dict()


def progress_pictures() -> Any:
    return load_samples(RUN, 2)


def of_file(function: Callable[[Path], Any], file: Path) -> Reader:
    """Return a reader of one file."""

    def reader() -> Any:
        return function(file)

    reader.__name__ = function.__name__
    return reader

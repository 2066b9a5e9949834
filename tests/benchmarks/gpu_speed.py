"""The table of speed on a GPU: models, precisions and batches, cell by cell, with their floors.

A cell is the median over rounds of several iterations with one wait for the GPU at the end. What
cannot be measured keeps its reason. Compiled cells run in a process of their own with a limit of
time, for nobody can stop a compilation from inside.
"""

import argparse
import contextlib
import functools
import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # for a checkout alone

import torch
from floor import Convolution, as_type, count, finish, rate
from layouts import Training

from slae_lib.baselines.stylegan2.config import StyleGAN2Config, StyleGAN2TrainConfig
from slae_lib.config import ModelConfig
from slae_lib.training.config import TrainConfig

EAGER = (("fp32", "tf32"), ("bf16", "channels-last"))
"""Modes that share their networks stand together."""
COMPILED = ("compile", "cuda-graphs")
"""Channels-last and the compiled modes are in bf16; all but fp32 may use TF32."""
ROUNDS = 5
CELL_SECONDS = 2.0
"""After which a cell is content with the rounds that it has."""
NO_TIME = "no time"


@dataclass(frozen=True)
class Cell:
    """What one number of the table is of."""

    model: str
    resolution: int
    batch: int
    mode: str


def cells(tiny: bool) -> list[Cell]:
    """Return all cells, what matters most first."""
    side, large, batches = (64, 64, (4, 6)) if tiny else (256, 1024, (8, 16))
    first, second = (
        [Cell(model, side, batch, mode) for pair in EAGER for model in MODELS for mode in pair]
        for batch in batches
    )
    return [
        *first,
        *(Cell("slae", large, 2 if tiny else 8, mode) for pair in EAGER for mode in pair),
        *(Cell("slae", side, batches[0], mode) for mode in COMPILED),
        *second,
    ]


def _networks(tiny: bool) -> dict[str, Any]:
    own = {"width": 8, "noise_dim": 32} if tiny else {}
    narrow = {"channel_base": 1024, "channel_max": 64, "latent_dim": 64} if tiny else {}
    return {
        "slae": functools.partial(ModelConfig, **own),
        "fastgan": functools.partial(ModelConfig, skip="sle", metadata=False, **own),
        "stylegan2": functools.partial(StyleGAN2Config, **narrow),
    }


MODELS = tuple(_networks(False))


class Iterations:
    """The iterations of a cell; the networks of the cell before are used again where they fit."""

    _kept: ClassVar[dict[Any, Training]] = {}
    _counts: ClassVar[dict[Any, tuple[int, Convolution]]] = {}

    def __init__(self, cell: Cell, device: torch.device, tiny: bool) -> None:
        self.cell, self.device, self.tiny = cell, device, tiny
        self.cuda = device.type == "cuda"
        self.precision = "no" if cell.mode in ("fp32", "tf32") else "bf16"
        key = cell.model, cell.resolution, cell.batch, self.precision
        if key not in self._kept:
            self.forget()
            self._kept[key] = self._training(compiled=False)
        self.work = self._kept[key]
        self.memory_format = torch.contiguous_format
        if cell.mode == "channels-last":
            self.memory_format = torch.channels_last
            del self._kept[key]  # it is of no use to another mode
            state = self.work.state
            for network in (state.generator, state.discriminator, state.average):
                network.to(memory_format=torch.channels_last)
            self.work.real = self.work.real.contiguous(memory_format=torch.channels_last)

    @classmethod
    def forget(cls) -> None:
        """Free the memory of the networks that were kept."""
        cls._kept.clear()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _training(self, compiled: bool) -> Training:
        cell = self.cell
        style = cell.model == "stylegan2"
        fields: dict[str, Any] = {} if style else {"reconstruction": "l1", "compile": compiled}
        if cell.mode == "cuda-graphs":
            fields["compile_mode"] = "reduce-overhead"
        config = (StyleGAN2TrainConfig if style else TrainConfig)(
            batch_size=cell.batch,
            samples=2,
            precision=self.precision,
            device="auto" if self.cuda else "cpu",
            **fields,
        )
        model = _networks(self.tiny)[cell.model](resolution=cell.resolution)
        if not self.tiny:
            return Training(model, config)
        quickly = functools.partial(torch.compile, backend="eager", fullgraph=True)
        with mock.patch.object(torch, "compile", lambda network, **_: quickly(network)):
            return Training(model, config)

    def floor(self) -> dict[str, Any]:
        """Return the multiplications of an iteration and the time that they alone would take."""
        key = self.cell.model, self.cell.resolution, self.cell.batch
        if key not in self._counts:
            state, period = self.work.state, self.work.step.period
            state.iteration = 1  # in which no penalty is due, if there is one
            counter = count(self.work.iterate)
            macs = counter.macs
            if period > 1:
                state.iteration = 0
                macs += (count(self.work.iterate).macs - macs) // period
            assert counter.heaviest is not None
            self._counts[key] = macs, counter.heaviest
        macs, heaviest = self._counts[key]
        dtype = torch.float32 if self.precision == "no" else torch.bfloat16
        a_second = rate(as_type(heaviest, dtype, self.memory_format), self.device, 0.1)
        return {"macs": macs, "macs_per_second": a_second, "floor_seconds": macs / a_second}

    def measure(self) -> dict[str, Any]:
        """Return the seconds of an iteration in each round, and the memory."""
        work = self.work
        if self.cell.mode in COMPILED:
            del work, self.work
            self.forget()
            work = self._training(compiled=True)

        start = time.perf_counter()
        for _ in range(1 if self.tiny else 3):
            work.iterate()
        finish(self.device)
        warm_up = time.perf_counter() - start
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()
        seconds = self._rounds(work.iterate, 1 if self.tiny else max(work.step.period, 5))
        return {
            "seconds": statistics.median(seconds),
            "rounds": seconds,
            "warm_up_seconds": warm_up,
            "peak_bytes": torch.cuda.max_memory_allocated() if self.cuda else None,
        }

    def _rounds(self, iterate: Callable[[], object], together: int) -> list[float]:
        seconds: list[float] = []
        begin = time.perf_counter()
        while len(seconds) < (1 if self.tiny else ROUNDS):
            if seconds and time.perf_counter() - begin > CELL_SECONDS:
                break
            finish(self.device)
            start = time.perf_counter()
            for _ in range(together):
                iterate()
            finish(self.device)
            seconds.append((time.perf_counter() - start) / together)
        return seconds


@contextlib.contextmanager
def _tf32(allowed: bool) -> Iterator[None]:
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def measure(cell: Cell, device: torch.device, tiny: bool) -> dict[str, Any]:
    """Measure a cell in this process; a failure becomes its reason."""
    row: dict[str, Any] = asdict(cell)
    try:
        with _tf32(cell.mode != "fp32"):
            iterations = Iterations(cell, device, tiny)
            row |= iterations.floor()
            row |= iterations.measure()
        row["share_of_floor"] = row["floor_seconds"] / row["seconds"]
    except Exception as problem:  # too little memory, a mode that this torch does not have, ...
        row["reason"] = f"{type(problem).__name__}: {str(problem).strip()[:300]}"
        Iterations.forget()
    return row


def in_a_process(cell: Cell, device: torch.device, tiny: bool, limit: float) -> dict[str, Any]:
    """Measure a compiled cell in a process of its own, for at most ``limit`` seconds."""
    if cell.mode == "cuda-graphs" and device.type != "cuda":
        return {**asdict(cell), "reason": "it needs CUDA"}
    job = json.dumps({"cell": asdict(cell), "device": device.type, "tiny": tiny})
    try:
        done = subprocess.run(
            [sys.executable, __file__, job],
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {**asdict(cell), "reason": f"{NO_TIME}: not compiled within {limit:.0f} s"}
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    if done.returncode == 0:
        return json.loads(lines[-1])
    return {**asdict(cell), "reason": lines[-1] if lines else f"it ended with {done.returncode}"}


def main() -> None:
    """Measure the cell that the argument holds and print its row in JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", type=json.loads, help="cell, device and tiny in JSON")
    job = parser.parse_args().job
    print(json.dumps(measure(Cell(**job["cell"]), torch.device(job["device"]), job["tiny"])))


if __name__ == "__main__":
    main()

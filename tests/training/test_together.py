"""Several processes on one training: the same numbers as from one, and nobody waits for ever.

They are real ones, started as a launcher starts them: it tells each its rank, and holds the store
through which they find one another.
"""

import contextlib
import dataclasses
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import torch
from accelerate import Accelerator
from torch import distributed, nn

from slae_lib.config import ModelConfig
from slae_lib.datasets import ImageSet, load_images
from slae_lib.support.errors import UsageError
from slae_lib.training.batches import image_batches
from slae_lib.training.checkpoint import list_checkpoints, load_checkpoint
from slae_lib.training.config import TrainConfig
from slae_lib.training.log import read_metrics
from slae_lib.training.loop import train
from slae_lib.training.run import RunInfo
from slae_lib.training.state import TrainingState
from slae_lib.training.step import TrainingStep
from slae_lib.training.together import Together

MODEL = ModelConfig(resolution=64, width=8, noise_dim=16, metadata=False)
LIMIT = 600  # seconds that a process may take for anything; on an idle computer it takes a few

pytestmark = pytest.mark.skipif(
    not distributed.is_available() or sys.platform == "win32", reason="needs gloo and signals"
)


@contextlib.contextmanager
def started(count: int, *words: object) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes of Python with these arguments, in the order of their ranks."""
    store = distributed.TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    places = {
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": str(store.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "WORLD_SIZE": str(count),
        "OMP_NUM_THREADS": "1",
    }
    processes = [
        subprocess.Popen(
            [sys.executable, *map(str, words)],
            env=os.environ | places | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def ends(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """Exit code, standard output and standard error of each."""
    said = [process.communicate(timeout=LIMIT) for process in processes]
    return [(p.returncode, *texts) for p, texts in zip(processes, said, strict=True)]


def wait_for(event: Callable[[], bool], processes: list[subprocess.Popen[str]]) -> None:
    limit = time.monotonic() + LIMIT
    while not event():
        assert [process.poll() for process in processes] == [None] * len(processes)
        assert time.monotonic() < limit
        time.sleep(0.02)


# Float64, so that rounding explains nothing; batch norm in evaluation mode, since it is what
# several processes do differently; noise that weighs something from the start.
COMPARED = """
import sys
from pathlib import Path
import torch
from torch import nn
torch.set_default_dtype(torch.float64)
from slae_lib.blocks import NoiseInjection
from slae_lib.config import ModelConfig
from slae_lib.datasets import load_images
from slae_lib.training import loop, step
from slae_lib.training.config import TrainConfig

class Still(step.TrainingStep):
    def __init__(self, state, *given):
        for network in (state.generator, state.discriminator):
            for layer in network.modules():
                if isinstance(layer, nn.BatchNorm2d):
                    layer.eval()
                if isinstance(layer, NoiseInjection):
                    nn.init.ones_(layer.weight)
        super().__init__(state, *given)

step.TrainingStep = Still
to_float = loop.to_float
loop.to_float = lambda images: to_float(images).double()
model = ModelConfig(resolution=64, width=8, noise_dim=16, metadata=False)
config = TrainConfig(
    iterations=20, batch_size=int(sys.argv[2]), learning_rate=1e-3, reconstruction="l1",
    hinge_margin="random", augment="color,translation,cutout", flip=True, device="cpu", samples=2,
    log_every=1, sample_every=0, checkpoint_every=7,
)
loop.train(model, config, load_images("fluent-faces", 64), None, Path(sys.argv[1]))
"""


def train_compared(count: int, run: Path) -> None:
    with started(count, "-c", COMPARED, run, 4 // count) as processes:
        for code, _, errors in ends(processes):
            assert code == 0, errors


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, float | None]]:
    """The log of a single process."""
    run = tmp_path_factory.mktemp("one") / "run"
    train_compared(1, run)
    return read_metrics(run / "metrics.csv")


# A notebook on Kaggle, whose kernel has computed something, before it starts two processes.
NOTEBOOK = """
import os, sys
os.environ["KAGGLE_KERNEL_RUN_TYPE"] = "Interactive"
import accelerate, torch
from functools import partial
torch.set_num_threads(2)
torch.ones(500, 500) @ torch.ones(500, 500)
assert not torch.cuda.is_initialized()
accelerate.notebook_launcher = partial(accelerate.notebook_launcher, use_port=sys.argv[-1])
"""
LAUNCHED = f"""{NOTEBOOK}
def train():
    torch.set_num_threads(1)
    exec({COMPARED!r}, {{}})

accelerate.notebook_launcher(train, num_processes=2)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run_notebook(code: str, *words: object) -> None:
    """Run what a notebook holds in a fresh Python, which starts the two processes itself."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words), str(free_port())],
        env=os.environ | {"OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("launcher", ["torchrun", pytest.param("notebook", marks=pytest.mark.long)])
def test_two_processes_have_the_losses_of_one_with_the_whole_batch(
    launcher: str, one: list[dict[str, float | None]], tmp_path: Path
) -> None:
    if launcher == "torchrun":
        train_compared(2, tmp_path / "run")
    else:
        run_notebook(LAUNCHED, tmp_path / "run", 2)
    two = read_metrics(tmp_path / "run" / "metrics.csv")
    assert len(one) == 20
    assert two[-1]["images"] == 80
    for name in ("discriminator", "generator", "reconstruction", "real_logits", "fake_logits"):
        first, second = ([row[name] for row in rows] for rows in (one, two))
        assert first == pytest.approx(second, rel=1e-4, abs=1e-4), name
        assert len({round(value, 3) for value in first}) > 10, f"{name} hardly changes"


def test_a_notebook_trains_with_two_processes_as_lesson_09_says(tmp_path: Path) -> None:
    lesson = Path(__file__).parents[2] / "notebooks" / "09_full_training.ipynb"
    (text,) = [
        cell.source
        for cell in nbformat.read(lesson, as_version=4).cells
        if "notebook_launcher(train, num_processes=2)" in cell.source
    ]
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    given = "--preset paper-256 --data MY_PICTURES --out runs/mine"
    tiny = "--preset cpu-demo --no-metadata --width 8 --batch-size 2 --samples 2 --iterations 3"
    assert given in code
    run_notebook(NOTEBOOK + code.replace(given, f"{tiny} --log-every 1 --out {tmp_path / 'run'}"))
    assert [row["images"] for row in read_metrics(tmp_path / "run" / "metrics.csv")] == [4, 8, 12]


def test_what_is_drawn_for_the_whole_batch_is_what_one_process_draws(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(distributed, "new_group", lambda backend: None)
    logits = torch.zeros(6, 1, 5, 5)
    draws: list[Callable[[int], torch.Tensor]] = [
        lambda rows: torch.randn(rows, 7),
        lambda rows: torch.rand(rows, 1, 1, 1),
        lambda rows: torch.randint(9, (rows,)),
        lambda rows: torch.randint(4, ()).repeat(rows),  # one number for all
        lambda rows: torch.rand_like(logits[:rows]),
        lambda rows: torch.randn((rows, 1, 3, 3)),
    ]

    def drawn(rows: int) -> list[torch.Tensor]:
        torch.manual_seed(0)
        return [draw(rows) for draw in draws]

    alone, parts = drawn(6), []
    for rank in range(3):
        with Together(SimpleNamespace(process_index=rank, num_processes=3)):
            parts.append(drawn(2))
            own = torch.rand(2, generator=torch.Generator().manual_seed(1))
        assert torch.equal(own, torch.rand(2, generator=torch.Generator().manual_seed(1)))
    for whole, *shares in zip(alone, *parts, strict=True):
        assert torch.equal(torch.cat(shares), whole)


TRAIN = (
    "-m slae_lib train --preset cpu-smoke --no-metadata --batch-size 2 --samples 2 "
    "--sample-every 0 --log-every 1 --iterations 100000"
).split()


def lines(run: Path) -> int:
    return len(read_metrics(run / "metrics.csv"))


@pytest.mark.parametrize(
    ("number", "rank"),
    [(signal.SIGTERM, 1), pytest.param(signal.SIGINT, 0, marks=pytest.mark.long)],
)
def test_a_signal_to_one_process_stops_all_with_one_checkpoint(
    number: signal.Signals, rank: int, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with started(2, *TRAIN, "--checkpoint-every", 0, "--out", run) as processes:
        wait_for(lambda: lines(run) >= 3, processes)
        processes[rank].send_signal(number)
        first, second = ends(processes)
    assert (first[0], second[0]) == (130, 130), first[2] + second[2]
    assert "100000 iterations of 4 by 2 processes" in first[1]
    assert "Stopped, with a checkpoint." in first[1]
    assert second[1] == ""
    (checkpoint,) = list_checkpoints(run / "checkpoints")
    rows = read_metrics(run / "metrics.csv")
    assert checkpoint.stem == f"step-{rows[-1]['iteration']:07d}"
    assert load_checkpoint(checkpoint)["images"] == rows[-1]["images"] == 4 * rows[-1]["iteration"]


@pytest.mark.parametrize("rank", [1, pytest.param(0, marks=pytest.mark.long)])
def test_when_one_process_is_killed_the_other_says_so_and_the_run_goes_on(
    rank: int, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with started(2, *TRAIN, "--checkpoint-every", 2, "--out", run) as processes:
        wait_for(lambda: bool(list_checkpoints(run / "checkpoints")), processes)
        processes[rank].kill()
        code, _, said = ends(processes)[1 - rank]
    assert code == 1, said
    assert "Another of the 2 processes of this training has ended" in said
    assert "Traceback" not in said

    state = load_checkpoint(list_checkpoints(run / "checkpoints")[-1])
    assert (state["images"], state["whole_batch"]) == (4 * state["iteration"], 4)
    info = RunInfo.load(run)
    config = dataclasses.replace(info.train, iterations=state["iteration"] + 2)
    with pytest.warns(UserWarning, match="from batches of 4 images, and .* with batches of 2"):
        assert train(info.model, config, load_images(info.data, 64), None, run, resume=True)
    assert read_metrics(run / "metrics.csv")[-1]["images"] == state["images"] + 2 * 2


FAILING = """
import sys
from pathlib import Path
from slae_lib.config import ModelConfig
from slae_lib.datasets import load_images
from slae_lib.training.config import TrainConfig
from slae_lib.training.loop import train

def fail(_):
    raise OSError("no space left")

config = TrainConfig(batch_size=2, reconstruction="none", samples=2, log_every=3)  # no device named
model = ModelConfig(resolution=64, width=8, noise_dim=16, metadata=False)
train(model, config, load_images("fluent-faces", 64), None, Path(sys.argv[1]), callback=fail)
"""


@pytest.mark.long
@pytest.mark.skipif(torch.accelerator.is_available(), reason="two processes want two GPUs")
def test_a_failure_of_the_process_that_writes_ends_the_others_too(tmp_path: Path) -> None:
    with started(2, "-c", FAILING, tmp_path / "run") as processes:
        first, second = ends(processes)
    assert (first[0], second[0]) == (1, 1)
    assert "no space left" in first[2]
    assert "LabError: Another of the 2 processes of this training has ended" in second[2]


@pytest.fixture(scope="module")
def faces() -> ImageSet:
    return load_images("fluent-faces", 64)


def test_batch_norm_is_synchronised_on_gpus_alone(faces: ImageSet, tmp_path: Path) -> None:
    config = TrainConfig(device="cpu", reconstruction="none", sync_batch_norm=True)
    with pytest.raises(UsageError, match="between GPUs alone"):
        train(MODEL, config, faces, None, tmp_path)
    assert list(tmp_path.iterdir()) == []

    # What it makes of the networks: alone, the same ones.
    def one_step(config: TrainConfig) -> tuple[TrainingState, list[float]]:
        torch.manual_seed(0)
        state = TrainingState(MODEL, config, None)
        step = TrainingStep(state, config, Accelerator(cpu=True))
        _, batch = next(image_batches(faces, config))
        losses = [step(batch / 127.5 - 1, None) for _ in range(2)][-1]
        return state, [losses.discriminator.item(), losses.generator.item()]

    (plain, first), (synchronised, second) = (
        one_step(dataclasses.replace(config, sync_batch_norm=wanted)) for wanted in (False, True)
    )
    assert first == second
    kinds = {
        type(layer)
        for network in (synchronised.generator, synchronised.discriminator)
        for layer in network.modules()
        if isinstance(layer, nn.modules.batchnorm._BatchNorm)
    }
    assert kinds == {nn.SyncBatchNorm}
    for name, value in plain.average.state_dict().items():
        assert torch.equal(value, synchronised.average.state_dict()[name]), name

"""A real run of a few iterations, for the tests of the stage and the monitor."""

from pathlib import Path
from typing import Any

from slae_lib.config import ModelConfig
from slae_lib.datasets import ImageSet, load_images
from slae_lib.datasets.bank import MetadataBank
from slae_lib.support.files import stored_file
from slae_lib.training.config import TrainConfig
from slae_lib.training.loop import train
from slae_lib.training.run import RunInfo

TINY = TrainConfig(
    iterations=4,
    batch_size=2,
    reconstruction="l1",
    augment="none",
    device="cpu",
    samples=4,
    log_every=1,
    sample_every=2,
    checkpoint_every=2,
)


def faces() -> ImageSet:
    """The built-in pictures."""
    return load_images("fluent-faces", 64)


def faces_bank() -> MetadataBank:
    """Their stored metadata."""
    file = stored_file("fluent_faces_metadata.safetensors")
    assert file is not None
    return MetadataBank.load(file)


def make_run(folder: Path, config: TrainConfig = TINY, callback: Any = None, **model: Any) -> Path:
    """Train a small generator into ``folder`` in some seconds."""
    networks = ModelConfig(**{"resolution": 64, "width": 8, "noise_dim": 32, **model})
    images = faces()
    info = RunInfo(networks, config, "fluent-faces", images.fingerprint)
    info.save(folder)
    bank = faces_bank() if networks.metadata else None
    assert train(networks, config, images, bank, folder, callback=callback)
    return folder

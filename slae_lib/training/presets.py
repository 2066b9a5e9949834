"""Named configurations, from fifteen seconds on a laptop to the paper's own."""

from dataclasses import dataclass
from typing import Any

from slae_lib.config import ModelConfig
from slae_lib.training.config import RunConfig, TrainConfig


@dataclass(frozen=True)
class Preset:
    """A model, a run and what to expect.

    Attributes:
        title: one line for lists: hardware and purpose.
        model: the networks.
        train: the run.
    """

    title: str
    model: Any  # of the family's two kinds of configuration
    train: RunConfig


_FASTGAN: dict[str, Any] = {
    "reconstruction_weight": 8.0,  # its code adds LPIPS up over the batch, of 8
    "flip": True,
    "augment_small": "together",
}
"""What FastGAN's code does where the paper is silent; the margin of the hinge stays the paper's."""

PRESETS: dict[str, Preset] = {
    # For a run that is over in minutes. Narrow networks, because many cheap steps draw better faces
    # than few dear ones; high learning rates, the discriminator's twice the generator's; few
    # numbers of noise; and no colour augmentation, which costs a small discriminator most.
    "cpu-demo": Preset(
        "64 px on a laptop's CPU: faces in four minutes on two cores",
        ModelConfig(resolution=64, width=8, noise_dim=32),
        TrainConfig(
            iterations=2000,
            learning_rate=8e-4,
            discriminator_learning_rate=1.6e-3,
            ema_decay=0.99,
            reconstruction="l1",
            augment="translation",
            device="cpu",
            log_every=10,
            sample_every=200,
            checkpoint_every=500,
        ),
    ),
    "cpu-smoke": Preset(
        "64 px on a CPU, some fifteen seconds: does everything work? (no good pictures)",
        ModelConfig(resolution=64, width=8),
        TrainConfig(
            iterations=60,
            batch_size=4,
            learning_rate=5e-4,
            ema_decay=0.9,
            reconstruction="l1",
            device="cpu",
            samples=16,
            log_every=5,
            sample_every=20,
            checkpoint_every=15,
            keep_checkpoints=3,
        ),
    ),
    "colab-t4": Preset(
        "256 px on a free Colab GPU, with mixed precision",
        ModelConfig(resolution=256, output="linear"),
        TrainConfig(iterations=20_000, precision="fp16", samples=25, **_FASTGAN),
    ),
    "paper-256": Preset(
        "the paper's setting at 256 px, for a GPU with 8 GB or more",
        ModelConfig(resolution=256, output="linear"),
        TrainConfig(samples=25, **_FASTGAN),
    ),
    "paper-1024": Preset(
        "the paper's setting at 1024 px, for a GPU with 16 GB or more",
        ModelConfig(resolution=1024),
        TrainConfig(samples=16, **_FASTGAN),
    ),
}

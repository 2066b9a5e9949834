"""What the ablation compares: four combinations of the paper's two ideas, and StyleGAN2."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from slae_lib.baselines.stylegan2_config import StyleGAN2Config
from slae_lib.config import ModelConfig
from slae_lib.training.config import TrainConfig
from slae_lib.training.families import AnyConfig
from slae_lib.training.presets import PRESETS

SHARED = (
    "batch_size",
    "ema_decay",
    "augment",
    "flip",
    "device",
    "precision",
    "samples",
)
"""Settings of a run that StyleGAN2 takes over from the other systems."""


@dataclass(frozen=True)
class System:
    """One of the systems that are compared.

    Attributes:
        title: for tables and plots.
        changes: fields of `ModelConfig`; None for StyleGAN2, which is a family of its own.
    """

    title: str
    changes: dict[str, Any] | None


SYSTEMS = {
    "fastgan": System("FastGAN", {"skip": "sle", "metadata": False}),
    "metadata": System("FastGAN + metadata", {"skip": "sle", "metadata": True}),
    "slae": System("FastGAN + SLAE", {"skip": "slae", "metadata": False}),
    "slae-metadata": System("FastGAN + SLAE + metadata", {"skip": "slae", "metadata": True}),
    "stylegan2": System("StyleGAN2", None),
}
"""Name on the command line to system."""


def system_configs(name: str, preset: str) -> tuple[AnyConfig, TrainConfig]:
    """Return networks and settings of a system, all else being as in ``preset``.

    StyleGAN2 keeps the optimiser and the losses of its own paper; batch size, augmentation,
    averaging, device and the rest are those of the other systems.

    Args:
        name: a key of `SYSTEMS`.
        preset: of FastGAN and SLAE, a key of `slae_lib.training.presets.PRESETS`.
    """
    base, changes = PRESETS[preset], SYSTEMS[name].changes
    assert isinstance(base.model, ModelConfig)
    if changes is not None:
        return dataclasses.replace(base.model, **changes), base.train
    partner = PRESETS["stylegan2-cpu" if base.model.resolution == 64 else "stylegan2-256"]
    assert isinstance(partner.model, StyleGAN2Config)
    shared = {field: getattr(base.train, field) for field in SHARED}
    return (
        dataclasses.replace(partner.model, resolution=base.model.resolution),
        dataclasses.replace(partner.train, **shared),
    )

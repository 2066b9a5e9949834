"""What the ablation compares: four combinations of the paper's two ideas, and StyleGAN2."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from slae_lib.attention import LINKS
from slae_lib.baselines.stylegan2.config import STYLEGAN2
from slae_lib.config import NetworkConfig
from slae_lib.training.config import RunConfig
from slae_lib.training.presets import PRESETS

SHARED = tuple("batch_size ema_decay augment flip device precision samples".split())
"""Settings of a run that StyleGAN2 takes over from the other systems."""


@dataclass(frozen=True)
class System:
    """One of the systems that are compared.

    Attributes:
        title: for tables and plots.
        changes: fields of `slae_lib.config.ModelConfig`; None for StyleGAN2, which is a family of
            its own.
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
"""Name on the command line to system: what the paper compares, and what is compared by default."""


def all_systems() -> dict[str, System]:
    """Return `SYSTEMS`, and two more for every kind of link that they do not have."""
    found = dict(SYSTEMS)
    compared = {system.changes["skip"] for system in SYSTEMS.values() if system.changes}
    for link in LINKS:
        if link not in compared:
            title = f"FastGAN + {link.upper()}"
            found[link] = System(title, {"skip": link, "metadata": False})
            found[f"{link}-metadata"] = System(
                f"{title} + metadata", {"skip": link, "metadata": True}
            )
    return found


def system_configs(name: str, preset: str, **sizes: int | None) -> tuple[NetworkConfig, RunConfig]:
    """Return networks and settings of a system, all else being as in ``preset``.

    StyleGAN2 keeps the optimiser and the losses of its own paper; batch size, augmentation,
    averaging, device and the rest are those of the other systems.

    Args:
        name: a key of `all_systems`.
        preset: of FastGAN and SLAE, a key of `slae_lib.training.presets.PRESETS`.
        sizes: resolution and width of the networks, or None for the preset's. StyleGAN2 is
            widened as much as the others are.
    """
    base, changes = PRESETS[preset], all_systems()[name].changes
    model = dataclasses.replace(base.model, **{k: v for k, v in sizes.items() if v is not None})
    if changes is not None:
        return dataclasses.replace(model, **changes), base.train
    partner = STYLEGAN2.presets["stylegan2-cpu" if base.model.resolution == 64 else "stylegan2-256"]
    shared = {field: getattr(base.train, field) for field in SHARED}
    wider = model.width / base.model.width
    channels = {
        k: round(getattr(partner.model, k) * wider) for k in ("channel_base", "channel_max")
    }
    networks = dataclasses.replace(partner.model, resolution=model.resolution, **channels)
    return networks, dataclasses.replace(partner.train, **shared)

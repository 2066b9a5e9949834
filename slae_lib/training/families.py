"""Families of models: SLAE with its parent FastGAN, and each baseline, found by name.

A family brings its own networks, optimisers, step and presets. Which ones there are stands in
`FAMILIES`; each is looked up when it is asked for, so that nothing here imports a baseline and
nothing is imported that a run does not need.
"""

import functools
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from slae_lib.config import ModelConfig, NetworkConfig
from slae_lib.support.errors import UsageError
from slae_lib.training.config import RunConfig, TrainConfig
from slae_lib.training.presets import PRESETS, Preset

if TYPE_CHECKING:
    from torch import nn

    from slae_lib.generator import Generator  # or one that answers like it

FAMILIES = {
    "slae": "slae_lib.training.families:SLAE",
    "stylegan2": "slae_lib.baselines.stylegan2.config:STYLEGAN2",
}
"""Name in files to where the `Family` stands; one more baseline is one more line."""


@dataclass(frozen=True)
class Family:
    """What belongs together.

    Attributes:
        name: in files.
        title: in words.
        model: the configuration of the networks.
        train: the configuration of a run.
        presets: named settings of both.
        generator: ``module:name`` of the class that a ``model`` makes it of.
        discriminator: the same.
        step: ``module:name`` of one iteration, a `slae_lib.training.state.Step`.
        blind_loss: the discriminator's loss where all its logits are 0.
    """

    name: str
    title: str
    model: type[NetworkConfig]
    train: type[RunConfig]
    presets: Mapping[str, Preset]
    generator: str
    discriminator: str
    step: str
    blind_loss: float

    def load(self, part: str) -> Any:
        """Return the class that ``part`` names: "generator", "discriminator" or "step"."""
        return pkgutil.resolve_name(getattr(self, part))


SLAE = Family(
    name="slae",
    title="SLAE",
    model=ModelConfig,
    train=TrainConfig,
    presets=PRESETS,
    generator="slae_lib.generator:Generator",
    discriminator="slae_lib.discriminator:Discriminator",
    step="slae_lib.training.step:TrainingStep",
    blind_loss=2.0,
)


@functools.cache
def family(name: str) -> Family:
    """Return the family of that name.

    Raises:
        UsageError: if there is none.
    """
    if name not in FAMILIES:
        raise UsageError(
            f"{name!r} is no family of models ({', '.join(FAMILIES)}); "
            "the file was written by another version of slae_lib."
        )
    return cast(Family, pkgutil.resolve_name(FAMILIES[name]))


def families() -> Iterator[Family]:
    """Yield all families."""
    return map(family, FAMILIES)


def family_of(config: NetworkConfig) -> Family:
    """Return the family that a model's configuration belongs to."""
    return next(found for found in families() if type(config) is found.model)


def all_presets() -> dict[str, Preset]:
    """Return the presets of all families by their names."""
    return {name: preset for found in families() for name, preset in found.presets.items()}


def make_generator(config: NetworkConfig) -> "Generator":
    """Return a new generator."""
    return cast("Generator", family_of(config).load("generator")(config))


def make_discriminator(config: NetworkConfig) -> "nn.Module":
    """Return a new discriminator."""
    return cast("nn.Module", family_of(config).load("discriminator")(config))


def model_to_dict(config: NetworkConfig) -> dict[str, Any]:
    """Return the configuration as a dictionary that JSON can hold, with the family's name."""
    return {"family": family_of(config).name, **config.to_dict()}


def model_from_dict(values: dict[str, Any]) -> Any:
    """Make the configuration that `model_to_dict` wrote.

    Raises:
        UsageError: for a family or a field that does not exist here.
        TypeError: if it is no dictionary.
    """
    values = {**values}
    return family(values.pop("family", "slae")).model.from_dict(values)

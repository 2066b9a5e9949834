"""The two families of models behind one door: FastGAN and SLAE, and StyleGAN2."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from torch import nn

from slae_lib.baselines.stylegan2 import StyleGAN2Discriminator, StyleGAN2Generator
from slae_lib.baselines.stylegan2_config import StyleGAN2Config, StyleGAN2TrainConfig
from slae_lib.config import ModelConfig
from slae_lib.discriminator import Discriminator
from slae_lib.generator import Generator
from slae_lib.support.errors import UsageError
from slae_lib.training.config import TrainConfig

AnyConfig = ModelConfig | StyleGAN2Config
AnyGenerator = Generator | StyleGAN2Generator


@dataclass(frozen=True)
class Family:
    """What belongs together: two configurations and two networks.

    Attributes:
        name: in files.
        model: the configuration of the networks.
        train: the configuration of a run.
        generator: made from a ``model``.
        discriminator: made from a ``model``.
    """

    name: str
    model: type[Any]
    train: type[TrainConfig]
    generator: type[Any]
    discriminator: type[nn.Module]


FAMILIES = {
    family.name: family
    for family in (
        Family("slae", ModelConfig, TrainConfig, Generator, Discriminator),
        Family(
            "stylegan2",
            StyleGAN2Config,
            StyleGAN2TrainConfig,
            StyleGAN2Generator,
            StyleGAN2Discriminator,
        ),
    )
}


def family_of(config: AnyConfig) -> Family:
    """Return the family that a model's configuration belongs to."""
    return next(family for family in FAMILIES.values() if isinstance(config, family.model))


def make_generator(config: AnyConfig) -> AnyGenerator:
    """Return a new generator."""
    generator: AnyGenerator = family_of(config).generator(config)
    return generator


def make_discriminator(config: AnyConfig) -> nn.Module:
    """Return a new discriminator."""
    return family_of(config).discriminator(config)


def model_to_dict(config: AnyConfig) -> dict[str, Any]:
    """Return the configuration as a dictionary that JSON can hold, with the family's name."""
    return {"family": family_of(config).name, **dataclasses.asdict(config)}


def model_from_dict(values: dict[str, Any]) -> AnyConfig:
    """Make the configuration that `model_to_dict` wrote.

    Raises:
        UsageError: for a family or a field that does not exist here.
    """
    values = dict(values)
    config: AnyConfig = _family(values.pop("family", "slae")).model.from_dict(values)
    return config


def train_from_dict(values: dict[str, Any], model: AnyConfig) -> TrainConfig:
    """Make the configuration of a run of ``model`` from a dictionary.

    Raises:
        UsageError: for a field that does not exist here.
    """
    return family_of(model).train.from_dict(values)


def _family(name: str) -> Family:
    if name not in FAMILIES:
        raise UsageError(
            f"{name!r} is no family of models ({', '.join(FAMILIES)}); "
            "the file was written by another version of slae_lib."
        )
    return FAMILIES[name]

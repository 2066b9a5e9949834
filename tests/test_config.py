"""Configurations of networks and runs: what they refuse, how they travel, what presets hold."""

import dataclasses
import json

import pytest

from slae_lib.baselines.stylegan2.config import StyleGAN2Config, StyleGAN2TrainConfig
from slae_lib.config import ModelConfig
from slae_lib.support.errors import UsageError
from slae_lib.support.settings import Settings
from slae_lib.training.config import TrainConfig
from slae_lib.training.families import all_presets
from slae_lib.training.presets import PRESETS


@pytest.mark.parametrize(
    ("config", "values", "named"),
    [
        (ModelConfig, {"resolution": 100}, "resolution is 100; choose one of 64, 128, 256"),
        (ModelConfig, {"skip": "se"}, "skip is 'se'; choose one of slae, sle"),
        (ModelConfig, {"attention_kernel": 5}, "attention_kernel is 5"),
        (ModelConfig, {"width": 12}, "multiple of 8"),
        (ModelConfig, {"width": 0}, "1 or more"),
        (ModelConfig, {"width": "64"}, "whole number"),
        (ModelConfig, {"noise_dim": True}, "whole number"),
        (ModelConfig, {"metadata_input": "direct"}, "noise_dim (256) has to equal"),
        (TrainConfig, {"batch_size": 1}, "batch norm needs 2"),
        (TrainConfig, {"iterations": 0}, "iterations is 0"),
        (TrainConfig, {"learning_rate": -1.0}, "greater than 0"),
        (TrainConfig, {"ema_decay": 1.0}, "[0, 1)"),
        (TrainConfig, {"seed": -1}, "0 or more"),
        (TrainConfig, {"precision": "fp8"}, "choose one of no, fp16, bf16"),
        (TrainConfig, {"samples": 1}, "samples is 1; 2 or more are needed to see whether they"),
        (TrainConfig, {"sample_every": -1}, "sample_every is -1; it has to be 0 or more."),
        (TrainConfig, {"beta1": -0.1}, "beta1 is -0.1; it has to lie in [0, 1)."),
        (
            TrainConfig,
            {"discriminator_learning_rate": 0},
            "is 0; it has to be greater than 0.",
        ),
        (TrainConfig, {"reconstruction_weight": -1}, "weight is -1; it has to be 0 or more."),
        (TrainConfig, {"seed": 2**32}, "it has to be less than 4,294,967,296."),
        (StyleGAN2Config, {"style_mixing": 1.5}, "style_mixing is 1.5; it has to lie in [0, 1]."),
        (StyleGAN2Config, {"mapping_lr_multiplier": 0.0}, "it has to be greater than 0."),
        (StyleGAN2Config, {"group_size": 0}, "group_size is 0; it has to be 1 or more."),
        (StyleGAN2TrainConfig, {"learning_rate": 0.0}, "it has to be greater than 0."),
    ],
)
def test_values_that_do_not_exist_are_named(config, values, named) -> None:
    with pytest.raises(UsageError) as caught:
        config(**values)
    assert named in str(caught.value)


@pytest.mark.parametrize("name", all_presets())
def test_presets_travel_through_json(name: str) -> None:
    preset = all_presets()[name]
    for config in (preset.model, preset.train):
        assert type(config).from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_a_field_of_another_version_is_named() -> None:
    with pytest.raises(UsageError, match=r"no field heads"):
        ModelConfig.from_dict({"heads": 8})


@pytest.mark.parametrize("config", [ModelConfig, TrainConfig])
def test_a_field_that_is_gone_is_read_where_it_did_nothing(config: type[Settings]) -> None:
    assert config.from_dict({**config.WITHOUT}) == config()
    for name in config.WITHOUT:
        with pytest.raises(UsageError, match=f"no field {name}"):
            config.from_dict({**config.WITHOUT, name: 0.5})


def test_configurations_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ModelConfig().width = 32


def test_every_field_has_a_help_text() -> None:
    for preset in all_presets().values():
        for field in (*dataclasses.fields(preset.model), *dataclasses.fields(preset.train)):
            assert len(field.metadata["help"]) > 10, field.name


def test_the_papers_setting_is_the_default() -> None:
    model, train = PRESETS["paper-256"].model, PRESETS["paper-256"].train
    assert (model.resolution, model.width, model.noise_dim) == (256, 64, 256)
    assert (model.skip, model.metadata, model.attention_kernel) == ("slae", True, 7)
    assert (train.iterations, train.batch_size, train.learning_rate) == (50_000, 8, 2e-4)
    assert (train.beta1, train.beta2, train.ema_decay) == (0.5, 0.999, 0.999)
    assert PRESETS["paper-1024"].model.resolution == 1024

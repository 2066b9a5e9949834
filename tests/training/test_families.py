"""Families of models: found by name, on demand, each with its own settings and step."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from slae_lib.config import ModelConfig
from slae_lib.support.errors import UsageError
from slae_lib.training.families import (
    FAMILIES,
    all_presets,
    families,
    family,
    family_of,
    make_discriminator,
    make_generator,
    model_from_dict,
    model_to_dict,
)
from slae_lib.training.state import TrainingState


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_brings_all_that_a_training_needs(name: str) -> None:
    found = family(name)
    preset = min(found.presets.values(), key=lambda preset: preset.model.resolution)
    assert family_of(preset.model) is found
    assert model_from_dict(model_to_dict(preset.model)) == preset.model
    assert type(preset.train) is found.train
    generator, discriminator = make_generator(preset.model), make_discriminator(preset.model)
    first, second = found.load("step").optimizers(generator, discriminator, preset.train)
    for network, optimizer in ((generator, first), (discriminator, second)):
        stepped = {id(p) for group in optimizer.param_groups for p in group["params"]}
        assert stepped == {id(parameter) for parameter in network.parameters()}


def test_no_preset_has_two_meanings() -> None:
    assert len(all_presets()) == sum(len(found.presets) for found in families())


def test_a_family_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(UsageError, match=r"'diffusion' is no family of models \(slae, stylegan2\)"):
        model_from_dict({"family": "diffusion"})


def test_training_slae_imports_no_baseline() -> None:
    program = (
        "import sys; from slae_lib.training import loop, state, step, start; "
        "from slae_lib.training.families import make_generator; "
        "from slae_lib.config import ModelConfig; make_generator(ModelConfig(64, width=8)); "
        "sys.exit(any(name.startswith('slae_lib.baselines') for name in sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert result.returncode == 0, result.stderr


def test_a_checkpoint_of_the_first_edition_loads(tmp_path: Path) -> None:
    """It held StyleGAN2's running mean of the path length in the checkpoints of every family."""
    model = ModelConfig(64, width=8, metadata=False)
    train = dataclasses.replace(all_presets()["cpu-smoke"].train, samples=2)
    before = TrainingState(model, train, None).state_dict()
    assert "path_length" not in before
    before["path_length"] = {"mean": torch.zeros(())}
    after = TrainingState(model, train, None)
    after.load_state_dict(before, tmp_path / "step-1.pt")
    loaded: nn.Module = after.generator
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, before["generator"][name])


def test_settings_are_listed_where_they_always_stood() -> None:
    names = list(all_presets()["cpu-demo"].train.to_dict())
    at = names.index
    assert at("ema_decay") + 1 == at("hinge_margin") == at("reconstruction") - 1
    assert at("flip") + 1 == at("metadata_layer") == at("metadata_scale") - 1
    assert at("precision") + 1 == at("compile") == at("compile_mode") - 1 == at("seed") - 2

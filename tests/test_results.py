"""The published page says what the published numbers say."""

import json
from pathlib import Path
from typing import Any

import pytest

from slae_lib.config import ModelConfig
from slae_lib.cost import MODELS, count
from slae_lib.models import model_from_dict, model_to_dict

RESULTS = Path(__file__).parents[1] / "figures" / "results"


def load(name: str) -> dict[str, Any]:
    values = json.loads((RESULTS / name).read_text(encoding="utf-8"))
    assert values["format"] == "slae-lab-cost-1"
    return values


def lines() -> list[str]:
    text = (RESULTS / "README.md").read_text(encoding="utf-8")
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.mark.parametrize("file", sorted(RESULTS.glob("*.json")), ids=lambda file: file.name)
def test_every_file_is_on_the_page_with_its_command(file: Path) -> None:
    values = json.loads(file.read_text(encoding="utf-8"))
    (row,) = (line for line in lines() if line.startswith(f"| `{file.name}` |"))
    assert values["command"] in row
    assert {"hardware", "versions"} <= values.keys()


def test_table_1_is_that_of_the_numbers() -> None:
    page = lines()
    for model in load("cost.json")["models"]:
        expected = (
            f"{model['model']} {model['resolution']} {model['generator_parameters'] / 1e6:.2f} M "
            f"{model['discriminator_parameters'] / 1e6:.2f} M {model['macs'] / 1e9:.2f} G "
            f"{model['iteration_seconds']:.3f} {model['image_seconds']:.4f}"
        )
        assert any(line.startswith(expected) for line in page), expected


def test_the_counts_are_those_of_the_models_today() -> None:
    for model in load("cost.json")["models"]:
        config = MODELS[model["model"]](model["resolution"], 64)
        family = "slae" if isinstance(config, ModelConfig) else "stylegan2"
        assert model_to_dict(config) == {"family": family, **model["config"]}
        counts = count(model_from_dict({"family": family, **model["config"]}))
        assert counts.generator_parameters == model["generator_parameters"]
        assert counts.discriminator_parameters == model["discriminator_parameters"]
        assert counts.macs == model["macs"]


def test_the_pairs_are_those_of_the_numbers() -> None:
    page = lines()
    for pair in load("cost_256_pairs.json")["pairs"]:
        first, second = pair["times"]["seconds"]
        expected = (
            f"{pair['model']} {pair['resolution']} {second:.3f} {pair['baseline']} {first:.3f} "
            f"{pair['times']['ratio']:.3f}"
        )
        assert any(line.startswith(expected) for line in page), expected
        assert pair["times"]["ratio"] < 1.03  # "almost no cost"

"""ONNX: what onnxruntime computes is what PyTorch computes, with and without steering."""

import json
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from slae_lib.cli import main
from slae_lib.config import ModelConfig
from slae_lib.course.stored import demo_run
from slae_lib.explorer.onnx import FORMAT, NEEDED, Steered, export_onnx
from slae_lib.generator import Generator
from slae_lib.support.errors import LabError
from slae_lib.support.spectral_norm import fold_spectral_norm
from slae_lib.training.checkpoint import load_generator

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")


new_enough = pytest.mark.skipif(
    tuple(map(int, torch.__version__.split(".")[:2])) < NEEDED, reason="PyTorch is too old for ONNX"
)


def agrees(generator: Generator, file: Path, tolerance: float) -> None:
    """Compare every output, for a batch of one and of three, unsteered and steered."""
    steered = Steered(generator)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    assert [put.name for put in session.get_inputs()] == steered.inputs
    luck = torch.Generator().manual_seed(0)
    for batch, given in ((1, 0.0), (3, 0.5)):
        inputs = {}
        for name, value in steered.unsteered().items():
            drawn = torch.rand(batch, *value.shape[1:], generator=luck)
            if "given" in name:  # a part of the places and gates, and NaN at the others
                chosen = torch.rand(drawn.shape, generator=luck) < given
                inputs[name] = torch.where(chosen, drawn, torch.nan)
            else:
                inputs[name] = torch.randn(drawn.shape, generator=luck)
        with torch.no_grad():
            expected = steered(*inputs.values())
        found = session.run(
            steered.outputs, {name: value.numpy() for name, value in inputs.items()}
        )
        for name, one, other in zip(steered.outputs, expected, found, strict=True):
            assert one.shape == other.shape, name
            difference = (one - torch.from_numpy(other)).abs().max()
            assert difference < tolerance * max(1.0, float(one.abs().max())), name


@new_enough
def test_the_stored_generator_is_exported_with_attention_and_metadata(tmp_path: Path) -> None:
    words = f"export --run {demo_run()} --out {tmp_path / 'out'} --onnx --precision fp32"
    result = CliRunner().invoke(main, words.split(), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    file = tmp_path / "out" / "generator.onnx"
    assert str(file) in result.output
    generator = load_generator(tmp_path / "out" / "generator.safetensors")
    agrees(generator, file, 1e-4)
    (told,) = [
        {entry.key: entry.value for entry in model.metadata_props}
        for model in [pytest.importorskip("onnx").load(file)]
    ]
    assert told["format"] == FORMAT
    assert json.loads(told["config"])["skip"] == "slae"


@new_enough
def test_a_fastgan_without_metadata_is_exported_in_half_the_size(tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator = Generator(
        ModelConfig(resolution=64, width=8, noise_dim=16, skip="sle", metadata=False)
    )
    fold_spectral_norm(generator)
    generator.eval().requires_grad_(False)
    large = export_onnx(generator, tmp_path / "large.onnx", half=False)
    agrees(generator, large, 1e-4)
    small = export_onnx(generator, tmp_path / "small.onnx")
    assert small.stat().st_size < 0.6 * large.stat().st_size
    agrees(generator, small, 1e-2)


def test_what_the_generator_does_by_itself_is_what_it_does_unsteered() -> None:
    generator = load_generator(demo_run() / "generator.safetensors")
    steered = Steered(generator)
    inputs = steered.unsteered()
    plain = generator(inputs["noise"], inputs["metadata"], return_attention=True)
    told = dict(zip(steered.outputs, steered(*inputs.values()), strict=True))
    assert torch.equal(told["image"], plain.image)
    for link, name in steered.names.items():
        assert torch.equal(told[f"own_attention_{name}"], plain.attention[link])
        assert torch.equal(told[f"gates_{name}"], plain.gates[link])
    assert torch.equal(
        told["features_64"], (told["before_16_64"] * told["gates_16_64"]).mean(1, keepdim=True)
    )


def test_without_the_packages_it_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    generator = load_generator(demo_run() / "generator.safetensors")
    with pytest.raises(
        LabError, match=r'package onnx; install it with pip install "slae-lib\[onnx\]"'
    ):
        export_onnx(generator, tmp_path / "generator.onnx")
    assert not (tmp_path / "generator.onnx").exists()


def test_an_older_pytorch_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", "2.9.1+cpu")
    generator = load_generator(demo_run() / "generator.safetensors")
    with pytest.raises(LabError, match=r"needs PyTorch 2\.10 or newer and this is 2\.9\.1\+cpu;"):
        export_onnx(generator, tmp_path / "generator.onnx")
    assert not (tmp_path / "generator.onnx").exists()

"""Costs: counts that can be worked out by hand, and measurements in real processes."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from slae_lib.attention import SkipLayerAttentionExcitation, SkipLayerExcitation
from slae_lib.baselines.stylegan2.config import StyleGAN2Config
from slae_lib.cli import LabGroup
from slae_lib.cli.cost import cost, format_table
from slae_lib.config import ModelConfig
from slae_lib.evaluation import workload
from slae_lib.evaluation.cost import (
    MODELS,
    Counts,
    count,
    make_generator,
    measure,
    paired_step_time,
)
from slae_lib.support.errors import LabError, UsageError

GROUP = LabGroup(commands={"cost": cost})


@pytest.mark.parametrize(("resolution", "links"), [(256, (4, 8, 16)), (1024, (4, 8, 16, 32))])
def test_attention_costs_almost_nothing(resolution: int, links: tuple[int, ...]) -> None:
    fastgan = count(MODELS["fastgan"](resolution, 64))
    slae = count(MODELS["slae-no-metadata"](resolution, 64))
    # One convolution of two channels to one, 7x7, for each link ...
    assert slae.generator_parameters - fastgan.generator_parameters == 98 * len(links)
    assert slae.macs - fastgan.macs == sum(98 * size**2 for size in links)
    assert slae.discriminator_parameters == fastgan.discriminator_parameters
    # ... which is what the paper's claim comes to.
    assert 1 < slae.generator_parameters / fastgan.generator_parameters < 1.005
    assert 1 < slae.macs / fastgan.macs < 1.005


def test_metadata_costs_one_matrix() -> None:
    without, with_metadata = count(MODELS["slae-no-metadata"](64, 8)), count(MODELS["slae"](64, 8))
    assert with_metadata.generator_parameters - without.generator_parameters == 512 * 256
    assert with_metadata.macs - without.macs == 512 * 256


def test_published_sizes() -> None:
    fastgan, stylegan2 = count(MODELS["fastgan"](256, 64)), count(MODELS["stylegan2"](256, 64))
    assert fastgan.generator_parameters == 29_127_846
    assert fastgan.discriminator_parameters == 11_526_160
    assert stylegan2.generator_parameters == 30_034_338
    assert stylegan2.discriminator_parameters == 28_864_129
    slae = count(MODELS["slae"](256, 64))
    total = slae.generator_parameters + slae.discriminator_parameters
    of_stylegan2 = stylegan2.generator_parameters + stylegan2.discriminator_parameters
    assert total / of_stylegan2 == pytest.approx(0.69, abs=0.005)  # the paper says about half


def test_multiplications_of_stylegan2_with_pencil_and_paper() -> None:
    channels = {4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256, 256: 128}

    def layer(inside: int, outside: int, size: int, kernel: int, demodulate: bool = True) -> int:
        style = 512 * inside + (inside * outside if demodulate else 0)
        return inside * outside * kernel**2 * size**2 + style

    macs = 8 * 512 * 512 + layer(512, 512, 4, 3) + layer(512, 3, 4, 1, demodulate=False)
    for size in (8, 16, 32, 64, 128, 256):
        before, here = channels[size // 2], channels[size]
        # A transposed convolution multiplies at the size that it starts from.
        macs += layer(before, here, size // 2, 3) + 16 * here * size**2  # and the filter, 4x4
        macs += layer(here, here, size, 3) + layer(here, 3, size, 1, demodulate=False)
        macs += 16 * 3 * (size // 2) ** 2  # the image so far, doubled
    assert count(MODELS["stylegan2"](256, 64)).macs == macs


def test_counting_changes_no_random_state() -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    count(MODELS["slae"](64, 24))
    torch.testing.assert_close(torch.rand(4), expected)


def test_models_are_what_their_names_say() -> None:
    fastgan, slae = MODELS["fastgan"](64, 8), MODELS["slae"](64, 8)
    assert fastgan == ModelConfig(resolution=64, width=8, skip="sle", metadata=False)
    assert slae == ModelConfig(resolution=64, width=8)
    assert {type(link) for link in make_generator(fastgan).links.values()} == {SkipLayerExcitation}
    assert {type(link) for link in make_generator(slae).links.values()} == {
        SkipLayerAttentionExcitation
    }
    assert MODELS["stylegan2"](1024, 64) == StyleGAN2Config(resolution=1024)
    assert MODELS["stylegan2"](64, 8) == StyleGAN2Config(
        resolution=64, channel_base=4096, channel_max=64
    )


def test_iterations_of_two_models_are_done_in_turn() -> None:
    configs = MODELS["fastgan"](64, 8), MODELS["stylegan2"](64, 8)
    how = {"batch_size": 2, "device": "cpu", "reconstruction": "none"}
    first, second = workload.pair(*configs, rounds=3, **how)
    assert len(first) == len(second) == 3
    assert min(first + second) > 0


def test_pairs_are_compared_round_by_round(monkeypatch: pytest.MonkeyPatch) -> None:
    # The computer gets slower from round to round, and the ratio does not.
    answer = {"seconds": ([1.0, 2.0, 4.0], [1.1, 2.2, 4.8])}
    monkeypatch.setattr("slae_lib.evaluation.cost._in_a_process", lambda *_, **__: answer)
    times = paired_step_time(MODELS["fastgan"](64, 8), MODELS["slae"](64, 8), rounds=3)
    assert times.ratios == pytest.approx((1.1, 1.1, 1.2))
    assert times.ratio == pytest.approx(1.1)
    assert times.seconds == (2.0, 2.2)


def test_the_stand_in_for_lpips_costs_what_lpips_costs() -> None:
    stand_in = workload.untrained_lpips()
    # VGG-16 without its classifier, and one calibration number for each of 1,472 channels.
    convolutions = 14_714_688
    assert sum(p.numel() for p in set(stand_in.parameters())) == convolutions + 1_472
    distances = stand_in(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32))
    assert distances.shape == (2,)
    assert distances.isfinite().all()


def test_what_cannot_be_measured_is_said_before_it_is_tried() -> None:
    config = MODELS["fastgan"](64, 8)
    with pytest.raises(UsageError, match="batch_size is 1"):
        measure(config, batch_size=1)
    with pytest.raises(UsageError, match="rounds is 0"):
        paired_step_time(config, config, rounds=0)


def test_a_process_that_fails_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slae_lib.evaluation.cost.sys.executable", "false")
    with pytest.raises(LabError, match="at 64 px could not be measured .*; try a smaller batch"):
        measure(MODELS["fastgan"](64, 8), device="cpu")


def test_the_table_has_one_line_for_each_row() -> None:
    rows = [
        {"model": name, "resolution": 256, **asdict(Counts(29_127_846, 11_526_160, 9_734_607_872))}
        for name in ("fastgan", "slae")
    ]
    title, first, second = format_table(rows).splitlines()
    assert title.split() == ["model", "px", "G", "params", "D", "params", "MACs/image"]
    assert first.split() == ["fastgan", "256", "29.13", "M", "11.53", "M", "9.73", "G"]
    assert len(title) == len(first) == len(second)


def test_the_command_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cost.json"
    options = "--resolution 64 128 --width 8 --model=fastgan slae --json"
    words = ["cost", *options.split(), str(file)]
    monkeypatch.setattr("sys.argv", ["/somewhere/slae", *words])
    result = CliRunner().invoke(GROUP, words)
    assert result.exit_code == 0, result.output
    values = json.loads(file.read_text())
    assert values["command"] == f"slae cost {options} {file}"
    assert {"hardware", "versions", "pairs"} <= set(values)
    rows = values["models"]
    assert [(row["model"], row["resolution"]) for row in rows] == [
        *[("fastgan", 64), ("slae", 64), ("fastgan", 128), ("slae", 128)]
    ]
    for row in rows:
        assert f"{row['generator_parameters'] / 1e6:.2f} M" in result.stdout
        assert ModelConfig.from_dict(row["config"]).resolution == row["resolution"]
        assert "iteration_seconds" not in row


def test_the_command_measures_in_a_process_of_its_own(tmp_path: Path) -> None:
    ballast = torch.ones(400_000_000)  # 1.6 GB here must not be counted there
    file = tmp_path / "cost.json"
    options = "--resolution=64 --width 8 --model slae --time --rounds 1 --device cpu --json"
    result = CliRunner().invoke(GROUP, ["cost", *options.split(), str(file)])
    assert result.exit_code == 0, result.output
    (row,) = json.loads(file.read_text())["models"]
    assert row["iteration_seconds"] > row["image_seconds"] > 0
    assert f"{row['iteration_seconds']:.3f}" in result.stdout
    assert "batches of 2" in result.stdout
    assert ballast.nbytes > 1.5e9
    if row["training_bytes"] is not None:  # Windows does not tell
        assert 50e6 < row["sampling_bytes"] <= row["training_bytes"] < 1.5e9


def test_the_command_compares_in_pairs(tmp_path: Path) -> None:
    file = tmp_path / "cost.json"
    options = "--resolution 64 --width 8 --model fastgan slae --pairs 3 --device cpu --json"
    result = CliRunner().invoke(
        GROUP, ["cost", *options.split(), str(file), "--reconstruction", "none"]
    )
    assert result.exit_code == 0, result.output
    (pair,) = json.loads(file.read_text())["pairs"]
    assert (pair["baseline"], pair["model"], pair["resolution"]) == ("fastgan", "slae", 64)
    assert len(pair["times"]["ratios"]) == 3
    assert f"{pair['times']['ratio']:.3f}" in result.stdout
    assert "middle half" in result.stdout


def test_the_command_refuses_a_size_that_does_not_exist() -> None:
    result = CliRunner().invoke(GROUP, ["cost", "--resolution", "256", "100"])
    assert result.exit_code == 2
    assert "100" in result.stderr

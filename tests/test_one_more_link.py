"""One more kind of skip link is one class and one line: everything else finds it there."""

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from inception_doubles import Projection
from torch import Tensor, nn

from slae_lib.attention import LINKS, SkipLayerAttentionExcitation
from slae_lib.blocks import conv
from slae_lib.cli import main
from slae_lib.config import ModelConfig
from slae_lib.evaluation.cost import all_models, count
from slae_lib.support.errors import UsageError
from slae_lib.training.checkpoint import load_generator
from slae_lib.training.sampling import sample_images


class CbamLink(SkipLayerAttentionExcitation):
    """CBAM whole: channel attention first, then spatial attention, then the gate."""

    def __init__(
        self, low_channels: int, high_channels: int, kernel_size: int = 7, norm: bool = True
    ) -> None:
        super().__init__(low_channels, high_channels, kernel_size, norm)
        squeezed = max(1, low_channels // 16)
        self.channels = nn.Sequential(
            conv(low_channels, squeezed, 1), nn.ReLU(), conv(squeezed, low_channels, 1)
        )

    def weigh_channels(self, low: Tensor) -> Tensor:
        mean, maximum = low.mean((2, 3), keepdim=True), low.amax((2, 3), keepdim=True)
        return low * torch.sigmoid(self.channels(mean) + self.channels(maximum))

    def attend(self, low: Tensor) -> Tensor:
        return super().attend(self.weigh_channels(low))

    def gate(self, low: Tensor, attention_map: Tensor | None = None) -> Tensor:
        if attention_map is None:
            attention_map = self.attend(low)
        return super().gate(self.weigh_channels(low), attention_map)


@pytest.fixture
def cbam(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LINKS, "cbam", CbamLink)


def slae(words: str, *more: object) -> str:
    result = CliRunner().invoke(main, [*words.split(), *map(str, more)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_new_link_trains_draws_its_attention_costs_and_is_compared(
    cbam: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    small = "--preset cpu-smoke --iterations 2 --samples 4"
    said = slae(f"train {small} --skip cbam --discriminator-skip cbam", "--out", run)
    assert "CBAM links, with metadata" in said
    assert (run / "attention.png").is_file()
    slae("train --iterations 3 --resume", run)
    generator = load_generator(run / "generator.safetensors")
    assert isinstance(generator.links["4->16"], CbamLink)
    assert len(sample_images(run / "generator.safetensors", 2)) == 2
    assert set(slae("train --help").split()) >= {"[slae|sle|cbam]"}

    table = slae("cost --resolution 64 --width 8 --model slae cbam cbam-no-metadata")
    assert [line.split()[0] for line in table.splitlines()[1:]] == [
        "slae",
        "cbam",
        "cbam-no-metadata",
    ]
    slae_model, cbam_model = (all_models()[name](64, 8) for name in ("slae", "cbam"))
    assert count(cbam_model).generator_parameters > count(slae_model).generator_parameters

    monkeypatch.setattr("slae_lib.ablation.runner.InceptionFeatures", lambda _: Projection())
    words = "ablate --systems fastgan cbam cbam-metadata --seeds 0 --images 8 --points 1 --count 4"
    said = slae(f"{words} --preset cpu-smoke", "--out", tmp_path / "ablation")
    assert "| FastGAN + CBAM + metadata | 1 |" in said
    assert (tmp_path / "ablation" / "ablation.png").is_file()


def test_a_new_link_makes_nobodys_ablation_or_table_longer(cbam: None, tmp_path: Path) -> None:
    from slae_lib.ablation import Ablation

    assert len(Ablation("fluent-faces", tmp_path).systems) == 5
    assert "cbam" not in slae("cost --resolution 64 --width 8")


def test_its_own_map_is_used_and_another_one_in_its_place(cbam: None) -> None:
    torch.manual_seed(0)
    link = LINKS["cbam"](4, 8).eval()
    low = torch.randn(2, 4, 6, 6)
    own = link.attend(low)
    assert own is not None
    assert own.shape == (2, 1, 6, 6)
    torch.testing.assert_close(link.gate(low), link.gate(low, own))
    assert not torch.allclose(link.gate(low), link.gate(low, torch.zeros(1, 1, 6, 6)))
    assert ModelConfig(skip="cbam").has_attention


def test_a_link_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(UsageError, match=r"skip is 'cbam'; choose one of slae, sle\."):
        ModelConfig(skip="cbam")
    result = CliRunner().invoke(main, ["train", "--skip", "cbam"])
    assert result.exit_code == 2
    assert "'slae'" in result.output

"""The generator: published sizes, shapes at every resolution, independence of batch mates."""

import dataclasses

import pytest
import torch
from torch import nn

from slae_lib.config import ModelConfig
from slae_lib.generator import Generator


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


FASTGAN = {256: 29_127_846, 512: 29_174_392, 1024: 29_176_512}
SMALL = ModelConfig(resolution=64, width=8, noise_dim=32)


@pytest.mark.parametrize("resolution", FASTGAN)
def test_fastgan_has_the_published_number_of_parameters(resolution: int) -> None:
    config = ModelConfig(resolution=resolution, skip="sle", metadata=False)
    assert parameters(Generator(config)) == FASTGAN[resolution]


@pytest.mark.parametrize(
    ("resolution", "links"), [(64, 3), (128, 3), (256, 3), (512, 4), (1024, 4)]
)
def test_slae_adds_98_parameters_for_each_link(resolution: int, links: int) -> None:
    sle = Generator(ModelConfig(resolution=resolution, width=8, skip="sle", metadata=False))
    slae = Generator(ModelConfig(resolution=resolution, width=8, skip="slae", metadata=False))
    assert len(slae.links) == links
    assert parameters(slae) - parameters(sle) == 98 * links


def test_metadata_adds_one_linear_map() -> None:
    with_metadata = Generator(ModelConfig(width=8, metadata=True))
    without = Generator(ModelConfig(width=8, metadata=False))
    assert parameters(with_metadata) - parameters(without) == 512 * 256


def test_channels_are_those_of_the_published_network() -> None:
    generator = Generator(ModelConfig(resolution=64, width=64))
    sizes = [4, 8, 16, 32, 64, 128, 256, 512, 1024]
    assert [generator.channels(size) for size in sizes] == [
        *[1024, 512, 256, 128, 128, 64, 32, 16, 8]
    ]


@pytest.mark.parametrize("resolution", [64, 128, 256, 512, 1024])
def test_images_of_every_resolution(resolution: int) -> None:
    config = ModelConfig(resolution=resolution, width=8, noise_dim=16)
    generator = Generator(config).eval()
    with torch.no_grad():
        output = generator(torch.randn(2, 16), torch.randn(2, 512), return_attention=True)
    assert output.image.shape == (2, 3, resolution, resolution)
    small = min(128, resolution // 2)
    assert output.small.shape == (2, 3, small, small)
    assert output.image.abs().max() <= 1
    for name, attention_map in output.attention.items():
        low, high = map(int, name.split("->"))
        assert attention_map.shape == (2, 1, low, low)
        assert output.gates[name].shape == (2, generator.channels(high), 1, 1)
        assert 0 < attention_map.min() <= attention_map.max() < 1


def test_links_of_each_resolution() -> None:
    def links(resolution: int) -> list[str]:
        return list(Generator(ModelConfig(resolution=resolution, width=8)).links)

    assert links(256) == ["4->64", "8->128", "16->256"]
    assert links(512) == links(1024) == ["4->64", "8->128", "16->256", "32->512"]
    assert links(64) == ["4->16", "8->32", "16->64"]
    assert links(128) == ["4->32", "8->64", "16->128"]


def test_all_convolutions_start_at_deviation_0_02() -> None:
    torch.manual_seed(0)
    generator = Generator(ModelConfig(resolution=256, metadata=False))
    names = [n for n, _ in generator.named_parameters() if n.endswith("weight.original")]
    assert len(names) > 20
    for name in names:
        weight = generator.get_parameter(name)
        tolerance = 6 * 0.02 / (2 * weight.numel()) ** 0.5  # six standard errors
        assert float(weight.detach().std()) == pytest.approx(0.02, abs=tolerance), name


def test_an_image_does_not_depend_on_its_batch_mates() -> None:
    torch.manual_seed(0)
    generator = Generator(SMALL)
    for module in generator.modules():
        if type(module).__name__ == "NoiseInjection":
            nn.init.constant_(module.weight, 0.5)
    noise, metadata = torch.randn(5, 32), torch.randn(5, 512)
    generator(noise, metadata)  # batch norm has seen something
    generator.eval()
    with torch.no_grad():
        together = generator(noise, metadata).image
        alone = torch.cat(
            [generator(n[None], m[None]).image for n, m in zip(noise, metadata, strict=True)]
        )
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_metadata_is_added_to_the_noise() -> None:
    generator = Generator(SMALL)
    noise, metadata = torch.randn(2, 32), torch.randn(2, 512)
    latent = generator.latent(noise, metadata)
    weight = generator.embed_metadata.weight
    direction = metadata / metadata.norm(dim=1, keepdim=True)  # rms 1 is a length of sqrt(512)
    torch.testing.assert_close(latent, noise + direction @ weight.T)
    direct = Generator(ModelConfig(resolution=64, width=8, noise_dim=512, metadata_input="direct"))
    noise = torch.randn(2, 512)
    torch.testing.assert_close(direct.latent(noise, metadata), noise + metadata)


@pytest.mark.parametrize(
    ("config", "noise", "metadata", "named"),
    [
        (SMALL, (2, 31), (2, 512), "(batch, 32)"),
        (SMALL, (2, 32), None, "metadata: none"),
        (SMALL, (2, 32), (1, 512), "(2, 512)"),
        (
            ModelConfig(resolution=64, width=8, noise_dim=32, metadata=False),
            (2, 32),
            (2, 512),
            "without",
        ),
    ],
)
def test_wrong_shapes_are_named(config, noise, metadata, named) -> None:
    rows = None if metadata is None else torch.zeros(metadata)
    with pytest.raises(ValueError, match="this generator") as caught:
        Generator(config)(torch.zeros(noise), rows)
    assert named in str(caught.value)


def test_embedded_metadata_has_the_deviation_of_its_gain() -> None:
    torch.manual_seed(0)
    config = ModelConfig(resolution=64, width=8, metadata_gain=0.3)
    metadata = torch.randn(500, 512)
    embedded = Generator(config).embed_metadata(torch.cat([metadata, 7 * metadata])).detach()
    assert float(embedded.std()) == pytest.approx(0.3, abs=0.02)
    torch.testing.assert_close(embedded[:500], embedded[500:])  # the direction alone counts


def test_one_step_of_adam_cannot_let_the_metadata_drown_the_noise() -> None:
    # A plain linear layer would move by 2e-4 * sum|m|, about 0.08 of the noise's deviation a step.
    torch.manual_seed(0)
    generator = Generator(ModelConfig(resolution=64, width=8))
    metadata = torch.randn(8, 512)
    before = generator.embed_metadata(metadata).detach()
    optimizer = torch.optim.Adam(generator.embed_metadata.parameters(), 2e-4)
    generator.embed_metadata(metadata).sum().backward()
    optimizer.step()
    moved = (generator.embed_metadata(metadata).detach() - before).abs().max()
    assert 0 < float(moved) < 0.01


@torch.no_grad()
def test_attention_can_be_put_in_place_of_a_links_own() -> None:
    torch.manual_seed(0)
    config = ModelConfig(resolution=64, width=8, noise_dim=16, metadata=False)
    generator = Generator(config).eval()
    noise = torch.randn(2, 16)
    own = generator(noise, return_attention=True)
    same = generator(noise, attention=own.attention)
    torch.testing.assert_close(same.image, own.image)
    assert same.attention == {}

    one = torch.ones(1, 1, 1, 1)
    changed = generator(noise, attention={"8->32": one}, return_attention=True)
    assert changed.attention["8->32"].shape == (2, 1, 8, 8)
    assert (changed.attention["8->32"] == 1).all()
    torch.testing.assert_close(changed.gates["4->16"], own.gates["4->16"])  # an earlier link
    assert not torch.equal(changed.gates["8->32"], own.gates["8->32"])

    # With maps of ones, SLAE is SLE.
    plain = Generator(ModelConfig(resolution=64, width=8, noise_dim=16, metadata=False, skip="sle"))
    plain.load_state_dict(generator.state_dict(), strict=False)
    ones = dict.fromkeys(generator.links, one)
    torch.testing.assert_close(plain.eval()(noise).image, generator(noise, attention=ones).image)


@torch.no_grad()
def test_a_place_or_a_gate_that_is_nan_keeps_the_links_own() -> None:
    torch.manual_seed(0)
    generator = Generator(dataclasses.replace(SMALL, metadata=False)).eval()
    link = next(iter(generator.links))
    noise = torch.randn(2, generator.config.noise_dim)
    own = generator(noise, return_attention=True)
    place = torch.full((1, 1, 4, 4), torch.nan)
    place[..., 1, 2] = 1.0
    gate = torch.full_like(own.gates[link][:1], torch.nan)
    gate[:, 5] = 0.0
    given = {"attention": {link: place}, "gates": {link: gate}}
    steered = generator(noise, return_attention=True, **given)
    expected = own.attention[link].clone()
    expected[..., 1, 2] = 1.0
    assert torch.equal(steered.attention[link], expected)
    assert (steered.gates[link][:, 5] == 0).all()
    gates = generator(noise, return_attention=True, attention={link: place}).gates[link]
    others = [channel for channel in range(gate.shape[1]) if channel != 5]
    assert torch.equal(steered.gates[link][:, others], gates[:, others])
    with pytest.raises(ValueError, match="gates for the link '4->5': choose of"):
        generator(noise, gates={"4->5": gate})
    with pytest.raises(ValueError, match=r"has to be \(batch, \d+, 1, 1\)"):
        generator(noise, gates={link: gate[:, :3]})


@pytest.mark.parametrize(
    ("skip", "link", "shape", "named"),
    [
        ("slae", "4->64", (1, 1, 4, 4), "attention in 4->16, 8->32, 16->64"),
        ("sle", "4->16", (1, 1, 4, 4), "attention in no link"),
        ("slae", "8->32", (1, 1, 4, 4), r"has to be \(batch, 1, 8, 8\)"),
        ("slae", "8->32", (1, 2, 8, 8), r"has to be \(batch, 1, 8, 8\)"),
    ],
)
def test_attention_that_does_not_fit_is_named(skip, link, shape, named) -> None:
    config = ModelConfig(resolution=64, width=8, noise_dim=16, metadata=False, skip=skip)
    with pytest.raises(ValueError, match=named):
        Generator(config)(torch.zeros(2, 16), attention={link: torch.ones(shape)})


def test_a_linear_output_may_leave_the_range_of_tanh() -> None:
    torch.manual_seed(0)
    tanh = Generator(dataclasses.replace(SMALL, metadata=False))
    torch.manual_seed(0)
    linear = Generator(dataclasses.replace(SMALL, metadata=False, output="linear"))
    noise = torch.randn(4, 32)
    for bounded, free in zip(tanh(noise)[:2], linear(noise)[:2], strict=True):
        torch.testing.assert_close(bounded, torch.tanh(free))

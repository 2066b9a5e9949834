"""Films: they close into a loop, stop where they are told to, and play."""

import stat
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from slae_lib.config import ModelConfig
from slae_lib.course.stored import demo_run
from slae_lib.explorer.films import Film, frames_of, shoot
from slae_lib.explorer.latents import Latents
from slae_lib.explorer.reels import check_reel, write_reel
from slae_lib.explorer.search import given_stops
from slae_lib.explorer.walks import on_sphere, seeded_stops, walk
from slae_lib.generator import Generator
from slae_lib.support.errors import LabError, UsageError
from slae_lib.support.images import to_uint8
from slae_lib.training.checkpoint import save_generator
from slae_lib.training.sampling import GeneratedImages


@pytest.fixture(scope="module")
def samples() -> GeneratedImages:
    return GeneratedImages.from_file(demo_run() / "generator.safetensors", 1)


@pytest.fixture(scope="module")
def fastgan(tmp_path_factory: pytest.TempPathFactory) -> GeneratedImages:
    file = tmp_path_factory.mktemp("fastgan") / "generator.safetensors"
    config = ModelConfig(64, width=8, noise_dim=16, skip="sle", metadata=False)
    save_generator(file, Generator(config))
    return GeneratedImages.from_file(file, 1)


def test_the_middle_of_a_way_over_the_sphere_is_known() -> None:
    share = torch.tensor([[0.0], [0.5], [1.0]])
    found = on_sphere(torch.tensor([3.0, 0.0]), torch.tensor([0.0, 1.0]), share)
    expected = torch.tensor([[3.0, 0.0], [2**0.5, 2**0.5], [0.0, 1.0]])  # of length 2 half-way
    assert torch.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("factor", [2.0, -1.0])
def test_two_noises_on_one_line_are_joined_by_it(factor: float) -> None:
    first = torch.tensor([3.0, 4.0])
    found = on_sphere(first, factor * first, torch.tensor([[0.0], [0.25], [1.0]]))
    assert torch.allclose(found, torch.stack([first, (0.75 + factor / 4) * first, factor * first]))


def test_noise_on_the_way_is_as_long_as_noise(samples: GeneratedImages) -> None:
    stops = seeded_stops(samples, "noise", 3)
    lengths = walk(stops, 60).noise.norm(dim=1)
    assert lengths.min() > 0.99 * stops.noise.norm(dim=1).min()
    assert lengths.max() < 1.01 * stops.noise.norm(dim=1).max()


@pytest.mark.parametrize(("through", "frames"), [("noise", 12), ("metadata", 13)])
def test_a_film_stops_at_the_pictures_and_closes(
    samples: GeneratedImages, through: str, frames: int
) -> None:
    stops = seeded_stops(samples, through, 3)
    film = shoot(samples, walk(stops, frames), attention=True, progress=False)
    with torch.no_grad():
        pictures = to_uint8(samples.generator(stops.noise, stops.metadata).image)
    places = [round(stop * frames / 3) for stop in range(3)]
    differences = film.images[places].int() - pictures.int()
    assert int(differences.abs().max()) <= 1  # of rounding in another batch
    # The last frame is on its way back to the first.
    closing = (film.images[-1].float() - film.images[0].float()).abs().mean()
    apart = (pictures[-1].float() - pictures[0].float()).abs().mean()
    assert 0 < closing < 0.5 * apart
    assert float(film.steps[-1]) == pytest.approx(float(closing))


def test_a_jump_is_told_from_an_even_way() -> None:
    even = torch.arange(0, 40, 10, dtype=torch.uint8)[[0, 1, 2, 1]]
    jumping = torch.tensor([0, 0, 40, 40], dtype=torch.uint8)
    for levels, mean, most in ((even, "10.00", "10.00"), (jumping, "20.00", "40.00")):
        told = Film(levels[:, None, None, None].expand(-1, 3, 8, 8), {}).told()
        assert f"by {mean} of 255 on average and by {most} at most" in told


def test_stops_differ_in_what_is_walked_through_alone(samples: GeneratedImages) -> None:
    noise, metadata = (seeded_stops(samples, through, 5) for through in ("noise", "metadata"))
    assert noise.metadata is not None
    assert metadata.metadata is not None
    assert samples.bank is not None
    for same, other in ((noise.metadata, noise.noise), (metadata.noise, metadata.metadata)):
        assert len(same.unique(dim=0)) == 1
        assert len(other.unique(dim=0)) == 5
    rows = [samples.bank.names.index(name) for name in metadata.names]
    assert torch.equal(metadata.metadata, samples.bank.rows(rows))


def test_maps_stand_beside_the_picture_and_nothing_else_moves(samples: GeneratedImages) -> None:
    film = shoot(samples, walk(seeded_stops(samples, "metadata", 2), 4), True, progress=False)
    first, _, third, _ = (torch.from_numpy(np.array(frame)) for frame in frames_of(film))
    assert (first.shape[1] % 2, first.shape[0]) == (0, 272)
    moved = (first != third).any(dim=2)
    columns, rows = moved.any(dim=0).nonzero(), moved.any(dim=1).nonzero()
    assert (int(rows.min()), int(rows.max())) >= (8, 263)  # a margin of 8 px all around
    assert int(columns.min()) >= 8
    assert int(columns.max()) < 8 + 256 + 8 + 80  # right of it stand the names and the scales
    maps = film.attention["4->16"]
    with torch.no_grad():
        made = samples.generator(
            *seeded_stops(samples, "metadata", 2).inputs(torch.tensor([0])), return_attention=True
        )
    assert torch.allclose(maps[0], made.attention["4->16"][0, 0], atol=1e-5)


def test_a_generator_without_attention_has_its_pictures_alone(fastgan: GeneratedImages) -> None:
    film = shoot(fastgan, walk(seeded_stops(fastgan, "noise", 2), 3), True, progress=False)
    assert film.attention == {}
    assert {frame.size for frame in frames_of(film)} == {(256, 256)}
    with pytest.raises(UsageError, match="takes no metadata; walk --through noise"):
        seeded_stops(fastgan, "metadata", 2)


def test_what_cannot_be_walked_is_one_sentence(samples: GeneratedImages) -> None:
    with pytest.raises(UsageError, match="3 frames are too few for 4 stops; take --frames 4"):
        walk(seeded_stops(samples, "noise", 4), 3)
    with pytest.raises(UsageError, match="93 training pictures to stop at and not 94"):
        seeded_stops(samples, "metadata", 94)


def colours(count: int, size: tuple[int, int]) -> list[Image.Image]:
    return [Image.new("RGB", size, (17 * place, 90, 255 - 17 * place)) for place in range(count)]


@pytest.mark.parametrize("name", ["film.gif", "film.WEBP"])
def test_a_film_plays_as_long_as_asked_and_repeats(tmp_path: Path, name: str) -> None:
    frames = colours(7, (31, 20))
    write_reel(tmp_path / name, iter(frames), 7, 0.5)
    with Image.open(tmp_path / name) as film:
        assert film.info["loop"] == 0  # without end
        played = [(frame.convert("RGB"), frame.info["duration"]) for frame in
                  ImageSequence.Iterator(film)]  # fmt: skip
    assert sum(duration for _, duration in played) == 500
    for (shown, _), frame in zip(played, frames, strict=True):
        found, wanted = shown.getpixel((5, 5)), frame.getpixel((5, 5))
        assert max(abs(one - other) for one, other in zip(found, wanted, strict=True)) < 9


STAND_IN = """#!{python}
import pathlib, sys
pathlib.Path(sys.argv[-1]).write_bytes(sys.stdin.buffer.read())
pathlib.Path({said!r}).write_text(" ".join(sys.argv))
"""


def put_ffmpeg(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "ffmpeg"
    program.write_text(text, encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for ffmpeg is a script")
@pytest.mark.parametrize("size", [(32, 20), (31, 21)])
def test_ffmpeg_gets_every_frame_and_makes_odd_sides_even(
    tmp_path: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "said"
    stand_in = STAND_IN.format(python=sys.executable, said=str(said))
    put_ffmpeg(tmp_path, stand_in, monkeypatch)
    frames = colours(5, size)
    check_reel(tmp_path / "film.mp4", 5, 0.5)
    write_reel(tmp_path / "film.mp4", iter(frames), 5, 0.5)
    written = (tmp_path / "film.mp4").read_bytes()
    assert written == b"".join(frame.tobytes() for frame in frames)
    words = said.read_text()
    assert f"-s {size[0]}x{size[1]} -r 10.000000" in words
    assert "pad=ceil(iw/2)*2:ceil(ih/2)*2" in words


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for ffmpeg is a script")
def test_an_ffmpeg_that_fails_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_ffmpeg(tmp_path, "#!/bin/sh\necho 'Unknown encoder' >&2\nexit 3\n", monkeypatch)
    film = tmp_path / "film.mp4"
    with pytest.raises(LabError, match=r"film\.mp4 \(Unknown encoder\); write .*film\.webp"):
        write_reel(film, iter(colours(400, (64, 64))), 400, 20)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ffmpeg"]


def test_a_film_that_cannot_be_written_is_refused_before_it_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match=r"needs the program ffmpeg, .* or write .*a\.webp"):
        check_reel(tmp_path / "a.mp4", 2, 1)
    with pytest.raises(UsageError, match=r"\.webp, \.gif, \.mp4"):
        check_reel(tmp_path / "a.avi", 2, 1)
    for seconds in (1.9, float("nan")):
        with pytest.raises(UsageError, match="more than the 50 a second"):
            check_reel(tmp_path / "a.gif", 100, seconds)


def test_stored_latents_are_stops(samples: GeneratedImages, tmp_path: Path) -> None:
    stops = seeded_stops(samples, "metadata", 3)
    stops.save(tmp_path / "stops.safetensors", samples)
    files = [tmp_path / "stops.safetensors"]
    found = given_stops(samples, files, "l1", 1, 1)
    assert found.names == stops.names
    assert torch.equal(found.noise, stops.noise)
    assert found.metadata is not None
    assert stops.metadata is not None
    assert torch.equal(found.metadata, stops.metadata)


def test_a_picture_and_a_latent_are_stops_in_their_order(
    samples: GeneratedImages, tmp_path: Path
) -> None:
    latent = seeded_stops(samples, "noise", 1)
    latent.save(tmp_path / "a.safetensors", samples)
    Image.new("RGB", (64, 64), "gold").save(tmp_path / "gold.png")
    files = [tmp_path / name for name in ("gold.png", "a.safetensors", "gold.png")]
    found = given_stops(samples, files, "l1", 2, 1)
    assert found.names == ("gold.png", "image 0", "gold.png")
    assert torch.equal(found.noise[1:2], latent.noise)
    assert torch.equal(found.noise[0], found.noise[2])


def test_files_that_are_no_stops_are_one_sentence(
    samples: GeneratedImages, fastgan: GeneratedImages, tmp_path: Path
) -> None:
    def refused(problem: type[LabError], words: str, *names: str) -> None:
        with pytest.raises(problem, match=words) as caught:
            given_stops(samples, [tmp_path / name for name in names], "l1", 1, 1)
        assert type(caught.value) is problem

    Image.new("RGB", (64, 64), "gold").save(tmp_path / "gold.png")
    (tmp_path / "text.png").write_text("no picture")
    refused(UsageError, "alone leads nowhere; give two files", "gold.png")
    refused(UsageError, "nothing.png does not exist", "gold.png", "nothing.png")
    refused(LabError, "text.png cannot be used: it is no JPEG", "gold.png", "text.png")
    refused(LabError, "a.safetensors does not exist; make it again", "a.safetensors", "gold.png")

    seeded_stops(fastgan, "noise", 2).save(tmp_path / "b.safetensors", fastgan)
    refused(LabError, "16 numbers of noise and this generator takes 32 .* 512", "b.safetensors")
    seeded_stops(samples, "noise", 2).save(tmp_path / "c.safetensors", samples)
    data = bytearray((tmp_path / "c.safetensors").read_bytes())
    data[-3] ^= 1
    (tmp_path / "c.safetensors").write_bytes(data)
    refused(LabError, "c.safetensors is damaged .* `slae invert`", "c.safetensors")


def test_a_latent_of_another_generator_warns(samples: GeneratedImages, tmp_path: Path) -> None:
    other = Generator(samples.config).eval()
    found = GeneratedImages(other, samples.bank, 1)
    seeded_stops(found, "noise", 2).save(tmp_path / "other.safetensors", found)
    with pytest.warns(UserWarning, match="was found for another generator"):
        Latents.load(tmp_path / "other.safetensors", samples)

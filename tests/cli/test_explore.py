"""`slae interpolate` and `slae invert` as their users type them, but in this process."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from slae_lib.cli import main
from slae_lib.course.stored import demo_run
from slae_lib.support.files import stored_file

SHORT = ["--distance", "l1", "--steps", "2", "--restarts", "1"]


def slae(*words: object) -> Result:
    return CliRunner().invoke(main, list(map(str, words)))


def refused(result: Result, code: int, *parts: str) -> None:
    assert (result.exit_code, type(result.exception)) == (code, SystemExit)
    problem = result.output.splitlines()[-1]
    assert problem.startswith("Error: ")
    for part in parts:
        assert part in problem


def face(name: str) -> Path:
    folder = stored_file("fluent_faces")
    assert folder is not None
    return folder / name


@pytest.mark.parametrize(
    ("through", "size"), [("noise", (430, 272)), ("metadata", (430, 272)), (None, (256, 256))]
)
def test_interpolate_makes_a_film(tmp_path: Path, through: str | None, size: object) -> None:
    how = ["--through", through] if through else ["--no-attention"]
    film = tmp_path / "film.gif"
    result = slae("interpolate", "--run", demo_run(), "--out", film, "--frames", 6, *how)
    assert result.exit_code == 0, result.output
    with Image.open(film) as made:
        assert (made.n_frames, made.size) == (6, size)
    assert f"{film}: 6 frames through " in result.output


def test_what_invert_finds_is_a_stop_of_a_film(tmp_path: Path) -> None:
    found = tmp_path / "found"
    result = slae("invert", face("1f600.webp"), "--run", demo_run(), "--out", found, *SHORT)
    assert result.exit_code == 0, result.output
    for words in ("1f600.webp, a training picture", "L1 distance", "nearest other picture"):
        assert words in result.output
    names = {"latent.safetensors", "inverted.png", "changed.png"}
    assert {path.name for path in found.iterdir()} == names
    film = tmp_path / "film.webp"
    stops = ["--through", found / "latent.safetensors", face("1f920.webp")]
    words = ["interpolate", "--run", demo_run(), "--out", film, "--frames", 4]
    result = slae(*words, *stops, *SHORT)
    assert result.exit_code == 0, result.output
    assert "4 frames through 1f600.webp, 1f920.webp, and back" in result.output
    refused(slae(*words, *stops[:2], *SHORT), 2, "alone leads nowhere")


def test_what_cannot_be_done_is_one_sentence(tmp_path: Path) -> None:
    run, film = ["--run", demo_run()], tmp_path / "film.webp"
    refused(slae("interpolate", *run, "--out", tmp_path / "film.xyz"), 2, "unknown kind")
    refused(slae("interpolate", *run, "--out", film, "--stops", 10**12), 2, "too few for 1000000")
    refused(slae("interpolate", *run, "--out", film, "--through", "a.png"), 2, "a.png alone")
    refused(slae("interpolate", *run, "--out", film, "--frames", 301), 2, "more than the 50 a")
    refused(slae("interpolate", "--run", tmp_path, "--out", film), 1, "does not exist")
    refused(slae("invert", tmp_path / "a.png", *run, "--out", tmp_path / "x"), 2, "does not exist")
    refused(slae("invert", tmp_path, *run, "--out", tmp_path / "x"), 1, "not a regular file")
    assert list(tmp_path.iterdir()) == []

"""Figures of the tour: pictures that move from face to face, and what a stored run drew."""

import io

import torch
from PIL import Image

from slae_lib.course.figures.lesson_00 import (
    STOPS,
    course_of_a_run,
    growing_figure,
    looks_figure,
    walk,
)
from slae_lib.course.figures.moving import TIMES, Moving
from slae_lib.course.stored import demo_run
from slae_lib.datasets.bank import MetadataBank
from slae_lib.support.images import to_uint8
from slae_lib.training.checkpoint import load_generator
from slae_lib.training.sampling import GeneratedImages


def test_moving_pictures_play_in_their_order_and_then_stand_still() -> None:
    shades = torch.tensor([0, 90, 180]).to(torch.uint8)
    png, width = Moving(shades.view(3, 1, 1, 1).expand(3, 3, 16, 16), width=48).png()
    assert width == 48
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.n_frames == 3  # type: ignore[attr-defined]
        assert picture.info["loop"] == TIMES
        found = []
        for place in range(3):
            picture.seek(place)
            found.append(picture.convert("RGB").getpixel((8, 8)))
            assert picture.size == (16, 16)
    assert found == [(0, 0, 0), (90, 90, 90), (180, 180, 180)]


def test_a_walk_passes_its_stops_and_moves_for_five_seconds_at_most() -> None:
    film = walk(demo_run(), steps=4, seed=3)
    assert film.frames.shape == (4 * len(STOPS), 3, 64, 64)
    file = demo_run() / "generator.safetensors"
    images = GeneratedImages.from_file(file, len(STOPS), seed=3)
    noise, _ = images.inputs(range(len(STOPS)))
    bank = MetadataBank.load(demo_run() / "metadata.safetensors")
    rows = bank.rows([bank.names.index(f"{code}.webp") for code in STOPS])
    wanted = to_uint8(load_generator(file)(noise, rows).image)
    assert (film.frames[::4].int() - wanted.int()).abs().max() <= 1
    with Image.open(io.BytesIO(film.png()[0])) as picture:
        assert TIMES * picture.n_frames * picture.info["duration"] <= 5_000  # type: ignore[attr-defined]


def test_a_run_is_drawn_over_time() -> None:
    figure = growing_figure(demo_run())
    assert [axis.get_title() for axis in figure.axes[:5]] == [
        "200",
        "600",
        "1,200",
        "1,600",
        "2,000",
    ]
    assert len(figure.axes) == 10
    titles = [axis.get_title() for axis in course_of_a_run(demo_run()).axes]
    assert titles[0] == "Losses"


def test_every_link_of_a_run_is_drawn_below_its_images() -> None:
    bank = MetadataBank.load(demo_run() / "metadata.safetensors")
    figure = looks_figure(demo_run(), torch.zeros(2, 32), bank.rows([0, 1]))
    labels = [axis.get_ylabel() for axis in figure.axes]
    assert sum(label.startswith("link") for label in labels) == 3

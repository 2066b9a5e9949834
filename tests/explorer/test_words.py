"""Facts in words: where, how much, what has changed."""

import pytest
import torch

from slae_lib.explorer.scene import Scene, View
from slae_lib.explorer.words import (
    highest_place,
    picture_label,
    place,
    view_alt,
    view_facts,
)


def scene(**changes: torch.Tensor | bool | None) -> Scene:
    attention = torch.full((4, 4), 0.25)
    attention[0, 3] = 0.75
    parts = {
        "image": torch.zeros(3, 8, 8, dtype=torch.uint8),
        "gates": torch.tensor([0.4, 0.6, 0.7]),
        "plain_image": torch.zeros(3, 8, 8, dtype=torch.uint8),
        "plain_gates": torch.tensor([0.4, 0.4, 0.7]),
        "attention": attention,
        "sle": True,
    }
    return Scene(**{**parts, **changes})


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        (0, 0, "upper left"),
        (0, 8, "upper right"),
        (4, 4, "middle"),
        (4, 0, "left"),
        (8, 4, "lower middle"),
        (3, 2, "left"),
        (2, 3, "upper middle"),
    ],
)
def test_a_place_is_named_by_thirds(row: int, column: int, words: str) -> None:
    assert place(row, column, 9, 9) == words


def test_a_map_of_four_has_a_middle_of_two() -> None:
    names = [place(row, row, 4, 4) for row in range(4)]
    assert names == ["upper left", "middle", "middle", "lower right"]


def test_the_highest_place_is_found() -> None:
    values = torch.zeros(16, 16)
    values[15, 1] = 1
    assert highest_place(values) == "lower left"


def test_an_emoji_is_called_by_its_name() -> None:
    assert picture_label("1f60e.webp") == "1f60e smiling face with sunglasses"
    assert picture_label("cats/IMG_0001.jpg") == "cats/IMG_0001.jpg"


def test_facts_of_a_plain_view() -> None:
    view = View("finished", seed=7, picture="1f60e.webp", link="4->16")
    assert view_facts(view, scene(), metadata=True) == [
        "Generator: finished. Noise of seed 7; metadata of 1f60e smiling face with sunglasses.",
        "Link 4 → 16: its 4x4 attention map reaches from 0.250 to 0.750 and is highest at the "
        "upper right (row 1, column 4).",
        "Gates: 2 of 3 channels are open above 0.5.",
        "Nothing is changed: this is the plain image.",
    ]


def test_facts_of_a_changed_and_mixed_view() -> None:
    image = torch.zeros(3, 8, 8, dtype=torch.uint8)
    image[:, 7, 0] = 64  # 1 of 64 pixels by 64: 1 on average
    view = View(
        "iteration 2", 1, 2, 0.3, "1f60e.webp", None, 0.5, "4->16", attention="ones"
    )  # fmt: skip
    facts = view_facts(view, scene(image=image, attention=torch.ones(4, 4)), metadata=True)
    assert "seed 1, mixed with 30% of seed 2" in facts[0]
    assert "mixed with 50% of no picture (zeros)" in facts[0]
    assert facts[1] == "Link 4 → 16: its 4x4 attention map is 1.00 everywhere."
    assert facts[3] == (
        "Changed: the link's attention is set to 1 everywhere, so that the link is a plain SLE. "
        "Compared with the plain image, colours differ by 1.0 of 255 on average, most at the "
        "lower left; 1 gate is opened."
    )


def test_facts_of_a_link_without_attention() -> None:
    view = View("finished", link="4->16")
    plain = scene(attention=None)
    facts = view_facts(view, plain, metadata=False)
    assert "takes no metadata" in facts[0]
    assert facts[1].startswith("Link 4 → 16 is a plain SLE: it has no attention")
    assert "attention map of" not in view_alt(view, plain, facts)


def test_a_link_of_another_kind_is_not_called_an_sle() -> None:
    view = View("finished", link="4->16")
    facts = view_facts(view, scene(attention=None, sle=False), metadata=False)
    assert facts[1] == "Link 4 → 16 has no attention, and its gates alone are shown."
    view = View("finished", link="4->16", attention="ones")
    facts = view_facts(view, scene(attention=torch.ones(4, 4), sle=False), metadata=False)
    assert facts[3].startswith("Changed: the link's attention is set to 1 everywhere. ")


def test_the_alternative_text_names_the_panels_and_the_facts() -> None:
    view = View("finished", link="4->16", attention="mean")
    facts = view_facts(view, scene(), metadata=True)
    alt = view_alt(view, scene(), facts)
    assert alt.startswith("From left to right: the generated image, the attention map of link 4")
    assert "the plain image with the difference below" in alt
    assert all(fact in alt for fact in facts)


def test_what_is_painted_and_set_by_hand_is_told() -> None:
    painted = {"4->16": [1.0] * 16, "8->32": [None] * 63 + [0.0]}
    view = View("finished", link="4->16", painted=painted, gates={"4->16": {"0": 1.0, "2": 0.0}})
    changed = view_facts(view, scene(), metadata=True)[3]
    assert changed == (
        "Changed: the attention of link 4 → 16 is painted; the attention of link 8 → 32 is "
        "painted; 2 gates of link 4 → 16 set. The image stays the same as the plain one."
    )

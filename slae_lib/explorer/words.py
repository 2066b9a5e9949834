"""The same facts for everyone: what a picture of the explorer shows, in sentences."""

import re
import unicodedata
from collections.abc import Sequence

from torch import Tensor

from slae_lib.explorer.scene import Scene, View
from slae_lib.support.language import said

FLAT = 5e-4  # maps with a smaller range are the same everywhere, as far as anybody can see
_PLACES = (
    ("upper left", "upper middle", "upper right"),
    ("left", "middle", "right"),
    ("lower left", "lower middle", "lower right"),
)
_CHANGES = {
    "ones": "set to 1 everywhere",
    "zeros": "set to 0 everywhere",
    "mean": "set to its mean everywhere",
    "shuffled": "shuffled, the same numbers in other places",
}
_CODE_POINT = re.compile(r"[0-9a-f]{4,6}(-[0-9a-f]{4,6})*")


def place(row: int, column: int, height: int, width: int) -> str:
    """Say where a position of a map lies, such as ``"upper left"``, by thirds of the map."""
    return _PLACES[(2 * row + 1) * 3 // (2 * height)][(2 * column + 1) * 3 // (2 * width)]


def highest_place(values: Tensor) -> str:
    """Say where a map (h, w) is highest, such as ``"upper left"``."""
    row, column = divmod(int(values.argmax()), values.shape[1])
    return place(row, column, *values.shape)


def picture_label(name: str) -> str:
    """Return a picture's name; for an emoji's code points without suffix, with Unicode's name."""
    code = name.partition(".")[0]
    if not _CODE_POINT.fullmatch(code):
        return name
    called = unicodedata.name(chr(int(code.split("-")[0], 16)), "")
    return f"{code} {called.lower()}".rstrip()


def link_label(link: str) -> str:
    """Return a link's name as it is read: ``8 → 32``."""
    return link.replace("->", " → ")


def listed(parts: Sequence[str]) -> str:
    """Return two parts of a sentence or more as ``a, b and c``."""
    return said(", ").join(map(said, parts[:-1])) + said(" and ") + said(parts[-1])


def view_facts(view: View, scene: Scene, *, metadata: bool) -> list[str]:
    """Return what a view shows, one sentence each: input, map, gates, what is changed.

    Args:
        view: what was asked for.
        scene: what came out.
        metadata: whether the generator takes metadata.
    """
    facts = [
        _input(view, metadata),
        _attention(view, scene),
        _gates(scene.gates),
        _change(view, scene),
    ]
    return list(map(said, facts))


def view_alt(view: View, scene: Scene, facts: Sequence[str]) -> str:
    """Return the alternative text of a view's picture: what is where, and its facts."""
    panels = ["the generated image"]
    if scene.attention is not None:
        panels.append(f"the attention map of link {link_label(view.link)} over it")
    if view.changes:
        panels.append("the plain image with the difference below")
    panels.append("the link's gates as sorted bars")
    return f"{said(f'From left to right: {listed(panels)}.')} {' '.join(facts)}"


def _input(view: View, metadata: bool) -> str:
    text = f"Generator: {view.checkpoint}. Noise of seed {view.seed}"
    if view.mix:
        text += f", mixed with {view.mix:.0%} of seed {view.second_seed}"
    if not metadata:
        return f"{text}; this generator takes no metadata."
    text += f"; metadata of {_picture(view.picture)}"
    if view.picture_mix:
        text += f", mixed with {view.picture_mix:.0%} of {_picture(view.second_picture)}"
    return f"{text}."


def _picture(name: str | None) -> str:
    return "no picture (zeros)" if name is None else picture_label(name)


def _attention(view: View, scene: Scene) -> str:
    link = f"Link {link_label(view.link)}"
    if scene.attention is None:
        what = "is a plain SLE: it has" if scene.sle else "has"
        return f"{link} {what} no attention, and its gates alone are shown."
    height, width = scene.attention.shape
    low, high = float(scene.attention.min()), float(scene.attention.max())
    if high - low < FLAT:
        return f"{link}: its {height}x{width} attention map is {high:.2f} everywhere."
    text = f"{link}: its {height}x{width} attention map reaches from {low:.3f} to {high:.3f}"
    as_high = int((scene.attention > high - FLAT).sum())
    if as_high > 1:
        return f"{text}; {as_high} of its {height * width} places are as high as the highest."
    row, column = divmod(int(scene.attention.argmax()), width)
    where = f"{highest_place(scene.attention)} (row {row + 1}, column {column + 1})"
    return f"{text} and is highest at the {where}."


def _gates(gates: Tensor) -> str:
    return f"Gates: {int((gates > 0.5).sum())} of {len(gates)} channels are open above 0.5."


def _change(view: View, scene: Scene) -> str:
    if not view.changes:
        return "Nothing is changed: this is the plain image."
    difference = (scene.image.float() - scene.plain_image.float()).abs().mean(0)  # (R, R)
    hows = [f"the attention of link {link_label(link)} is painted" for link in view.painted]
    hows += [
        f"{len(gates)} {'gate' if len(gates) == 1 else 'gates'} of link {link_label(link)} set"
        for link, gates in view.gates.items()
    ]
    if view.attention != "own":
        hows.append(f"the link's attention is {_CHANGES[view.attention]}")
        if view.attention == "ones" and scene.sle:
            hows[-1] += ", so that the link is a plain SLE"
    text = f"Changed: {'; '.join(hows)}. "
    if not float(difference.max()):
        return f"{text}The image stays the same as the plain one."
    gates = int((scene.gates > 0.5).sum()) - int((scene.plain_gates > 0.5).sum())
    moved = "as many gates are open"
    if gates:
        noun = "gate is" if abs(gates) == 1 else "gates are"
        moved = f"{abs(gates)} {noun} {'opened' if gates > 0 else 'closed'}"
    return (
        f"{text}Compared with the plain image, colours differ by {float(difference.mean()):.1f} of "
        f"255 on average, most at the {highest_place(difference)}; {moved}."
    )

"""What an explorer shows, computed: from the wishes of a `View` to the tensors of a `Scene`."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from slae_lib.attention import LINKS, SkipLayerExcitation
from slae_lib.datasets.bank import MetadataBank, Scale
from slae_lib.explorer.source import Source, memory_in_words
from slae_lib.generator import Generator, GeneratorOutput
from slae_lib.support.errors import UsageError
from slae_lib.support.images import to_uint8

Attention = Literal["own", "ones", "mean", "shuffled", "painted"]
Painting = str

MOST_SEED = 2**31 - 1
PAINTED_SIDE = 8
"""Rows and columns of a painting at most; on a larger map each of its squares covers several."""


@dataclass(frozen=True)
class View:
    """Everything that can be chosen in the attention explorer.

    Attributes:
        checkpoint: a label of `Source.files`.
        seed: of the noise.
        second_seed: of the noise that is mixed in.
        mix: share of the second noise, 0 to 1.
        picture: the training picture that gives the metadata; None for zeros.
        second_picture: the picture whose metadata is mixed in; None for zeros.
        picture_mix: share of the second metadata, 0 to 1.
        link: name of a skip link, such as ``"8->32"``.
        attention: what the link gets in place of its own map: nothing, ones, the map's mean, the
            map with its places shuffled, or a painting.
        colors: name of a matplotlib colour map for the attention.
        overlay: strength of the attention over the image, 0 to 1.
        painting: rows of squares that are open (1) or closed (0), such as
            ``"0000 0110 0110 0000"``; where the link's own map is high when not given.
    """

    checkpoint: str
    seed: int = 0
    second_seed: int = 1
    mix: float = 0.0
    picture: str | None = None
    second_picture: str | None = None
    picture_mix: float = 0.0
    link: str = ""
    attention: Attention = "own"
    colors: str = "magma"
    overlay: float = 0.6
    painting: Painting = ""


@dataclass(frozen=True, eq=False)
class Scene:
    """What a `View` shows.

    Attributes:
        image: uint8 (3, R, R), with the link's attention as the view wants it.
        gates: (C,) in (0, 1), of the link, the same.
        attention: (h, w) in [0, 1], the map that was used; None for a link without attention.
        plain_image: uint8 (3, R, R), with the link's own attention.
        plain_gates: (C,), the same.
        own_attention: (h, w) in (0, 1), the link's own map.
        sle: whether the link is an SLE where its attention is 1 or where it has none.
    """

    image: Tensor
    gates: Tensor
    attention: Tensor | None
    plain_image: Tensor
    plain_gates: Tensor
    own_attention: Tensor | None
    sle: bool


def first_view(source: Source) -> View:
    """Return the view to begin with: the run's best generator, its middle link."""
    checkpoint = next(iter(source.files))
    links = list(source.generator(checkpoint).links)
    names = [] if source.bank is None else list(source.bank.names)
    return View(
        checkpoint,
        picture=names[0] if names else None,
        second_picture=names[-1] if names else None,
        link=links[1],
    )


def fitting(view: View, source: Source) -> View:
    """Return ``view`` with what ``source`` does not have replaced by what it has.

    Raises:
        UsageError: for a setting that no run has, or a picture that this bank does not have.
    """
    for name in ("mix", "picture_mix", "overlay"):
        if not 0 <= getattr(view, name) <= 1:
            raise UsageError(f"{name} is {getattr(view, name)}; it has to lie between 0 and 1.")
    if view.attention not in get_args(Attention):
        known = ", ".join(get_args(Attention))
        raise UsageError(f"There is no attention {view.attention!r}; choose one of {known}.")
    rows = view.painting.split()
    if set(view.painting) - set("01 ") or any(len(row) != len(rows) for row in rows):
        raise UsageError(
            f"{view.painting!r} is no painting; it has to be a square of 0 and 1 in rows, such as "
            "'0000 0110 0110 0000'."
        )
    names = () if source.bank is None else source.bank.names
    for picture in (view.picture, view.second_picture):
        if picture is not None and picture not in names:
            raise UsageError(f"There is no training picture {picture!r}; choose one by its name.")
    changes: dict[str, Any] = {}
    if view.checkpoint not in source.files:
        changes["checkpoint"] = next(iter(source.files))
    generator = source.generator(changes.get("checkpoint", view.checkpoint))
    if view.link not in generator.links:
        changes["link"] = list(generator.links)[1]
    if not generator.config.has_attention:
        changes["attention"] = "own"
    painted = changes.get("attention", view.attention) == "painted"
    if rows and not (painted and side_of(changes.get("link", view.link)) % len(rows) == 0):
        changes["painting"] = ""
    return dataclasses.replace(view, **changes)


def side_of(link: str) -> int:
    """Return rows and columns of the map that a link such as ``"8->32"`` attends to."""
    return int(link.split("->")[0])


def make_scene(view: View, source: Source) -> Scene:
    """Compute what ``view`` shows.

    Raises:
        LabError: if the generator cannot be read or the memory does not suffice.
    """
    generator = source.generator(view.checkpoint)
    noise = noise_of(view, generator)
    metadata = None
    if generator.config.metadata:
        metadata = metadata_of(view, source.bank, source.scale, generator.config.metadata_dim)
    with memory_in_words(f"an image of {generator.config.resolution} px"):
        output = plain = generator(noise, metadata, return_attention=True)
        if view.link in plain.attention and view.attention != "own":
            given = {view.link: replaced(plain.attention[view.link], view)}
            output = generator(noise, metadata, return_attention=True, attention=given)
    sle = LINKS[generator.config.skip].gate is SkipLayerExcitation.gate
    return Scene(*_seen(output, view.link), *_seen(plain, view.link), sle)


def _seen(output: GeneratorOutput, link: str) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return of the one image itself, and its link's gates and map."""
    attention_map = output.attention.get(link)
    map_ = None if attention_map is None else attention_map[0, 0]
    return to_uint8(output.image)[0], output.gates[link].flatten(), map_


def noise_of(view: View, generator: Generator) -> Tensor:
    """Return the noise of a view: (1, noise_dim).

    Two noises are mixed so that every number of the mix has deviation 1 again: a plain weighted
    mean would lie closer to zero than any noise that the generator has learned with.
    """
    first = seeded_noise(view.seed, generator)
    if view.mix == 0:
        return first
    second = seeded_noise(view.second_seed, generator)
    mixed = (1 - view.mix) * first + view.mix * second
    return mixed / ((1 - view.mix) ** 2 + view.mix**2) ** 0.5


def seeded_noise(seed: int, generator: Generator, count: int = 1) -> Tensor:
    """Return the noise of a seed: (count, noise_dim)."""
    source = torch.Generator().manual_seed(seed)
    return torch.randn(count, generator.config.noise_dim, generator=source)


def metadata_of(view: View, bank: MetadataBank | None, scale: Scale, channels: int) -> Tensor:
    """Return the metadata of a view, as the generator takes it: (1, channels)."""
    first = picture_metadata(view.picture, bank, scale, channels)
    if view.picture_mix == 0:
        return first
    second = picture_metadata(view.second_picture, bank, scale, channels)
    return (1 - view.picture_mix) * first + view.picture_mix * second


def picture_metadata(
    picture: str | None, bank: MetadataBank | None, scale: Scale, channels: int
) -> Tensor:
    """Return the metadata of a training picture, or zeros for none: (1, channels)."""
    if bank is None or picture is None:
        return torch.zeros(1, channels)
    return bank.rows([bank.names.index(picture)], scale)


def replaced(own: Tensor, view: View) -> Tensor:
    """Return the map that the view wants in place of a link's ``own`` (1, 1, h, w)."""
    if view.attention == "ones":
        return torch.ones_like(own)
    if view.attention == "mean":
        return own.mean().expand_as(own)
    if view.attention == "shuffled":
        order = torch.randperm(own.numel(), generator=torch.Generator().manual_seed(0))
        return own.flatten()[order].view_as(own)
    rows = (view.painting or painting_of(own[0, 0])).split()
    painting = torch.tensor([[float(cell) for cell in row] for row in rows])
    return F.interpolate(painting[None, None], own.shape[2:])  # each square several places


def painting_of(attention: Tensor) -> Painting:
    """Return the painting that is open where a map (h, w) is above its mean."""
    side = min(PAINTED_SIDE, attention.shape[-1])
    coarse = F.adaptive_avg_pool2d(attention[None, None], side)
    return in_rows((coarse > coarse.mean()).flatten().tolist(), side)


def in_rows(cells: Sequence[bool], side: int) -> Painting:
    """Return cells, row after row, as a painting of ``side`` columns."""
    rows = [cells[start : start + side] for start in range(0, len(cells), side)]
    return " ".join("".join("01"[cell] for cell in row) for row in rows)

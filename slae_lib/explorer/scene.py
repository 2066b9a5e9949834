"""What the stage shows, computed: from the wishes of a `View` to tensors before and after."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from slae_lib.attention import LINKS, SkipLayerExcitation
from slae_lib.datasets.bank import MetadataBank, Scale
from slae_lib.explorer.onnx import Steered
from slae_lib.explorer.source import Source, memory_in_words
from slae_lib.generator import Generator
from slae_lib.support.errors import UsageError
from slae_lib.support.images import to_uint8

Attention = Literal["own", "ones", "zeros", "mean", "shuffled"]
Painting = Sequence[float | None]

MOST_SEED = 2**31 - 1


@dataclass(frozen=True)
class View:
    """Everything that can be chosen on the stage.

    Attributes:
        checkpoint: a label of `Source.files`.
        seed: of the noise.
        second_seed: of the noise that is mixed in.
        mix: share of the second noise, 0 to 1.
        picture: the training picture that gives the metadata; None for zeros.
        second_picture: the picture whose metadata is mixed in; None for zeros.
        picture_mix: share of the second metadata, 0 to 1.
        link: name of the skip link that is looked at, such as ``"8->32"``.
        attention: what this link gets in place of its own map: nothing, ones, zeros, the map's
            mean, or the map with its places shuffled.
        painted: link to its h * w places, row after row: a number from 0 to 1, or None, which
            leaves the link's own.
        gates: link to channel, counted from "0", to a number from 0 to 1 in place of its gate.
    """

    checkpoint: str = ""
    seed: int = 0
    second_seed: int = 1
    mix: float = 0.0
    picture: str | None = None
    second_picture: str | None = None
    picture_mix: float = 0.0
    link: str = ""
    attention: Attention = "own"
    painted: Mapping[str, Painting] = field(default_factory=dict)
    gates: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def changes(self) -> bool:
        """Whether anything differs from what the generator does by itself."""
        return bool(self.attention != "own" or self.painted or self.gates)


@dataclass(frozen=True, eq=False)
class Scene:
    """What a `View` shows.

    Attributes:
        image: uint8 (3, R, R), with attention and gates as the view wants them.
        gates: (C,) in [0, 1], of the link, the same.
        attention: (h, w) in [0, 1], the map that was used; None for a link without attention.
        plain_image: uint8 (3, R, R), as the generator makes it by itself.
        plain_gates: (C,), the same.
        sle: whether the link is an SLE where its attention is 1 or where it has none.
    """

    image: Tensor
    gates: Tensor
    attention: Tensor | None
    plain_image: Tensor
    plain_gates: Tensor
    sle: bool


def first_view(source: Source) -> View:
    """Return the view to begin with: the run's best generator and two pictures.

    The first picture is the most usual one, whose metadata are nearest to the mean: what is
    unusual is what a short training draws worst.
    """
    checkpoint = next(iter(source.files))
    links = list(source.generator(checkpoint).links)
    pair: tuple[str | None, str | None] = (None, None)
    if source.bank is not None:
        usual = int(source.bank.rows(scale="standardised").norm(dim=1).argmin())
        pair = (source.bank.names[usual], source.bank.names[-1])
    return View(checkpoint, 0, 1, 0.0, pair[0], pair[1], link=links[1])


def view_of(source: Source, view: View | None = None, **changes: Any) -> View:
    """Return ``view``, or the first one, with ``changes``, and with what ``source`` has.

    Raises:
        UsageError: for a setting that no view has or that is out of its range.
    """
    known = [field.name for field in dataclasses.fields(View)]
    if unknown := [str(name) for name in changes if name not in known]:
        raise UsageError(
            f"A view has no setting {' or '.join(unknown)}; its settings are {', '.join(known)}."
        )
    changed = dataclasses.replace(view or first_view(source), **changes)
    return fitting(changed, source)


def fitting(view: View, source: Source) -> View:
    """Return ``view`` with what ``source`` does not have replaced by what it has.

    Raises:
        UsageError: for a setting that no run has, or a picture that this bank does not have.
    """
    for name in ("mix", "picture_mix"):
        _check_share(getattr(view, name), name)
    for name in ("seed", "second_seed"):
        seed = getattr(view, name)
        if not (isinstance(seed, int) and 0 <= seed <= MOST_SEED):
            raise UsageError(f"{name} is {seed!r}; it has to be a whole number from 0 on.")
    if view.attention not in get_args(Attention):
        known = ", ".join(get_args(Attention))
        raise UsageError(f"There is no attention {view.attention!r}; choose one of {known}.")
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
    has_attention = generator.config.has_attention
    if not has_attention:
        changes["attention"] = "own"
    changes["painted"] = {
        link: _painting(link, painting)
        for link, painting in view.painted.items()
        if link in generator.links and has_attention
    }
    changes["gates"] = {
        link: {str(channel): _check_share(gate, "a gate") for channel, gate in gates.items()}
        for link, gates in view.gates.items()
        if link in generator.links and gates
    }
    return dataclasses.replace(view, **changes)


def _check_share(value: Any, name: str) -> float:
    if not (isinstance(value, int | float) and 0 <= value <= 1):
        raise UsageError(f"{name} is {value!r}; it has to be a number between 0 and 1.")
    return value


def _painting(link: str, painting: Any) -> list[float | None]:
    """Return what is painted on a link as a list; a tensor is taken, too."""
    places = painting.flatten().tolist() if isinstance(painting, Tensor) else list(painting)
    side = side_of(link)
    if len(places) != side * side:
        raise UsageError(
            f"The painting of link {link} has {len(places)} places; it has to have {side} x {side}."
        )
    return [
        None if place is None else _check_share(place, f"a place of {link}") for place in places
    ]


def side_of(link: str) -> int:
    """Return rows and columns of the map that a link such as ``"8->32"`` attends to."""
    return int(link.split("->")[0])


def compute(view: View, source: Source) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return what `Steered` tells of a view: without its changes, and with them.

    Raises:
        LabError: if the generator cannot be read or the memory does not suffice.
    """
    generator = source.generator(view.checkpoint)
    steered = Steered(generator)
    inputs = steered.unsteered()
    inputs["noise"] = noise_of(view, generator)
    if generator.config.metadata:
        channels = generator.config.metadata_dim
        inputs["metadata"] = metadata_of(view, source.bank, source.scale, channels)
    what = f"an image of {generator.config.resolution} px"
    plain = dataclasses.replace(view, link="", attention="own", painted={}, gates={})
    with memory_in_words(what), torch.no_grad():
        if source.last is None or source.last[:2] != (plain, generator):
            made = dict(zip(steered.outputs, steered(*inputs.values()), strict=True))
            source.last = plain, generator, made  # a brush asks for it again and again
        before = source.last[2]
        if not view.changes:
            return before, before
        name = steered.names[view.link]
        if view.attention != "own":
            own = before[f"own_attention_{name}"]
            inputs[f"given_attention_{name}"] = replaced(own, view.attention)
        for link, painting in view.painted.items():
            places = [torch.nan if place is None else place for place in painting]
            given = inputs[f"given_attention_{steered.names[link]}"]
            given.copy_(torch.tensor(places).view_as(given))
        for link, gates in view.gates.items():
            given = inputs[f"given_gates_{steered.names[link]}"]
            for channel, gate in gates.items():
                if not (channel.isdigit() and int(channel) < given.numel()):
                    raise UsageError(f"Link {link} has no channel {channel!r}; count from 0.")
                given[0, int(channel)] = gate
        after = dict(zip(steered.outputs, steered(*inputs.values()), strict=True))
    return before, after


def make_scene(view: View, source: Source) -> Scene:
    """Compute what ``view`` shows of its link.

    Raises:
        LabError: as `compute`.
    """
    before, after = compute(view, source)
    generator = source.generator(view.checkpoint)
    name = view.link.replace("->", "_")
    used = after.get(f"attention_{name}")
    return Scene(
        image=to_uint8(after["image"])[0],
        gates=after[f"gates_{name}"].flatten(),
        attention=None if used is None else used[0, 0],
        plain_image=to_uint8(before["image"])[0],
        plain_gates=before[f"gates_{name}"].flatten(),
        sle=LINKS[generator.config.skip].gate is SkipLayerExcitation.gate,
    )


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


def replaced(own: Tensor, attention: Attention) -> Tensor:
    """Return the map that stands in place of a link's ``own`` (1, 1, h, w)."""
    if attention == "mean":
        return own.mean().expand_as(own)
    if attention == "shuffled":
        order = torch.randperm(own.numel(), generator=torch.Generator().manual_seed(0))
        return own.flatten()[order].view_as(own)
    return torch.full_like(own, float(attention == "ones"))

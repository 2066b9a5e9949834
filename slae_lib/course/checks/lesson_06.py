"""Checks of lesson 06, metadata. Their sentences stand in `texts/lesson_06.toml`."""

from collections.abc import Callable
from typing import Any, NoReturn

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slae_lib.course.checks.base import Refused, called, require
from slae_lib.datasets.bank import MetadataBank
from slae_lib.support.files import stored_file
from slae_lib.support.pretrained import normalise_for_vgg16

BANK = torch.tensor([[1.0, 7.0, 0.0], [5.0, 7.0, 0.0], [1.0, 7.0, 0.0], [5.0, 7.0, 0.001]])
EMBEDDINGS = {"neither": (0, 0), "direction": (1, 0), "pace": (0, 1), "both": (1, 1)}
ROOT = 512**0.5

Pair = tuple[float, float]


class _Crooked(nn.Module):
    """A network with numbered layers that is no list of them: an early output comes back late."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh()])

    def __getitem__(self, place: int) -> nn.Module:
        require(isinstance(place, int), "cut")
        return self.layers[place]

    def __iter__(self) -> NoReturn:
        raise Refused("one_by_one")

    def __len__(self) -> int:
        return len(self.layers)

    def forward(self, x: Tensor) -> Tensor:
        early = self.layers[1](self.layers[0](x))
        late: Tensor = self.layers[3](self.layers[2](early + x)) - early
        return late


@torch.no_grad()
def exercise_1(seen_by: Callable[..., Any]) -> None:
    """Check what a hook saw in a network that cannot be cut, and that it is gone."""
    network, x = _Crooked(), torch.randn(3, 4)
    early = network.layers[1](network.layers[0](x))
    outputs = [network.layers[0](x), early, network.layers[2](early + x)]
    outputs.append(network.layers[3](outputs[2]))
    whole = network(x)
    found = called(seen_by, network, 2, x)
    left = any(layer._forward_hooks for layer in network.modules())
    require(isinstance(found, Tensor), "kind", found=type(found).__name__)
    require(not left, "stays")
    require(not _same(found, whole), "last")
    require(not _same(found, early + x), "input")
    for layer in (0, 1, 3):
        require(not _same(found, outputs[layer]), "other_layer")
    require(_same(found, outputs[2]), "value")
    again = called(seen_by, network, 1, -x)
    require(not _same(again, outputs[2]), "copies")
    require(
        not _same(again, network.layers[2](network.layers[1](network[0](-x)) - x)), "other_layer"
    )
    require(_same(again, network.layers[1](network.layers[0](-x))), "value")


def _same(found: Tensor, value: Tensor) -> bool:
    return found.shape == value.shape and torch.allclose(found, value, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def exercise_2(channel_means: Callable[..., Any]) -> None:
    """Check the metadata that a small network of 31 layers makes of two pictures."""
    first, late = nn.Conv2d(3, 5, 3, padding=1), nn.Conv2d(5, 5, 1)
    between = [nn.Identity() for _ in range(27)]
    network = nn.Sequential(first, *between, late, nn.ReLU(), nn.MaxPool2d(2))
    images = 2 * torch.rand(2, 3, 8, 8) - 1
    maps = network[:30](normalise_for_vgg16(images))  # (2, 5, 8, 8)
    found = called(channel_means, network, images)
    shape = tuple(found.shape)
    require(shape == (2, 5), "shape", found=shape)
    wrong = {
        "no_scale": network[:30](images).mean(dim=(2, 3)),
        "maximum": maps.amax(dim=(2, 3)),
        "sum": maps.sum(dim=(2, 3)),
    }
    for cause, value in wrong.items():
        require(not torch.allclose(found, value, rtol=1e-3), cause)
    right = maps.mean(dim=(2, 3))
    require(torch.allclose(found, right, rtol=1e-3, atol=1e-3), "value")
    before = called(channel_means, network, images, layer=28)
    require(not torch.allclose(before, right, rtol=1e-3, atol=1e-3), "layer")
    wanted = network[:29](normalise_for_vgg16(images)).mean(dim=(2, 3))
    require(torch.allclose(before, wanted, rtol=1e-3, atol=1e-3), "value")


def exercise_3(nearest: Callable[..., Any]) -> None:
    """Check a search among rows of different length, where each mistake finds something else."""
    queries = torch.randn(3, 8) * torch.tensor([[0.5], [2.0], [4.0]])
    rows = torch.randn(7, 8) * torch.arange(1.0, 8)[:, None]
    found = called(nearest, queries, rows, 2)
    cosines, indices = found
    require(cosines.is_floating_point() or not indices.is_floating_point(), "order")
    shapes = tuple(cosines.shape), tuple(indices.shape)
    require(shapes == ((3, 2), (3, 2)), "shape", found=shapes)
    unit, units = F.normalize(queries, dim=1), F.normalize(rows, dim=1)
    wrong = [
        ("no_length", queries @ rows.T),
        ("one_length", unit @ rows.T),
        ("one_length", queries @ units.T),
        ("wrong_axis", F.normalize(queries, dim=0) @ F.normalize(rows, dim=0).T),
    ]
    for cause, alike in wrong:
        require(not _same(cosines, alike.topk(2).values), cause, found=float(cosines.max()))
    alike = unit @ units.T
    least, right = alike.topk(2, largest=False), alike.topk(2)
    require(not torch.equal(indices, least.indices), "least")
    by_distance = torch.cdist(queries, rows).topk(2, largest=False).indices
    require(not torch.equal(indices, by_distance), "distance")
    require(_same(cosines, right.values), "cosines")
    require(torch.equal(indices, right.indices), "indices")


def exercise_4(standardise: Callable[..., Any]) -> None:
    """Check three channels: a plain one, one that never moves, and one that hardly does."""
    try:
        found = called(standardise, BANK, BANK)
    except RuntimeError as error:
        raise Refused("cell_before", said=str(error).splitlines()[0]) from error
    shape = tuple(found.shape)
    require(shape == (4, 3), "shape", found=shape)
    new = called(standardise, torch.tensor([3.0, 8.0, 0.0]), BANK)
    plain = torch.tensor([-1.0, 1.0, -1.0, 1.0])
    require(not _same(found[:, 0], plain * 0.75**0.5), "correction")
    require(not _same(found[:, 0], plain / 2), "variance")
    require(_same(found[:, 0], plain), "first", found=[round(x, 2) for x in found[:, 0].tolist()])
    require(abs(float(new[0])) < 1e-5, "own_mean", found=float(new[0]))
    require(bool(found.isfinite().all() and new.isfinite().all()), "not_finite")
    quiet = not found[:, 1].any() and not new[1]
    require(quiet, "constant", found=float(new[1]))
    last = float(found[3, 2])
    own = BANK[:, 2].std(correction=0)  # the deviation that is too small
    rise = float(BANK[3, 2] - BANK[:, 2].mean())
    require(abs(last - rise / float(own)) > 1e-3, "no_floor", found=last)
    require(last != 0, "silenced")
    wanted = rise / (0.01 * float(BANK.std(correction=0)))
    require(abs(last - wanted) < 1e-5, "floor", found=last, wanted=wanted)


def exercise_5(moves: dict[str, Any]) -> dict[str, Any]:
    """Check the eight numbers by making the four embeddings and their steps anew."""
    require(isinstance(moves, dict) and set(moves) == set(EMBEDDINGS), "keys", found=moves)
    for name, found in moves.items():
        require(found is not ..., "open")
        pair = isinstance(found, tuple | list) and len(found) == 2
        pair = pair and all(isinstance(number, float) for number in found)
        require(pair, "pair", name=name, found=found)
    rows = MetadataBank.load(stored_file("fluent_faces_metadata.safetensors") or "").rows()
    order = rows.square().mean(dim=1).argsort()
    usual, unusual = rows[order[[46]]], rows[order[[92]]]
    truth: dict[str, Pair] = {
        name: (_first_move(*on, usual), _first_move(*on, unusual))
        for name, on in EMBEDDINGS.items()
    }

    def is_like(name: str, pair: Pair, factor: float = 1.0) -> bool:
        pairs = zip(moves[name], pair, strict=True)
        return all(abs(found - factor * value) < 0.02 * factor * value for found, value in pairs)

    if is_like("neither", truth["neither"]):
        for name, without in (("pace", "neither"), ("both", "direction")):
            require(not is_like(name, truth[without]), "no_scale", name=name)
        too_small = all(is_like(name, truth[name], 1 / ROOT) for name in ("direction", "both"))
        require(not too_small, "root_of_sum", name="direction")
    for name, right in truth.items():
        require(not is_like(name, right[::-1]), "faces_swapped", name=name)
        require(not is_like(name, (right[0] ** 2, right[1] ** 2)), "squared", name=name)
        for other, value in truth.items():
            require(
                other == name or not is_like(name, value), "names_swapped", name=name, other=other
            )
        count = round(moves[name][0] / right[0])
        require(count < 2 or not is_like(name, right, count), "steps", name=name, found=count)
        require(is_like(name, right), "value", name=name, found=moves[name], wanted=right)
    neither, direction, pace = truth["neither"], truth["direction"], truth["pace"]
    told = {"unfair": neither[1] / neither[0], "fair": direction[1] / direction[0]}
    return {"slower": neither[0] / pace[0], **told}


def _first_move(direction: int, pace: int, metadata: Tensor) -> float:
    """Return how far one step of Adam moves the outputs; the weights' start does not matter."""
    weight = nn.Parameter(torch.zeros(256, 512))
    if direction:
        metadata = metadata / metadata.square().mean(dim=1, keepdim=True).sqrt()
    optimizer = torch.optim.Adam([weight], lr=2e-4, betas=(0.5, 0.999))
    output = F.linear(metadata, weight) / (ROOT if pace else 1)
    (-output.mean()).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    with torch.no_grad():
        return float(F.linear(metadata, weight).abs().mean()) / (ROOT if pace else 1)

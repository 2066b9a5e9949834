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
ROOT = 512**0.5

Switches = tuple[bool, bool]  # direction, pace


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
    before = called(channel_means, network, images, 28)
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


def exercise_5(first_move: Callable[..., Any]) -> dict[str, Any]:
    """Check the four kinds of steps, on two faces, by making them anew."""
    rows = MetadataBank.load(stored_file("fluent_faces_metadata.safetensors") or "").rows()
    order = rows.square().mean(dim=1).argsort()
    faces = rows[order[[46]]], rows[order[[92]]]  # of median size, and the largest
    plain, pace, direction, both = (False, False), (False, True), (True, False), (True, True)
    kinds: tuple[Switches, ...] = plain, pace, direction, both
    truth = {kind: tuple(_first_move(*kind, face) for face in faces) for kind in kinds}
    found = {kind: tuple(called(first_move, *kind, face) for face in faces) for kind in kinds}
    one = found[False, False][0]
    require(isinstance(one, float), "no_float", found=type(one).__name__)

    def like(kind: Switches, other: Switches, factor: float = 1.0) -> bool:
        """Whether the steps of this kind are so many times as long as those of another."""
        pairs = zip(found[kind], truth[other], strict=True)
        return all(abs(mine - factor * step) < 0.01 * factor * step for mine, step in pairs)

    small = all(abs(move) < 1e-6 for move in found[plain])
    require(not small, "signed")
    squares = zip(found[plain], truth[plain], strict=True)
    require(not all(abs(move - step**2) < 0.01 * step**2 for move, step in squares), "squared")
    require(not like(plain, plain, 256), "summed")
    count = round(one / truth[plain][0])
    require(count < 2 or not like(plain, plain, count), "steps", found=count)
    require(not like(plain, both), "turned_round")
    require(not (like(pace, direction) and like(direction, pace)), "swapped")
    require(not like(pace, plain), "no_pace")
    require(not like(direction, plain), "no_direction")
    require(not like(direction, direction, 1 / ROOT), "root_of_sum")
    for kind in kinds:
        told = {"direction": kind[0], "pace": kind[1], "wanted": truth[kind], "found": found[kind]}
        require(like(kind, kind), "value", **told)
    unfair, fair = (truth[kind][1] / truth[kind][0] for kind in (plain, direction))
    return {"slower": truth[plain][0] / truth[pace][0], "unfair": unfair, "fair": fair}


def _first_move(direction: bool, pace: bool, metadata: Tensor) -> float:
    """Return how far one step of Adam moves the outputs; the weights' start does not matter."""
    weight = nn.Parameter(torch.zeros(256, 512))
    if direction:
        metadata = metadata / metadata.square().mean(dim=1, keepdim=True).sqrt()
    optimizer = torch.optim.Adam([weight], lr=2e-4, betas=(0.5, 0.999))
    output = F.linear(metadata, weight) / (ROOT if pace else 1)
    (-output.mean()).backward()
    optimizer.step()
    with torch.no_grad():
        return float(F.linear(metadata, weight).abs().mean()) / (ROOT if pace else 1)

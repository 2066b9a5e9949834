"""Checks of lesson 10, evaluation. Their sentences stand in `texts/lesson_10.toml`."""

import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from slae_lib.course.checks.base import Refused, called, require
from slae_lib.course.checks.lesson_10_truth import (
    Grey,
    grey_path,
    own_distances,
    share_below,
    truly_caught,
)
from slae_lib.evaluation import frechet_distance as frechet

NARROW = torch.tensor([[0.0], [2.0], [4.0]])  # mean 2, variance 4
WIDE = torch.tensor([[4.0], [4.0], [4.0], [16.0]])  # mean 7, variance 36
COUNTS = (5, 10, 20, 46)


def _number(found: Any) -> float:
    """Return a single number as a float, and refuse anything else."""
    single = isinstance(found, int | float) or (isinstance(found, Tensor) and found.ndim == 0)
    what = (
        f"shape {tuple(found.shape)}"
        if isinstance(found, Tensor)
        else f"kind {type(found).__name__}"
    )
    require(single, "no_number", found=what)
    return float(found)


def _near(found: float, wanted: float) -> bool:
    return abs(found - wanted) <= 1e-4 * max(1.0, abs(wanted))


def _none_of(found: float, wrong: Iterable[tuple[str, float]], **told: object) -> None:
    """Refuse a number that comes out of a known mistake."""
    for cause, value in wrong:
        require(not _near(found, value), cause, found=found, **told)


def exercise_1(frechet_distance: Callable[..., Any]) -> None:
    """Check the distance where each mistake has its own number, then on one feature, by hand."""
    few, many = torch.randn(7, 40).double(), torch.randn(90, 40).double() * 2 + 1
    try:
        answer = called(frechet_distance, few, many)
    except RuntimeError as error:
        said = str(error).splitlines()[0]
        require("cannot be multiplied" not in said, "shapes", said=said)
        require("must match the size" not in said, "sizes", said=said)
        raise
    found = _number(answer)
    require(not math.isnan(found), "nan")
    _none_of(found, _mistaken_distances(few, many))
    by_hand = _number(called(frechet_distance, NARROW, WIDE))
    require(_near(by_hand, 41), "value", found=by_hand)
    wanted = frechet(few, many)
    require(_near(found, wanted), "features", found=found, wanted=wanted)


def _mistaken_distances(first: Tensor, second: Tensor) -> list[tuple[str, float]]:
    """Return what comes out of mistakes in the Fréchet distance."""
    n, m = len(first) - 1, len(second) - 1
    shift = first.mean(dim=0) - second.mean(dim=0)
    where = shift.square().sum()
    a, b = first - first.mean(dim=0), second - second.mean(dim=0)
    A, B = a / n**0.5, b / m**0.5
    values = torch.linalg.svdvals(A @ B.T)
    traces = A.square().sum() + B.square().sum()
    whole_a, whole_b = (first - first.mean()) / n**0.5, (second - second.mean()) / m**0.5
    whole = (first.mean() - second.mean()).square()

    def shape(A: Tensor, B: Tensor) -> Tensor:
        return A.square().sum() + B.square().sum() - 2 * torch.linalg.svdvals(A @ B.T).sum()

    found = [
        ("where_alone", where),
        ("shape_alone", shape(A, B)),
        ("once", where + traces - values.sum()),
        ("added", where + traces + 2 * values.sum()),
        ("no_traces", where - 2 * values.sum()),
        ("by_n", where + shape(a / (n + 1) ** 0.5, b / (m + 1) ** 0.5)),
        ("by_n", where + shape(a / (n + 1) ** 0.5, B)),
        ("undivided", where + shape(a, b)),
        ("no_root", where + shape(a / n, b / m)),
        ("one_n", where + shape(A, b / n**0.5)),
        ("one_n", where + shape(a / m**0.5, B)),
        ("not_centred", where + shape(first / n**0.5, B)),
        ("not_centred", where + shape(A, second / m**0.5)),
        ("not_centred", where + shape(first / n**0.5, second / m**0.5)),
        ("whole_mean", whole + shape(A, B)),
        ("whole_mean", where + shape(whole_a, whole_b)),
        ("whole_mean", whole + shape(whole_a, whole_b)),
        ("where_mean", shift.square().mean() + shape(A, B)),
        ("length", shift.norm() + shape(A, B)),
        ("largest", where + traces - 2 * values.max()),
        ("squared", where + traces - 2 * values.square().sum()),
        ("rooted", where + traces - 2 * values.sqrt().sum()),
        ("of_all", (where + shape(A, B)).sqrt()),
    ]
    return [(cause, value.item()) for cause, value in found]


def exercise_2(same_set_distance: Callable[..., Any], seems: dict[int, Any]) -> dict[str, Any]:
    """Check the measure on few features, then the means over the 20 orders anew."""
    features, order = torch.randn(13, 6), torch.randperm(13)
    shuffled = features[order]
    found = _number(called(same_set_distance, features, order, 4))
    wrong = {
        "itself": frechet(shuffled[:4], shuffled[:4]),
        "unshuffled": frechet(features[:4], features[4:8]),
        "rest": frechet(shuffled[:4], shuffled[4:]),
        "whole": frechet(shuffled[:4], features),
        "to_count": frechet(shuffled[:4], shuffled[4:6]),
    }
    _none_of(found, wrong.items())
    wanted = frechet(shuffled[:4], shuffled[4:8])
    require(_near(found, wanted), "value", found=found, wanted=wanted)
    require(list(seems) == list(COUNTS), "counts", found=list(seems))
    require(not any(value is ... for value in seems.values()), "unmeasured")
    for count, answer in seems.items():
        each = own_distances(count)
        mean, found = sum(each) / len(each), _number(answer)
        if abs(found - mean) < 0.01 * mean:
            continue
        _none_of(found, [("one_order", each[0]), ("summed", sum(each))], count=count)
        raise Refused("measured", count=count, found=found)
    return {f"with_{count}": float(value) for count, value in seems.items()}


def exercise_3(fid_table: Callable[..., Any]) -> None:
    """Check the table on sets of different sizes, where each mistake has its own number."""
    training, held_out = torch.randn(12, 5), torch.randn(9, 5) + 1
    systems = {"A": torch.randn(15, 5), "B": torch.randn(7, 5)}
    table = _table(fid_table, training, held_out, systems)
    require(not _near(table["perfect"], 0), "itself")
    told: Mapping[str, object] = {"name": "perfect", "sizes": "9, 15 and 7"}
    _none_of(table["perfect"], [("uncut", frechet(training, held_out))], **told)
    _none_of(table["perfect"], [("training_cut", frechet(training[:7], held_out[:7]))])
    for name, generated in systems.items():
        wrong = {
            "training_cut": frechet(training[:7], generated[:7]),
            "held_out": frechet(held_out, generated[:7]),
            "its_own": frechet(training, generated[:9]),
            "uncut": frechet(training, generated),
        }
        for cause in ["its_own", "uncut"] if len(generated) == 7 else []:
            wrong.pop(cause)
        _none_of(table[name], wrong.items(), **{**told, "name": name})
    for name, pictures in {"perfect": held_out, **systems}.items():
        wanted = frechet(training, pictures[:7])
        require(_near(table[name], wanted), "value", name=name, found=table[name], wanted=wanted)
    few = _table(fid_table, training, held_out[:4], systems)
    for name, pictures in {"perfect": held_out, **systems}.items():
        require(_near(few[name], frechet(training, pictures[:4])), "few_held_out", name=name)


def _table(fid_table: Callable[..., Any], *sets: object) -> dict[str, float]:
    found = called(fid_table, *sets)
    require(isinstance(found, dict), "no_dict", found=type(found).__name__)
    require(set(found) == {"perfect", "A", "B"}, "rows", found=list(found))
    return {name: _number(value) for name, value in found.items()}


TABLE = torch.tensor([[4.0, 1.0, 2.0, 8.0], [3.0, 5.0, 0.0, 6.0], [6.0, 5.0, 9.0, 4.0]])


def exercise_4(novelty_ratios: Callable[..., Any]) -> None:
    """Check the ratios of three samples and four training pictures, worked out by hand."""
    answer = called(novelty_ratios, TABLE)
    two = isinstance(answer, tuple) and [isinstance(each, Tensor) for each in answer] == [True] * 2
    require(two, "no_pair", found=type(answer).__name__)
    ratios, nearest = answer
    shapes = tuple(ratios.shape), tuple(nearest.shape)
    require(shapes == ((3,), (3,)), "shape", found=shapes)
    require(ratios.tolist() != [1, 2, 3], "swapped")
    ordered = TABLE.sort(dim=1).values
    wrong = {
        "inverted": ordered[:, 1] / ordered[:, 0],
        "undivided": ordered[:, 0],
        "difference": ordered[:, 1] - ordered[:, 0],
        "farthest": ordered[:, -1] / ordered[:, -2],
        "third": ordered[:, 1] / ordered[:, 2],
    }
    for cause, values in wrong.items():
        require(not torch.allclose(ratios.float(), values), cause, found=ratios.tolist())
    right = ordered[:, 0] / ordered[:, 1]
    require(torch.allclose(ratios.float(), right), "ratios", found=ratios.tolist())
    require(not nearest.is_floating_point(), "values", found=nearest.tolist())
    require(nearest.tolist() != [2, 0, 1], "second", found=nearest.tolist())
    require(nearest.tolist() == [1, 2, 3], "nearest", found=nearest.tolist())


def exercise_5(share_caught: Callable[..., Any]) -> None:
    """Check the share on nine numbers in place of pictures, and that both sides are described."""
    training = torch.tensor([[0.0], [10.0], [40.0]])
    pictures = torch.tensor([[0, 1, 4.2, 5, 20, 21, 24, 25, 30]]).T  # five of them below 0.6
    found = _number(called(share_caught, lambda each: each + 0, pictures, training))
    require(found <= 1, "no_share", found=found)
    wrong = {
        "the_others": 1 - share_below(0.6, pictures, training),
        "other_limit": share_below(0.8, pictures, training),
        "low_limit": share_below(0.5, pictures, training),
        "itself": share_below(0.6, pictures, pictures),
        "turned": share_below(0.6, training, pictures),
    }
    _none_of(found, wrong.items())
    require(_near(found, 5 / 9), "value", found=found)
    try:
        found = _number(share_caught(_from_ten, pictures, training))
    except RuntimeError as error:  # what is described has two columns
        raise Refused("one_side") from error
    wanted = share_below(0.6, _from_ten(pictures), _from_ten(training))
    require(_near(found, wanted), "undescribed")


def _from_ten(numbers: Tensor) -> Tensor:
    return torch.cat([(numbers - 10).abs(), 0 * numbers], dim=1)


def exercise_6(caught: dict[str, Any]) -> dict[str, float]:
    """Check the ten shares by measuring them anew."""
    truth, mistaken = truly_caught("copy"), truly_caught("control")
    require(isinstance(caught, dict) and list(caught) == list(truth), "unmeasured")
    for measure, row in truth.items():
        shares = caught[measure]
        require(isinstance(shares, dict) and len(shares) > 0, "unmeasured")
        require(set(shares) == set(row), "cases", found=list(shares))
        other = truth["features" if measure == "pixels" else "pixels"]
        for kind, wanted in row.items():
            found = _number(shares[kind])
            told = {"measure": measure, "kind": kind, "found": found}
            if abs(found - wanted) < 0.03:  # one picture of 47, on the edge
                continue
            require(abs(found - other[kind]) > 0.03, "other_measure", **told)
            require(abs(found - mistaken[measure][kind]) > 0.03, "control", **told)
            raise Refused("measured", **told)
    return {measure: float(row["moved"]) for measure, row in caught.items()}


def exercise_7(back_track: Callable[..., Any]) -> None:
    """Check the search on grey pictures: what it moves, what it clears, and what it keeps."""
    network, start = Grey().eval(), torch.tensor([[0.25], [0.5]])
    grey = torch.tensor([0.45, -1.0])
    target = grey[:, None, None, None].expand(-1, 3, 4, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the schedule, if the optimiser does not step
        answer = called(back_track, network, target, start, None, 12)
    two = isinstance(answer, tuple) and [isinstance(each, Tensor) for each in answer] == [True] * 2
    require(two, "no_pair", found=type(answer).__name__)
    best, images = answer
    shapes = tuple(best.shape), tuple(images.shape)
    require(shapes == ((2,), (2, 3, 4, 4)), "shapes", found=shapes)
    require(not network.trained, "train_mode")
    require(network.brightness.item() == 1, "weights", found=network.brightness.item())
    require(len(network.slopes) > 0, "no_backward")
    require(max(network.kept) < 1.5, "kept", found=max(network.kept))
    require(network.slopes[0] > 0.75, "mean", found=network.slopes[0])
    require(not torch.allclose(best, (grey - start[:, 0]).abs()), "no_step")
    path = grey_path(grey, start[:, 0], 12)  # (13, 2)
    require(not torch.allclose(best, path[-1]), "last")
    close = torch.allclose(best, path.min(dim=0).values, atol=1e-4)
    require(close, "value", found=best.tolist(), wanted=path.min(dim=0).values.tolist())
    apart = (images - target).abs().mean(dim=(1, 2, 3))
    require(torch.allclose(apart, best, atol=1e-5), "images")

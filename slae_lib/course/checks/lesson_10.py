"""Checks of lesson 10, evaluation. Their sentences stand in `texts/lesson_10.toml`."""

import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from slae_lib.course.checks.base import Refused, called, own_arguments, require
from slae_lib.course.checks.lesson_10_truth import (
    Grey,
    grey_path,
    mistaken_distances,
    own_distances,
    share_below,
    truly_caught,
)
from slae_lib.evaluation import frechet_distance as frechet

# The second feature is always 0: the covariance of a single one would be no matrix.
NARROW = torch.tensor([[0.0, 0], [2, 0], [4, 0]])  # mean 2, variance 4
WIDE = torch.tensor([[4.0, 0], [4, 0], [4, 0], [16, 0]])  # mean 7, variance 36
COUNTS = (5, 10, 20, 46)


def _number(found: Any) -> float:
    """Return a single number as a float, and refuse anything else."""
    single = isinstance(found, Real) or (isinstance(found, Tensor) and found.numel() == 1)
    what = (
        f"shape {tuple(found.shape)}"
        if isinstance(found, Tensor)
        else f"kind {type(found).__name__}"
    )
    require(single, "no_number", found=what)
    return float(found)


def _near(found: float, wanted: float) -> bool:
    return abs(found - wanted) <= 1e-4 * max(1.0, abs(wanted))


def _pair(answer: Any) -> tuple[Tensor, Tensor]:
    two = isinstance(answer, tuple | list) and [type(each) for each in answer] == [Tensor] * 2
    require(two, "no_pair", found=type(answer).__name__)
    return answer[0], answer[1]


def _none_of(found: float, wrong: Iterable[tuple[str, float]], **told: object) -> None:
    """Refuse a number that comes out of a known mistake."""
    for cause, value in wrong:
        require(not _near(found, value), cause, found=found, **told)


@own_arguments("value", "features")
def exercise_1(frechet_distance: Callable[..., Any]) -> None:
    """Check the distance where each mistake has its own number, then by hand."""
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
    _none_of(found, mistaken_distances(few, many))
    by_hand = _number(called(frechet_distance, NARROW, WIDE))
    require(_near(by_hand, 41), "value", found=by_hand)
    wanted = frechet(few, many)
    require(_near(found, wanted), "features", found=found, wanted=wanted)


@own_arguments("value")
def exercise_2(same_set_distance: Callable[..., Any], seems: dict[int, Any]) -> dict[str, Any]:
    """Check the measure on few features, then the means over the 20 orders anew."""
    features, order = torch.randn(13, 6), torch.randperm(13)
    found = _number(called(same_set_distance, features, order, 4))
    shuffled = features[order]
    wrong = {
        "itself": frechet(shuffled[:4], shuffled[:4]),
        "unshuffled": frechet(features[:4], features[4:8]),
        "rest": frechet(shuffled[:4], shuffled[4:]),
        "whole": frechet(shuffled[:4], features),
        "to_count": frechet(shuffled[:4], shuffled[4:6]),
        "one_less": frechet(shuffled[:4], shuffled[4:7]),
        "last_ones": frechet(shuffled[:4], shuffled[-4:]),
        "skipped": frechet(shuffled[:4], shuffled[5:9]),
    }
    _none_of(found, wrong.items())
    wanted = frechet(shuffled[:4], shuffled[4:8])
    require(_near(found, wanted), "value", found=found, wanted=wanted)
    require(set(seems) == set(COUNTS), "counts", found=list(seems))
    require(not any(value is ... for value in seems.values()), "unmeasured")
    for count, answer in seems.items():
        each = own_distances(count)
        mean, found = sum(each) / len(each), _number(answer)
        if abs(found - mean) < 0.01 * mean:
            continue
        _none_of(found, [("one_order", each[0]), ("summed", sum(each))], count=count)
        raise Refused("measured", count=count, found=found)
    return {f"with_{count}": float(value) for count, value in seems.items()}


@own_arguments("value", "typed_number")
def exercise_3(fid_table: Callable[..., Any]) -> None:
    """Check the table on sets of different sizes, where each mistake has its own number."""
    training, held_out = torch.randn(12, 5), torch.randn(9, 5) + 1
    systems = {"A": torch.randn(15, 5), "B": torch.randn(7, 5)}
    table = _table(fid_table, training, held_out, systems)
    require(not _near(table["perfect"], 0), "itself")
    other = {"A": systems["B"], "B": systems["A"]}
    again = _table(fid_table, 2 * training, held_out[:4], other)
    for name, found in table.items():
        require(found != again[name], "typed_number", name=name, found=found)
    count = _typed_count(fid_table)
    require(count == 0, "typed_count", count=count)
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


def _typed_count(fid_table: Callable[..., Any]) -> int:
    """Return to how many of 50 and of 45 pictures all rows are cut, or 0; 20 may be training's."""
    training, *sets = [torch.randn(size, 5) + shift for shift, size in enumerate((20, 60, 55, 50))]
    pairs: list[tuple[float, Tensor]] = []
    for held_out, a, b in (sets, [each[:45] for each in sets]):
        table = _table(fid_table, training, held_out, {"A": a, "B": b})
        pairs += [(table["perfect"], held_out), (table["A"], a), (table["B"], b)]
    for count in (*range(2, 20), *range(21, 50)):
        if all(_near(found, frechet(training, each[:count])) for found, each in pairs):
            return count
    return 0


def _table(
    fid_table: Callable[..., Any], training: Tensor, held_out: Tensor, systems: dict[str, Tensor]
) -> dict[str, float]:
    own = dict(systems)
    try:
        found = called(fid_table, training, held_out, own)
    except KeyError as error:
        raise Refused("typed_name", name=error.args[0]) from error
    require([*map(id, own.values())] == [*map(id, systems.values())], "written")
    require(isinstance(found, dict), "no_dict", found=type(found).__name__)
    require(set(found) == {"perfect", "A", "B"}, "rows", found=list(found))
    for name, value in found.items():
        is_given = value is held_out or any(value is each for each in own.values())
        require(not is_given, "pictures", name=name)
    return {name: _number(value) for name, value in found.items()}


TABLE = torch.tensor([[4.0, 1.0, 2.0, 8.0], [3.0, 5.0, 0.0, 6.0], [6.0, 5.0, 9.0, 4.0]])


@own_arguments("shape", "ratios", "nearest")
def exercise_4(novelty_ratios: Callable[..., Any]) -> None:
    """Check the ratios of three samples and four training pictures, worked out by hand."""
    ratios, nearest = _pair(called(novelty_ratios, TABLE))
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
    distances = torch.allclose(nearest.double(), ordered[:, 0].double())
    require(not distances, "values", found=nearest.tolist())
    require(nearest.tolist() != [2, 0, 1], "second", found=nearest.tolist())
    require(nearest.tolist() == [1, 2, 3], "nearest", found=nearest.tolist())
    require(not nearest.is_floating_point(), "no_whole", found=nearest.tolist())


@own_arguments("value", "undescribed", "one_side")
def exercise_5(share_caught: Callable[..., Any]) -> None:
    """Check the share on nine numbers in place of pictures, and that both sides are described."""
    training = torch.tensor([[0.0], [10.0], [40.0]])
    pictures = torch.tensor([[0, 13, 6, 5.5, 20, 21, 24, 25, 30]]).T  # five of them below 0.6
    found = _number(called(share_caught, lambda each: each + 0, pictures, training))
    _none_of(found, [("summed", 5), ("percent", 500 / 9), ("by_training", 5 / 3)])
    require(found <= 1, "no_share", found=found)
    wrong = {
        "the_others": 1 - share_below(0.6, pictures, training),
        "other_limit": share_below(0.8, pictures, training),
        "low_limit": share_below(0.5, pictures, training),
        "itself": share_below(0.6, pictures, pictures),
        "turned": share_below(0.6, training, pictures),
        "numbers": 1 / 9,  # the first training picture is nearest to one
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
    turned = truly_caught("copy", turned=True)
    require(isinstance(caught, dict) and len(caught) > 0, "unmeasured")
    require(set(caught) == set(truth), "measures", found=list(caught))
    for measure, row in truth.items():
        shares = caught[measure]
        require(isinstance(shares, dict) and len(shares) > 0, "unmeasured")
        require(not any(share is ... for share in shares.values()), "unmeasured")
        require(set(shares) == set(row), "cases", found=list(shares))
        other = truth["features" if measure == "pixels" else "pixels"]
        for kind, wanted in row.items():
            found = _number(shares[kind])
            told = {"measure": measure, "kind": kind, "found": found}
            if abs(found - wanted) < 0.03:  # one picture of 47, on the edge
                continue
            require(found <= 1, "percent", **told)
            require(abs(found - other[kind]) > 0.03, "other_measure", **told)
            require(abs(found - turned[measure][kind]) > 0.03, "turned", **told)
            require(abs(found - mistaken[measure][kind]) > 0.03, "control", **told)
            raise Refused("measured", **told)
    return {measure: float(row["moved"]) for measure, row in caught.items()}


@own_arguments("shapes", "value", "images")
def exercise_7(back_track: Callable[..., Any]) -> None:
    """Check the search on grey pictures: what it moves, what it clears, and what it keeps."""
    network, start = Grey().eval(), torch.tensor([[0.25], [0.5]])
    grey = torch.tensor([0.45, -1.0])
    target = grey[:, None, None, None].expand(-1, 3, 4, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the schedule, if the optimiser does not step
        try:
            answer = called(back_track, network, target, start, torch.zeros(2, 1), 12)
        except (RuntimeError, ValueError) as error:
            require("non-leaf" not in str(error), "not_leaf")
            if "not require grad" in str(error):
                raise Refused("no_graph" if network.learns else "no_grad") from error
            raise
    best, images = _pair(answer)
    shapes = tuple(best.shape), tuple(images.shape)
    require(shapes == ((2,), (2, 3, 4, 4)), "shapes", found=shapes)
    require(not network.trained, "train_mode")
    require(network.brightness.item() == 1, "weights", found=network.brightness.item())
    require(network.learns, "no_grad")
    require(len(network.slopes) > 0, "no_backward")
    kept = max(network.kept)
    require(kept < 1.5 * max(network.slopes), "kept", found=kept, wanted=max(network.slopes))
    require(network.slopes[0] > 0.75, "mean", found=network.slopes[0])
    require(not torch.allclose(best, (grey - start[:, 0]).abs()), "no_step")
    path = grey_path(grey, start[:, 0], 12)  # (13, 2)
    require(not torch.allclose(best, path[-1]), "last")
    close = torch.allclose(best, path.min(dim=0).values, atol=1e-4)
    require(close, "value", found=best.tolist(), wanted=path.min(dim=0).values.tolist())
    apart = (images - target).abs().mean(dim=(1, 2, 3))
    require(torch.allclose(apart, best, atol=1e-5), "images")

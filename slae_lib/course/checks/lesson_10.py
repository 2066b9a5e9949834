"""Checks of lesson 10, evaluation. Their sentences stand in `texts/lesson_10.toml`."""

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_post_hook

from slae_lib.course.checks.base import Refused, called, own_arguments, require
from slae_lib.course.checks.lesson_10_parts import (
    Grey,
    TableProducts,
    from_ten,
    lengths_of_rows,
    near,
    none_of,
    number,
    pair,
    table_of,
    unpacked,
)
from slae_lib.course.checks.lesson_10_truth import (
    grey_path,
    mistaken_distances,
    mistaken_ratios,
    own_distances,
    share_below,
    truly_caught,
    two_nearest_ratios,
)
from slae_lib.evaluation import frechet_distance as frechet

# The second feature is always 0: the covariance of a single one would be no matrix.
NARROW = torch.tensor([[0.0, 0], [2, 0], [4, 0]])  # mean 2, variance 4
WIDE = torch.tensor([[4.0, 0], [4, 0], [4, 0], [16, 0]])  # mean 7, variance 36
COUNTS = (5, 10, 20, 46)


@own_arguments("value", "features")
def exercise_1(frechet_distance: Callable[..., Any]) -> None:
    """Check the distance where each mistake has its own number, then by hand."""
    few, many = torch.randn(7, 40).double(), torch.randn(90, 40).double() * 2 + 1
    try:
        with TableProducts(40) as tables, unpacked(frechet_distance, "svd"):
            answer = called(frechet_distance, few, many)
    except RuntimeError as error:
        said = str(error).splitlines()[0]
        require("cannot be multiplied" not in said, "shapes", said=said)
        require("must match the size" not in said, "sizes", said=said)
        raise
    found = number(answer)
    require(not math.isnan(found), "nan")
    none_of(found, mistaken_distances(few, many))
    by_hand = number(called(frechet_distance, NARROW, WIDE))
    require(near(by_hand, 41), "value", found=by_hand)
    wanted = frechet(few, many)
    require(near(found, wanted), "features", found=found, wanted=wanted)
    require(not tables.built, "table")
    far_off = few.float() + 3000, many.float() + 3000  # what 7 digits lose shows there
    found, wanted = number(called(frechet_distance, *far_off)), frechet(*far_off)
    require(abs(found - wanted) < 1e-6 * wanted, "digits", found=found, wanted=wanted)


@own_arguments("value")
def exercise_2(same_set_distance: Callable[..., Any], seems: dict[int, Any]) -> dict[str, Any]:
    """Check the measure on few features, then the means over the 20 orders anew."""
    features, order = torch.randn(13, 20), torch.randperm(13)  # an order fits either side
    found = number(called(same_set_distance, features, order, 4))
    shuffled = features[order]
    ways = [("unshuffled", features), ("inverse", features[order.argsort()])]
    ways += [("columns", features[:, order]), ("columns", features.T[order])]
    none_of(found, [(cause, frechet(way[:4], way[4:8])) for cause, way in ways])
    wrong = {
        "itself": frechet(shuffled[:4], shuffled[:4]),
        "rest": frechet(shuffled[:4], shuffled[4:]),
        "whole": frechet(shuffled[:4], features),
        "to_count": frechet(shuffled[:4], shuffled[4:6]),
        "one_less": frechet(shuffled[:4], shuffled[4:7]),
        "last_ones": frechet(shuffled[:4], shuffled[-4:]),
        "skipped": frechet(shuffled[:4], shuffled[5:9]),
    }
    none_of(found, wrong.items())
    wanted = frechet(shuffled[:4], shuffled[4:8])
    require(near(found, wanted), "value", found=found, wanted=wanted)
    try:
        _seems(seems)
    except Refused as refused:
        refused.values["wrong"] = ["seems"]  # the function is right, and stays
        raise
    return {f"with_{count}": float(value) for count, value in seems.items()}


def _seems(seems: dict[int, Any]) -> None:
    require(set(seems) == set(COUNTS), "counts", found=list(seems))
    require(not any(value is ... for value in seems.values()), "unmeasured")
    so_far: list[float] = []
    for count, answer in seems.items():
        each = own_distances(count)
        so_far += each
        mean, found = sum(each) / len(each), number(answer)
        if abs(found - mean) < 0.01 * mean:
            continue
        wrong = [("one_order", each[0]), ("last_order", each[-1]), ("summed", sum(each))]
        total = sum(so_far)
        wrong += [("running", total / part) for part in (1, len(each), len(so_far))]
        none_of(found, wrong, count=count)
        raise Refused("measured", count=count, found=found)


@own_arguments("value", "typed_number")
def exercise_3(fid_table: Callable[..., Any]) -> None:
    """Check the table on sets of different sizes, where each mistake has its own number."""
    training, held_out = torch.randn(12, 5), torch.randn(9, 5) + 1
    systems = {"A": torch.randn(15, 5), "B": torch.randn(7, 5)}
    table = table_of(fid_table, training, held_out, systems)
    require(not near(table["perfect"], 0), "itself")
    for real, drawn in (
        (training, training[:7]),
        (training, training[-7:]),
        (held_out, training[:7]),
    ):
        require(not near(table["perfect"], frechet(real, drawn)), "training_drawn")
    other = {"A": systems["B"], "B": systems["A"]}
    again = table_of(fid_table, 2 * training, held_out[:4], other)
    for name, found in table.items():
        require(found != again[name], "typed_number", name=name, found=found)
    of_50, of_45 = lengths_of_rows(fid_table)
    require((of_50, of_45) != (20, 30), "training_counts")
    require(of_50 == 50 or of_45 != min(of_50, 45), "typed_count", count=of_50)
    told: Mapping[str, object] = {"name": "perfect", "sizes": "9, 15 and 7"}
    none_of(table["perfect"], [("uncut", frechet(training, held_out))], **told)
    none_of(table["perfect"], [("training_cut", frechet(training[:7], held_out[:7]))])
    for name, generated in systems.items():
        wrong = {
            "training_cut": frechet(training[:7], generated[:7]),
            "held_out": frechet(held_out, generated[:7]),
            "its_own": frechet(training, generated[:9]),
            "uncut": frechet(training, generated),
        }
        for cause in ["its_own", "uncut"] if len(generated) == 7 else []:
            wrong.pop(cause)
        none_of(table[name], wrong.items(), **{**told, "name": name})
    for name, pictures in {"perfect": held_out, **systems}.items():
        wanted = frechet(training, pictures[:7])
        require(near(table[name], wanted), "value", name=name, found=table[name], wanted=wanted)
    few = table_of(fid_table, training, held_out[:4], systems)
    for name, pictures in {"perfect": held_out, **systems}.items():
        require(near(few[name], frechet(training, pictures[:4])), "few_held_out", name=name)


TABLE = torch.tensor([[8.0, 2.0, 4.0, 16.0], [3.0, 5.0, 0.0, 6.0], [6.0, 5.0, 9.0, 4.0]])


@own_arguments("shape", "ratios", "nearest")
def exercise_4(novelty_ratios: Callable[..., Any]) -> None:
    """Check the ratios of three samples and four training pictures, worked out by hand."""
    with unpacked(novelty_ratios, "sort", "topk", "min", "kthvalue"):
        answer = called(novelty_ratios, TABLE)
    ratios, nearest = pair(answer)
    for cause, values in mistaken_ratios(TABLE):
        if ratios.shape == values.shape and torch.allclose(ratios.float(), values):
            raise Refused(cause, found=ratios.tolist(), of_one=ratios[0].tolist())
    shapes = tuple(ratios.shape), tuple(nearest.shape)
    require(shapes == ((3,), (3,)), "shape", found=shapes)
    require(ratios.tolist() != [1, 2, 3], "swapped")
    first, second, *_ = TABLE.sort(dim=1).values.T
    by_one = ratios.float()[0] / first[0] * first  # the nearest by one and the same number
    require(not torch.allclose(ratios.float(), by_one), "one_for_all", found=ratios.tolist())
    right = first / second
    require(torch.allclose(ratios.float(), right), "ratios", found=ratios.tolist())
    distances = torch.allclose(nearest.double(), first.double())
    require(not distances, "values", found=nearest.tolist())
    require(nearest.tolist() != [2, 0, 1], "second", found=nearest.tolist())
    require(nearest.tolist() == [1, 2, 3], "nearest", found=nearest.tolist())
    require(not nearest.is_floating_point(), "no_whole", found=nearest.tolist())
    tied = float(called(novelty_ratios, torch.tensor([[2.0, 5.0, 2.0]]))[0])
    require(tied == 1, "tie", found=tied)


@own_arguments("value", "undescribed", "one_side")
def exercise_5(share_caught: Callable[..., Any]) -> None:
    """Check the share on nine numbers in place of pictures, and that both sides are described."""
    training = torch.tensor([[0.0], [10.0], [40.0]])
    pictures = torch.tensor([[2, 15, 6, 5.2, 29, 21, 25, 24.8, 29.5]]).T  # five of them below 0.6
    try:
        with unpacked(share_caught, "novelty_ratios"):
            answer = called(share_caught, lambda each: each + 0, pictures, training)
    except RuntimeError as error:
        said = str(error).splitlines()[0]
        require("could not infer output dtype" not in said, "no_mean", said=said)
        raise
    found = number(answer)
    none_of(found, [("summed", 5), ("percent", 500 / 9), ("by_training", 5 / 3)])
    require(found <= 1, "no_share", found=found)
    wrong = {
        "the_others": 1 - share_below(0.6, pictures, training),
        "other_limit": share_below(0.8, pictures, training),
        "low_limit": share_below(0.5, pictures, training),
        "itself": share_below(0.6, pictures, pictures),
        "turned": share_below(0.6, training, pictures),
        "numbers": 1 / 9,  # the first training picture is nearest to one
        "mean_ratio": two_nearest_ratios(pictures, training).mean().item(),
    }
    none_of(found, wrong.items())
    require(near(found, 5 / 9), "value", found=found)

    def describe(numbers: Tensor) -> Tensor:
        require(numbers.shape[1:] == (1,), "describe_last")
        return from_ten(numbers)

    try:
        found = number(share_caught(describe, pictures, training))
    except RuntimeError as error:  # what is described has two columns
        raise Refused("one_side") from error
    wanted = share_below(0.6, from_ten(pictures), from_ten(training))
    require(near(found, wanted), "undescribed")


def exercise_6(caught: dict[str, Any]) -> dict[str, float]:
    """Check the ten shares by measuring them anew."""
    truth, mistaken = truly_caught("copy"), truly_caught("control")
    turned = truly_caught("copy", turned=True)
    _require_dict(caught, "caught")
    require(set(caught) == set(truth), "measures", found=list(caught))
    for measure, shares in caught.items():
        _require_dict(shares, f'caught["{measure}"]')
    require(caught["pixels"] is not caught["features"], "one_dict")
    for measure, row in truth.items():
        shares = caught[measure]
        require(not any(share is ... for share in shares.values()), "unmeasured")
        require(set(shares) == set(row), "cases", found=list(shares))
        other = truth["features" if measure == "pixels" else "pixels"]
        for kind, wanted in row.items():
            found = number(shares[kind])
            told = {"measure": measure, "kind": kind, "found": found}
            if abs(found - wanted) < 0.03:  # one picture of 47, on the edge
                continue
            require(found <= 1, "percent", **told)
            require(abs(found - other[kind]) > 0.03, "other_measure", **told)
            require(abs(found - turned[measure][kind]) > 0.03, "turned", **told)
            require(abs(found - mistaken[measure][kind]) > 0.03, "control", **told)
            raise Refused("measured", **told)
    return {measure: float(row["moved"]) for measure, row in caught.items()}


def _require_dict(shares: Any, place: str) -> None:
    require(shares is not ..., "unmeasured")
    require(isinstance(shares, dict), "no_dict", place=place, found=type(shares).__name__)
    require(len(shares) > 0, "unmeasured")


@own_arguments("shapes", "value", "images")
def exercise_7(back_track: Callable[..., Any]) -> None:
    """Check the search on grey pictures: what it moves, what it clears, and what it keeps."""
    network, start = Grey().eval(), torch.tensor([[0.25], [0.5]])
    grey = torch.tensor([0.46, -1.0])  # the first is overshot
    target = grey[:, None, None, None].expand(-1, 3, 4, 4)
    notes, stepped = network.notes, list[Any]()
    noted = register_optimizer_step_post_hook(lambda optimiser, *_: stepped.append(optimiser))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the schedule, if the optimiser does not step
        try:
            answer = called(back_track, network, target, start, torch.zeros(2, 1), 12)
        except (RuntimeError, ValueError) as error:
            require("non-leaf" not in str(error), "not_leaf")
            if "not require grad" in str(error):
                raise Refused("no_graph" if notes.learns else "no_grad") from error
            raise
        finally:
            noted.remove()
    best, images = pair(answer)
    shapes = tuple(best.shape), tuple(images.shape)
    require(shapes == ((2,), (2, 3, 4, 4)), "shapes", found=shapes)
    require(not notes.trained, "train_mode")
    held = [each for one in stepped for group in one.param_groups for each in group["params"]]
    require(not held or any(each.dim() for each in held), "no_noise")  # a weight has no dimension
    require(notes.weight == 1, "weights", found=notes.weight)
    require(notes.learns, "no_grad")
    require(len(notes.slopes) > 0, "no_backward")
    kept = max(notes.kept)
    require(kept < 1.5 * max(notes.slopes), "kept", found=kept, wanted=max(notes.slopes))
    require(notes.slopes[0] > 0.75, "mean", found=notes.slopes[0])
    for one in stepped:
        name = type(one).__name__
        require(name == "Adam", "other_optimiser", found=name)
    require(not torch.allclose(best, (grey - start[:, 0]).abs()), "no_step")
    path = grey_path(grey, start[:, 0], 12)  # (13, 2)
    require(not torch.allclose(best, path[-1]), "last")
    close = torch.allclose(best, path.min(dim=0).values, atol=1e-4)
    require(close, "value", found=best.tolist(), wanted=path.min(dim=0).values.tolist())
    apart = (images - target).abs().mean(dim=(1, 2, 3))
    require(torch.allclose(apart, best, atol=1e-5), "images")

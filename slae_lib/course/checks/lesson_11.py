"""Checks of lesson 11, ablation and cost. Their sentences stand in `texts/lesson_11.toml`."""

import math
from collections.abc import Callable
from itertools import combinations
from typing import Any

from scipy import stats

from slae_lib.ablation.results import t_interval as students_interval
from slae_lib.course.checks.base import Refused, called, require

CHANCE = 0.03
"""How far a share of some thousand draws may be from the truth."""


def exercise_1(paired_differences: Callable[..., Any]) -> None:
    """Check the paired difference on seeds in another order, some of which one system lacks."""
    new = {0: 52.0, 1: 64.0, 2: 55.0, 3: 40.0}
    old = {2: 60.0, 1: 62.0, 0: 55.0, 4: 70.0}
    try:
        found = called(paired_differences, new, old)
    except KeyError as error:
        raise Refused("all_seeds", seed=error) from error
    require(isinstance(found, dict), "no_dict", found=type(found).__name__)
    require(set(found) == {0, 1, 2}, "seeds", found=sorted(found))
    truth = {seed: new[seed] - old[seed] for seed in found}
    ranked = zip(sorted(new.values()), sorted(old.values()), strict=True)
    wrong = {
        "sign": {seed: -value for seed, value in truth.items()},
        "absolute": {seed: abs(value) for seed, value in truth.items()},
        "order": dict(enumerate(a - b for a, b in zip(new.values(), old.values(), strict=True))),
        "ranked": dict(enumerate(a - b for a, b in ranked)),
    }
    for cause, values in wrong.items():
        require(any(found[seed] != values[seed] for seed in found), cause, found=found)
    require(found == truth, "value", found=found)


def exercise_2(t_interval: Callable[..., Any]) -> dict[str, float]:
    """Check Student's interval, and what comes out of each slip in its formula."""
    values = [-3.0, -1.0, -5.0]  # mean -3, deviation 2
    found = called(t_interval, values)
    require(isinstance(found, tuple) and len(found) == 2, "no_pair", found=found)
    low, high = map(float, found)
    require(low < high, "ends", low=low, high=high)
    require(abs((low + high) / 2 + 3) < 1e-6, "middle", found=(low + high) / 2)
    reach, t = (high - low) / 2, stats.t.ppf(0.975, 2)
    wrong = {
        "normal": 1.96 * 2 / 3**0.5,
        "one_sided": stats.t.ppf(0.95, 2) * 2 / 3**0.5,
        "degrees": stats.t.ppf(0.975, 3) * 2 / 3**0.5,
        "population": t * (8 / 3) ** 0.5 / 3**0.5,
        "no_root": t * 2,
        "by_n": t * 2 / 3,
        "no_t": 2 / 3**0.5,
    }
    for cause, value in wrong.items():
        require(abs(reach - value) > 0.005, cause, found=reach)
    require(abs(reach - t * 2 / 3**0.5) < 0.005, "value", found=reach)
    five = called(t_interval, [5.0, 5.5, 7.0, 4.0, 6.0])
    reach = (five[1] - five[0]) / 2
    require(abs(reach - 1.388) < 0.005, "constant", found=reach)
    less = called(t_interval, values, 0.8)
    reach = (less[1] - less[0]) / 2
    require(abs(reach - 2.177) < 0.005, "confidence", found=reach)
    return {"low": low, "high": high}


def exercise_3(verdict: Callable[..., Any]) -> None:
    """Check the verdict on intervals to both sides of 0, over it, and up to it."""
    words = ("yes", "no", "not decided")

    def asked(low: float, high: float, *better: str) -> Any:
        found = called(verdict, (low, high), *better)
        require(isinstance(found, str) and found in words, "no_word", found=found)
        return found

    below = asked(-8.0, -2.0)
    require(below != "no", "backwards")
    require(below == "yes", "never_yes", found=below)
    across = asked(-8.0, 2.0)
    require(across == "not decided", "across", found=across)
    above = asked(2.0, 8.0)
    require(above != "not decided", "never_no")
    require(above == "no", "above", found=above)
    for low, high, wanted in ((-8.0, -2.0, "no"), (2.0, 8.0, "yes"), (-2.0, 8.0, "not decided")):
        found = asked(low, high, "higher")
        require(found == wanted, "direction", low=low, high=high, found=found, wanted=wanted)
    for low, high in ((-8.0, 0.0), (0.0, 8.0), (-math.inf, math.inf)):
        found = asked(low, high)
        require(found == "not decided", "edge", low=low, high=high, found=found)


def exercise_4(report: Callable[..., Any]) -> None:
    """Check the repaired report on runs of which one has stopped early."""
    new = {
        0: {2000: 300.0, 4000: 250.0, 6000: 210.0},
        1: {2000: 310.0, 4000: 240.0, 6000: 190.0},
    }
    old = {0: {2000: 290.0, 4000: 260.0}, 1: {2000: 320.0, 4000: 245.0, 6000: 200.0}}
    try:
        found = called(report, new, old)
    except KeyError as error:
        raise Refused("not_measured", images=error) from error
    require(isinstance(found, dict), "no_dict", found=found)
    require(set(found) == {0, 1}, "seeds", found=sorted(found))
    ends = [{seed: run[max(run)] for seed, run in runs.items()} for runs in (new, old)]
    bests = [{seed: min(run.values()) for seed, run in runs.items()} for runs in (new, old)]
    mean = {seed: sum(run[4000] for run in old.values()) / 2 for seed in old}
    wrong = {
        "sign": {0: 10.0, 1: 5.0},
        "first": {seed: new[seed][2000] - old[seed][2000] for seed in new},
        "each_seed": {0: -10.0, 1: -10.0},
        "own_end": {seed: ends[0][seed] - ends[1][seed] for seed in new},
        "best": {seed: min(bests[0].values()) - ends[1][seed] for seed in new},
        "mean": {seed: new[seed][4000] - mean[seed] for seed in new},
    }
    for cause, values in wrong.items():
        require(found != values, cause, found=found)
    require(found == {0: -10.0, 1: -5.0}, "value", found=found)


def true_power(seeds: int, difference: float, deviation: float) -> float:
    """Return the power of Student's interval by the noncentral t distribution, without drawing."""
    t = stats.t.ppf(0.975, seeds - 1)
    shift = difference / deviation * seeds**0.5
    return float(stats.nct.sf(t, seeds - 1, shift))


def exercise_5(power: Callable[..., Any]) -> dict[str, float]:
    """Check the power against the exact one."""
    found = called(power, 3, 1.0, 1.0)
    require(isinstance(found, int | float), "no_float", found=type(found).__name__)
    require(0 <= found <= 1, "no_share", found=found)
    wrong = {
        "mean": float(stats.norm.cdf(3**0.5)),
        "worse": true_power(3, -1.0, 1.0),
        "no_scatter": 1.0,
        "not_better": 1 - true_power(3, 1.0, 1.0),
    }
    for cause, value in wrong.items():
        require(abs(found - value) > 0.01, cause, found=found)
    close = abs(found - true_power(3, 1.0, 1.0)) < CHANCE
    require(close, "value", found=found, wanted=true_power(3, 1.0, 1.0))
    twice = called(power, 3, 2.0, 2.0)
    require(abs(twice - true_power(3, 2.0, 2.0)) < CHANCE, "deviation", found=twice)
    large = called(power, 3, 2.0, 1.0)
    wanted = true_power(3, 2.0, 1.0)
    require(abs(large - wanted) < CHANCE, "difference", found=large, wanted=wanted)
    many = called(power, 10, 1.0, 1.0)
    wanted = true_power(10, 1.0, 1.0)
    require(abs(many - wanted) < CHANCE, "seeds", found=many, wanted=wanted)
    return {"few": found, "many": many}


def exercise_6(seeds_needed: Callable[..., Any]) -> dict[str, int]:
    """Check the number of seeds; where chance decides between two numbers, both are right."""
    for difference, wanted in ((1.0, 0.8), (4.0, 0.8), (20.0, 0.8), (1.0, 0.5)):
        told = () if wanted == 0.8 else (wanted,)
        found = called(seeds_needed, difference, 1.0, *told)
        require(isinstance(found, int), "no_int", found=type(found).__name__)
        require(found >= 2, "too_few_to_judge", found=found)
        reached = true_power(found, difference, 1.0)
        facts = {"difference": difference, "wanted": wanted, "found": found, "power": reached}
        at_eighty = true_power(found, difference, 1.0) > 0.79
        require(wanted == 0.8 or not at_eighty, "wanted_ignored", **facts)
        require(reached > wanted - 0.01, "too_few", **facts)
        if found > 2:
            before = true_power(found - 1, difference, 1.0)
            start = difference == 20.0
            require(not start, "start", **facts)
            require(before < wanted + 0.01, "too_many", **facts, before=before)
    return {"one": called(seeds_needed, 1.0, 1.0), "half": called(seeds_needed, 0.5, 1.0)}


def exercise_7(reaches: Callable[..., Any]) -> None:
    """Check the reach of every choice of seeds."""
    differences = {0: -3.0, 7: 1.0, 18: -5.0, 40: -4.0}
    found = called(reaches, differences)
    require(isinstance(found, dict), "no_dict", found=type(found).__name__)
    require(list(found) == [2, 3, 4], "numbers", found=list(found))
    truth = {}
    for n in (2, 3, 4):
        intervals = map(students_interval, combinations(differences.values(), n))
        truth[n] = [(high - low) / 2 for low, high in intervals]
    for n, values in truth.items():
        told = {"n": n, "found": len(found[n]) if isinstance(found[n], list) else found[n]}
        require(isinstance(found[n], list), "no_list", **told)
        require(not (len(found[n]) == 1 < len(values)), "one_choice", **told)
        require(len(found[n]) == len(values), "choices", **told, wanted=len(values))
        for mine, value in zip(sorted(found[n]), sorted(values), strict=True):
            require(isinstance(mine, float), "no_float", n=n, found=mine)
            require(abs(mine - 2 * value) > 1e-6, "width", n=n, found=mine)
            require(abs(mine - value) < 1e-6, "value", n=n, found=mine, wanted=value)

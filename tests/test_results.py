"""The published page says what the published numbers say."""

import json
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from slae_lib.ablation.results import AblationResults, compare, t_interval
from slae_lib.config import ModelConfig
from slae_lib.evaluation.cost import MODELS, count
from slae_lib.training.families import model_from_dict

RESULTS = Path(__file__).parents[1] / "figures" / "results"


def prose() -> str:
    return " ".join((RESULTS / "README.md").read_text(encoding="utf-8").split())


def load(name: str) -> dict[str, Any]:
    values = json.loads((RESULTS / name).read_text(encoding="utf-8"))
    assert values["format"] == "slae-lab-cost-1"
    return values


def lines() -> list[str]:
    text = (RESULTS / "README.md").read_text(encoding="utf-8")
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.mark.parametrize("file", sorted(RESULTS.glob("*.json")), ids=lambda file: file.name)
def test_every_file_is_on_the_page_with_its_command(file: Path) -> None:
    values = json.loads(file.read_text(encoding="utf-8"))
    (row,) = (line for line in lines() if line.startswith(f"| `{file.name}` |"))
    assert values["command"] in row
    assert {"hardware", "versions"} <= values.keys()


def test_table_1_is_that_of_the_numbers() -> None:
    page = lines()
    for model in load("cost.json")["models"]:
        expected = (
            f"{model['model']} {model['resolution']} {model['generator_parameters'] / 1e6:.2f} M "
            f"{model['discriminator_parameters'] / 1e6:.2f} M {model['macs'] / 1e9:.2f} G "
            f"{model['iteration_seconds']:.3f} {model['image_seconds']:.4f}"
        )
        assert any(line.startswith(expected) for line in page), expected


def test_the_counts_are_those_of_the_models_today() -> None:
    for model in load("cost.json")["models"]:
        config = MODELS[model["model"]](model["resolution"], 64)
        family = "slae" if isinstance(config, ModelConfig) else "stylegan2"
        stored = model_from_dict({"family": family, **model["config"]})
        assert stored == config
        counts = count(stored)
        assert counts.generator_parameters == model["generator_parameters"]
        assert counts.discriminator_parameters == model["discriminator_parameters"]
        assert counts.macs == model["macs"]


@pytest.mark.parametrize(
    ("file", "most"), [("cost_256_pairs.json", 1.03), ("cost_64_pairs.json", 1.05)]
)
def test_the_pairs_are_those_of_the_numbers(file: str, most: float) -> None:
    page = lines()
    for pair in load(file)["pairs"]:
        first, second = pair["times"]["seconds"]
        expected = (
            f"{pair['model']} {pair['resolution']} {second:.3f} {pair['baseline']} {first:.3f} "
            f"{pair['times']['ratio']:.3f}"
        )
        assert any(line.startswith(expected) for line in page), expected
        assert pair["times"]["ratio"] < most  # "almost no cost"


def test_what_attention_adds_is_in_the_counts() -> None:
    assert "SLAE adds 98 parameters for each of the three or four links" in prose()
    assert "Its metadata add one matrix of 131,072 numbers" in prose()
    for resolution, links in ((256, 3), (1024, 4)):
        base, attention, both = (
            count(MODELS[name](resolution, 64)) for name in ("fastgan", "slae-no-metadata", "slae")
        )
        assert attention.generator_parameters - base.generator_parameters == 98 * links
        assert both.generator_parameters - attention.generator_parameters == 131_072
        assert attention.macs < 1.001 * base.macs  # "less than a thousandth"


def in_words(value: float) -> str:
    return f"{abs(value):.0f} {'lower' if value < 0 else 'higher'}"


def test_what_the_page_says_of_the_ablation_is_in_its_numbers() -> None:
    results = AblationResults.load(RESULTS / "ablation_openmoji-faces.json")
    page = prose()
    means = {name: fmean(results.final(name, "fid").values()) for name in results.systems}
    assert f"FastGAN has the lowest mean FID ({means['fastgan']:.1f}), with metadata" in page
    assert min(means, key=means.__getitem__) == "fastgan"
    assert (
        f"with metadata {means['metadata']:.1f}, with SLAE {means['slae']:.1f}, "
        f"with both {means['slae-metadata']:.1f}."
    ) in page

    assert "FastGAN has the lowest mean FID at 2,000, at 4,000 and at 6,000 images" in page
    family = [name for name in results.systems if name != "stylegan2"]
    orders = []
    for point in range(3):
        mean = {n: fmean(t.points[point].fid for t in results.of(n).values()) for n in family}
        orders.append(sorted(mean, key=mean.__getitem__))
    assert {order[0] for order in orders} == {"fastgan"}
    assert len({tuple(order) for order in orders}) > 1  # "the other three cross"
    early = {
        (name, trial.seed): trial.points[0].diversity
        for name in family
        for trial in results.of(name).values()
    }
    assert min(early, key=early.__getitem__)[0] == "slae-metadata"
    assert min(early.values()) < 0.1
    assert "one of the three runs had collapsed at 2,000 images" in page
    (data,) = {trial.points[-1].images for name in family for trial in results.of(name).values()}
    assert f"three seeds of {data:,} images each" in page

    against = [compare(results, name, "fastgan") for name in ("metadata", "slae", "slae-metadata")]
    assert {found.verdict for found in against} == {"not decided"}
    reaches = [(found.interval.high - found.interval.low) / 2 for found in against]
    assert f"from {min(reaches):.0f} to {max(reaches):.0f} points to either side" in page
    for name in ("metadata", "slae", "slae-metadata"):
        assert compare(results, name, "fastgan", "kid").verdict == "not decided"

    def lower(name: str) -> str:
        found = compare(results, name, "stylegan2")
        assert found.verdict == "better"
        low, high = -found.interval.high, -found.interval.low
        return f"{-found.difference:.0f} {low:.0f} {high:.0f}"

    first, second, third = map(lower, ("fastgan", "metadata", "slae"))
    said = "FID is lower by {} points for FastGAN (interval {} to {})".format(*first.split())
    assert said in page
    assert "by {} with metadata ({} to {})".format(*second.split()) in page
    assert "by {} with SLAE ({} to {})".format(*third.split()) in page
    both = compare(results, "slae-metadata", "stylegan2")
    assert both.verdict == "not decided"
    assert (
        f"with both by {-both.difference:.0f}, in an interval from {in_words(both.interval.low)} "
        f"to {in_words(both.interval.high)}"
    ) in page

    names = ("slae", "fastgan", "metadata", "slae-metadata")
    by_kid = {name: compare(results, name, "stylegan2", "kid") for name in names}
    assert {name for name in names if by_kid[name].verdict == "better"} == {"slae"}
    assert {by_kid[name].verdict for name in names[1:]} == {"not decided"}
    lower_by = {name: f"{-1000 * by_kid[name].difference:.0f}" for name in names}
    low, high = (-1000 * end for end in (by_kid["slae"].interval.high, by_kid["slae"].interval.low))
    assert f"KID x 1000 is lower by {lower_by['slae']} with SLAE ({low:.0f} to {high:.0f})" in page
    assert (
        f"by {lower_by['fastgan']} for FastGAN, by {lower_by['metadata']} with metadata and by "
        f"{lower_by['slae-metadata']} with both, in intervals that hold 0."
    ) in page
    assert "by KID only with SLAE alone, not decided with both by either" in page


def test_what_the_page_says_of_stylegan2s_cost_is_in_its_numbers() -> None:
    models = {(model["model"], model["resolution"]): model for model in load("cost.json")["models"]}

    def ratio(measure: str, resolution: int) -> float:
        ours, theirs = (models[name, resolution][measure] for name in ("fastgan", "stylegan2"))
        return theirs / ours

    page = prose()
    assert "StyleGAN2 needs 8.4 times FastGAN's multiplications" in page
    assert all(8.35 < ratio("macs", resolution) < 8.5 for resolution in (256, 1024))
    assert "took five times as long at 256 px and six times at 1024" in page
    assert round(ratio("iteration_seconds", 256)) == 5
    assert round(ratio("iteration_seconds", 1024)) == 6


def test_the_speed_is_the_measured_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(RESULTS.parents[1] / "tests" / "benchmarks")
    from tables import line

    page = (RESULTS / "README.md").read_text("utf-8")
    least = {"64": 1.1, "256-l1": 1.35, "256-lpips": 1.15, "256-bf16": 2.1}
    for name, ratio in least.items():
        rows = json.loads((RESULTS / f"speed-{name}.json").read_text("utf-8"))["rows"]
        for row in rows:
            assert line(row) in page
            assert row["ratio"] >= ratio
    (full,) = json.loads((RESULTS / "speed-256-l1.json").read_text("utf-8"))["rows"]
    saved = 1 - full["macs"] / full["against"]["macs"]
    assert f"saves {saved:.0%} of all multiplications" in page
    parts = json.loads((RESULTS / "speed.json").read_text("utf-8"))["rows"]
    assert all(line(row) in page for row in parts)
    fid = json.loads((RESULTS / "fid_speed.json").read_text("utf-8"))
    assert fid["ratio"] >= 2
    assert f"take {fid['ratio']:.2f} times less than with" in page
    assert abs(fid["relative_difference"]) < 1e-3


def test_the_readme_tells_the_same_in_five_lines() -> None:
    text = " ".join((RESULTS.parents[1] / "README.md").read_text("utf-8").split())
    pairs = load("cost_256_pairs.json")["pairs"]
    (share,) = {f"{100 * (pair['times']['ratio'] - 1):.1f} %" for pair in pairs}
    assert f"98 parameters to each skip link and {share} to an iteration at 256 px" in text
    results = AblationResults.load(RESULTS / "ablation_openmoji-faces.json")
    plain, both = (fmean(results.final(n, "fid").values()) for n in ("fastgan", "slae-metadata"))
    assert f"on drawn faces {plain:.1f} and {both:.1f}" in text
    results = AblationResults.load(RESULTS / "ablation_pandas-80.json")
    plain, both = (fmean(results.final(n, "fid").values()) for n in ("fastgan", "slae-metadata"))
    assert f"mean FID {plain:.1f} for FastGAN, {both:.1f} with attention and metadata" in text
    rows = [
        json.loads((RESULTS / f"speed-256-{name}.json").read_text("utf-8"))["rows"][0]
        for name in ("l1", "bf16")
    ]
    full, half = (row["ratio"] for row in rows)
    assert f"is {full:.1f} times as fast as before the arithmetic was folded" in text
    assert f"and {half:.1f} times in bf16" in text
    card = " ".join((RESULTS.parents[1] / "data/fluent-128/README.md").read_text("utf-8").split())
    for told in ("moves by 0.1 steps of 255", "other noise moves it by 9"):
        assert told in card
        assert told in text


def test_the_verdict_on_photographs_is_that_of_the_numbers() -> None:
    results = AblationResults.load(RESULTS / "ablation_pandas-80.json")
    page = prose()
    others = ("metadata", "slae", "slae-metadata")
    for trial in results.trials:
        row = [trial.system, str(trial.seed), *(f"{point.fid:.1f}" for point in trial.points)]
        assert " ".join(row) in lines()
    assert len(results.trials) == 12

    for measure, scale in (("fid", 1), ("kid", 1000)):
        ends = {n: scale * fmean(results.final(n, measure).values()) for n in results.systems}
        assert min(ends, key=ends.__getitem__) == "slae-metadata"
        assert f"{ends['slae-metadata']:.1f} beside" in page
        verdicts = {compare(results, n, "fastgan", measure).verdict for n in others}
        assert verdicts == {"not decided"}
    assert "FID 36.1 beside FastGAN's 40.3 and KID x 1000 16.0 beside 21.5" in page
    alone = [compare(results, "metadata", "fastgan", m).difference for m in ("fid", "kid")]
    assert f"{alone[0]:.1f}" == "3.6"
    assert -0.001 < alone[1] < 0

    decided = []
    for place, point in enumerate((6_000, 12_000, 18_000, 24_000, 30_000)):
        cut = tuple(replace(t, points=t.points[: place + 1]) for t in results.trials)
        then = AblationResults(results.facts, cut)
        assert {trial.points[-1].images for trial in cut} == {point}
        found = {(n, m): compare(then, n, "fastgan", m) for n in others for m in ("fid", "kid")}
        decided += [(point, *key) for key, it in found.items() if it.verdict != "not decided"]
        lower = all(d < 0 for it in found.values() for d in it.differences.values())
        assert lower == (point in (6_000, 24_000))
        if point == 6_000:
            apart = [-d for n in others for d in found[n, "fid"].differences.values()]
            assert (round(min(apart)), round(max(apart))) == (1, 25)
        if point <= 12_000:
            both = compare(then, "slae-metadata", "slae")
            assert both.verdict == "not decided"
            assert min(both.differences.values()) < 0 < max(both.differences.values())
        if point == 24_000:
            one = found["slae", "fid"]
            low, high = (f"{-end:.1f}" for end in (one.interval.high, one.interval.low))
            assert f"({-one.difference:.1f} points lower, {low} to {high})" in page
    assert decided == [(24_000, "slae", "fid")]

    early = [t.points[-1].fid - min(p.fid for p in t.points) for t in results.trials]
    lost = [round(points) for points in early if points]
    told = f"in {len(lost)} of the 12 runs FID was lower before, by {min(lost)} to {max(lost)}"
    assert told in page
    minutes = sorted(round(trial.seconds / 60) for trial in results.trials)
    assert (minutes[0], *minutes[-2:]) == (18, 23, 88)


def test_what_is_said_of_copies_of_photographs_is_so() -> None:
    rows = json.loads((RESULTS / "novelty_pandas-80.json").read_text("utf-8"))["rows"]
    assert (len(rows), sum(row["samples"] for row in rows)) == (12, 1_200)
    copies = {(row["system"], row["seed"]): row["copied"] for row in rows if row["copied"]}
    assert copies == {("slae", 2): 1}
    assert {row["expected_without_copying"] for row in rows} == {0}
    near = [row["features"]["different_nearest"] for row in rows]
    assert f"in features, are {min(near)} to {max(near)} different photographs" in prose()


def test_the_pair_at_128_pixels_is_that_of_the_numbers() -> None:
    results = AblationResults.load(RESULTS / "ablation_pandas-80_128.json")
    plain, both = (results.of(name)[0] for name in ("fastgan", "slae-metadata"))
    first, last, early, late = (f"{p.fid:.1f}" for p in (*plain.points, *both.points))
    assert f"FID {first} after 6,000 images and {last} after 12,000" in prose()
    assert f"SLAE with metadata {early} and {late}." in prose()
    first, last, early, late = (f"{1000 * p.kid:.1f}" for p in (*plain.points, *both.points))
    assert f"KID x 1000 says the same ({first} and {last}; {early} and {late})" in prose()
    assert {round(trial.seconds / 60) for trial in results.trials} == {17}
    lesson = (RESULTS.parents[1] / "notebooks/11_ablation_and_cost.ipynb").read_text("utf-8")
    high, low = (round(trial.points[0].fid) for trial in (both, plain))
    assert (
        f"128 pixels had it the other way round, {high} with both beside FastGAN's {low}." in lesson
    )


def test_the_table_of_back_tracking_is_that_of_the_numbers() -> None:
    rows = json.loads((RESULTS / "backtracking_pandas-20.json").read_text("utf-8"))["rows"]
    nearer = {}
    for row in rows:
        low, high = row["interval_95"]
        told = f"{row['mean_at_random_start']:.2f} {row['mean']:.2f} {low:.2f} to {high:.2f}"
        assert f"{row['system']} {row['searched']} {told}" in lines()
        assert (len(row["images"]), row["training_images_among_them"]) == (20, 0)
        pairs = [rows[0]["images"][name] - row["images"][name] for name in row["images"]]
        nearer[row["system"], row["searched"]] = fmean(pairs), *t_interval(pairs)
    told = [f"{value:.2f}" for value in nearer["slae", "noise"]]
    assert told == ["0.05", "-0.21", "0.31"]
    searched = [nearer[name, "noise and metadata"] for name in ("metadata", "slae-metadata")]
    held = [nearer[name, "noise"] for name in ("metadata", "slae-metadata")]
    assert [f"{mean:.2f} {low:.2f} {high:.2f}" for mean, low, high in searched] == [
        "0.11 -0.13 0.35",
        "0.13 -0.11 0.37",
    ]
    assert [f"{-mean:.2f}" for mean, _, _ in held] == ["0.28", "0.33"]
    assert all(high < 0 for _, _, high in held)


def test_the_growth_with_the_pictures_is_the_measured_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(RESULTS.parents[1] / "tests" / "benchmarks")
    from growth import table

    rows = json.loads((RESULTS / "growth.json").read_text("utf-8"))["rows"]
    assert table(rows) in (RESULTS / "README.md").read_text("utf-8")
    later = [row for row in rows if row["start"] > 1]
    assert {row["pictures"] for row in later} == {100, 10_000, 100_000}
    few = max(row["peak_bytes"] for row in later if row["pictures"] == 100)
    for row in later:
        assert row["start_seconds"] < 5
        assert row["peak_bytes"] + row["workers_bytes"] - few < 300e6


def sweep(file: str) -> dict[str, dict[str, Any]]:
    """Return the trials of a sweep by name, with the seed if it is another than 0.

    Each of them is a line of the page.
    """
    page = lines()
    values = json.loads((RESULTS / file).read_text(encoding="utf-8"))
    trials = {
        row["name"] + (f", seed {row['seed']}" if row["seed"] else ""): row
        for row in values["trials"]
    }
    assert len(trials) == len(values["trials"])
    for name, row in trials.items():
        expected = (
            f"{name} {row['cpu_seconds']:.0f} {row['fid']:.0f} {row['kid_1000']:.1f} "
            f"{row['broken']:.1%} {row['diversity']:.2f} {row['different_nearest']}"
        )
        assert expected in page
    return trials


def test_what_is_said_of_the_further_settings_is_so() -> None:
    trials = sweep("sweep_further_fluent-faces.json")
    now = trials.pop("now")
    for key in ("fid", "kid_1000"):
        apart = {name: row[key] - now[key] for name, row in trials.items()}
        assert round(max(abs(apart["gain-half"]), abs(apart["lecam-03"]))) <= 3
        assert apart["batch-4"] > 5
    assert trials["ada-color"]["discriminator"] < 1 < now["discriminator"]
    least, lighter, heavier = (trials[name] for name in ("r1-003", "r1-01", "r1-1"))
    losses = [f"{row['discriminator']:.2f}" for row in (least, lighter, heavier)]
    assert losses == ["1.91", "1.97", "1.99"]
    assert least["kid_1000"] < lighter["kid_1000"] < heavier["kid_1000"]
    assert round(lighter["kid_1000"] - now["kid_1000"]) == 26
    assert f"{trials['no-augment']['discriminator']:.2f}" == "0.70"
    assert f"{trials['three-at-once']['discriminator']:.2f}" == "1.06"
    without, long = trials["no-metadata"], trials["long-4000"]
    assert round(without["kid_1000"] - now["kid_1000"]) == 24
    of_seed = [row for row in trials.values() if row["seed"] == without["seed"]]
    assert min(of_seed, key=lambda row: row["broken"]) is without
    three = seeds("fluent-faces")
    before = three["before", 0]
    ratios = [f"{long[key] / before[key]:.2f}" for key in ("fid", "kid_1000")]
    assert ratios == ["0.78", "0.66"]
    worse = "batch-4 width-16 cutout halved-last rates-half rates-twice three-at-once".split()
    assert min(trials[name]["kid_1000"] for name in worse) > now["kid_1000"]
    assert trials["bf16"]["cpu_seconds"] > now["cpu_seconds"]
    base = three["rates-more-longer", 0]
    assert (round(base["fid"]), f"{base['kid_1000']:.1f}") == (107, "66.9")
    for name in "rates-four-more linear noise-16 gain-four batch-16-rates-more".split():
        assert all(trials[name][key] > base[key] for key in ("fid", "kid_1000"))
    assert trials["gain-eight"]["kid_1000"] < base["kid_1000"]
    same_seed = [row["kid_1000"] for (_, seed), row in three.items() if seed == 1]
    assert trials["beta2-99, seed 1"]["kid_1000"] > max(same_seed)
    for name in ("batch-16-rates-more", "batch-16-beta2-99"):
        assert trials[name]["kid_1000"] > three["batch-16-rates", 0]["kid_1000"]
    halves = [trials["lecam-03"][key] / now[key] for key in ("real_logits", "fake_logits")]
    assert halves == pytest.approx([0.5, 0.5], abs=0.05)


def test_the_table_of_the_sweep_is_that_of_the_numbers() -> None:
    trials = sweep("sweep_fluent-faces.json")
    assert len(trials) == 13
    # What is said of it below the table.
    assert min(trials, key=lambda name: trials[name]["kid_1000"]) == "more-iterations"
    assert min(trials, key=lambda name: trials[name]["broken"]) == "color-2000"
    falling = [row for row in trials.values() if "--rates-fall-from" in row["command"]]
    steady = [row for row in trials.values() if "--rates-fall-from" not in row["command"]]
    assert len(falling) == 5
    assert max(row["discriminator"] for row in falling) < min(r["discriminator"] for r in steady)
    assert all(row["kid_1000"] > trials["base"]["kid_1000"] for row in falling)


@pytest.mark.parametrize("file", sorted(RESULTS.glob("sweep_seeds_*.json")), ids=lambda f: f.stem)
def test_the_tables_of_three_seeds_are_those_of_the_numbers(file: Path) -> None:
    page, trials = lines(), json.loads(file.read_text("utf-8"))["trials"]
    means = {}
    for name in dict.fromkeys(row["name"] for row in trials):
        rows = [row for row in trials if row["name"] == name]
        assert {row["seed"] for row in rows} == {0, 1, 2}
        keys = ("fid", "kid_1000", "broken", "diversity", "different_nearest")
        means[name] = {key: fmean(row[key] for row in rows) for key in keys}
        for row in (*rows, {"seed": "mean", **means[name]}):
            assert (
                f"{name} {row['seed']} {row['fid']:.1f} {row['kid_1000']:.1f} {row['broken']:.1%} "
                f"{row['diversity']:.2f} {row['different_nearest']:.0f}"
            ) in page


def seeds(data: str) -> dict[tuple[str, int], dict[str, Any]]:
    """Return the trials of a set of pictures with three seeds, by setting and seed."""
    values = json.loads((RESULTS / f"sweep_seeds_{data}.json").read_text(encoding="utf-8"))
    return {(row["name"], row["seed"]): row for row in values["trials"]}


def test_what_is_said_of_three_seeds_is_so() -> None:
    trials = seeds("fluent-faces")
    names = {name for name, _ in trials}

    def of_seeds(name: str, key: str) -> list[float]:
        return [trials[name, seed][key] for seed in range(3)]

    def mean(name: str, key: str) -> float:
        return fmean(of_seeds(name, key))

    def gains(name: str, key: str, beside: str = "now") -> list[float]:
        """How much lower than beside it, least first."""
        both = of_seeds(beside, key), of_seeds(name, key)
        return sorted(high - low for high, low in zip(*both, strict=True))

    for name, *ratios in (
        ("now", 0.89, 0.79),
        ("rates-more", 0.85, 0.75),
        ("rates-more-longer", 0.83, 0.72),
    ):
        found = [mean(name, key) / mean("before", key) for key in ("fid", "kid_1000")]
        assert found == pytest.approx(ratios, abs=0.005)
    falls = gains("now", "kid_1000", "before")
    assert (round(falls[0]), round(falls[-1])) == (10, 34)
    assert gains("now", "fid", "before")[0] > 0
    assert [round(gain) for gain in gains("longer", "kid_1000")] == [0, 3, 6]
    longer = mean("longer", "kid_1000") / mean("before", "kid_1000")
    assert longer == pytest.approx(0.76, abs=0.005)
    assert mean("longer", "diversity") < mean("now", "diversity")
    higher = gains("rates-more", "fid")
    assert (round(higher[0]), round(higher[-1])) == (2, 8)
    assert gains("rates-more", "kid_1000")[0] < 0 < gains("rates-more", "kid_1000")[-1]

    best = "rates-more-longer"
    assert {min(names, key=lambda name: mean(name, key)) for key in ("fid", "kid_1000")} == {best}
    assert min(mean(name, "fid") for name in names) > 0.83 * mean("before", "fid")
    assert min(mean(name, "kid_1000") for name in names) > 0.71 * mean("before", "kid_1000")
    assert [round(gain) for gain in gains(best, "fid")] == [6, 7, 10]
    lower = gains(best, "kid_1000")
    assert round(lower[0]) == -1
    assert lower[1] > 0
    fewest = {"batch-16-rates", "gain-two"}
    assert {name for name in names if mean(name, "broken") <= 0.03} == fewest
    for name, fid, kid in (("batch-16-rates", 0.87, 0.81), ("gain-two", 0.85, 0.72)):
        one = [trials[name, 0][key] / trials["before", 0][key] for key in ("fid", "kid_1000")]
        assert one == pytest.approx([fid, kid], abs=0.005)
        assert abs(mean(name, "fid") - mean("now", "fid")) < 1.5
        assert mean(name, "diversity") < mean("now", "diversity")
        assert mean(name, "different_nearest") < mean("now", "different_nearest")
    first, *others = (
        trials["gain-two", seed]["kid_1000"] < trials[best, seed]["kid_1000"] for seed in range(3)
    )
    assert first
    assert not any(others)


@pytest.mark.parametrize(
    ("data", "ratios", "lower"),
    [
        ("100-shot-panda", (("fid", 0.99, 0.82), ("kid_1000", 1.11, 0.80)), [True, True, False]),
        ("stamps-animals", (("fid", 0.99, 0.91), ("kid_1000", 0.96, 0.80)), [True, True, False]),
    ],
)
def test_what_is_said_of_three_seeds_on_photographs_is_so(
    data: str, ratios: tuple[tuple[str, float, float], ...], lower: list[bool]
) -> None:
    by_seed = seeds(data)
    for key, ratio, of_seed in ratios:
        before, now = (
            [by_seed[name, seed][key] for seed in range(3)] for name in ("before", "now")
        )
        assert fmean(now) / fmean(before) == pytest.approx(ratio, abs=0.005)
        assert now[0] / before[0] == pytest.approx(of_seed, abs=0.005)
        assert [low < high for low, high in zip(now, before, strict=True)] == lower
    assert not any(row["copies"] for row in by_seed.values())


def test_the_table_of_robustness_is_that_of_the_numbers() -> None:
    page = lines()
    inputs, kills = (
        json.loads((RESULTS / f"robustness_{name}.json").read_text("utf-8"))
        for name in ("inputs", "kills")
    )
    rows = inputs["rows"]
    for row in rows:
        assert " ".join(str(value) for value in row.values()) in page
    whole, files = rows[-1], [row for row in rows[:-1] if not row["kind"].startswith("slae")]
    assert whole["inputs"] == sum(row["inputs"] for row in rows[:-1]) >= 10_000
    assert len(files) >= 10
    assert not [row["findings"] for row in rows if row["findings"]]
    assert not inputs["findings"] + kills["findings"]
    told = kills["kills"]
    runs = told["as before"]
    assert (
        f"{told['kills']} kills at {len(told['writes'])} kinds of writes, in {runs} runs" in prose()
    )
    assert told["kills"] == sum(told["writes"].values()) >= 300


def test_the_times_of_the_stage_are_the_measured_ones() -> None:
    page = lines()
    values = json.loads((RESULTS / "stage.json").read_text("utf-8"))
    for place in ("page", "notebook"):
        for px in ("64", "128"):
            told = values[place][px]
            stroke, noise = told["a stroke of the brush"], told["another noise"]
            each = [stroke["median_ms"], stroke["slowest_ms"], noise["median_ms"]]
            each = [*filter(None, [told.get("first_paint_ms")]), *each, noise["slowest_ms"]]
            assert " ".join([place, px, *(f"{value:.0f}" for value in each)]) in page
            assert place == "page" or stroke["median_ms"] < 150
    assert values["page"]["64"]["first_paint_ms"] < 1000
    assert values["page"]["64"]["a stroke of the brush"]["median_ms"] < 40


def test_the_cost_of_a_checkpoint_is_the_measured_one() -> None:
    rows = json.loads((RESULTS / "speed-checkpoint.json").read_text("utf-8"))["rows"]
    for row, words in zip(rows, ("written in", "read in"), strict=True):
        assert f"{words} {row['median']:.2f} s ({row['against']['median']:.2f} before" in prose()

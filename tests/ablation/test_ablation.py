"""The ablation: fair settings, statistics worked out by hand, and a run that can be stopped."""

import dataclasses
import json
import math
import shutil
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner
from inception_doubles import Projection

from slae_lib.ablation import (
    SYSTEMS,
    Ablation,
    AblationResults,
    compare,
    final_table,
    run_ablation,
    system_configs,
)
from slae_lib.ablation.records import earlier_trials, is_run, wanted_run
from slae_lib.ablation.results import Point, Trial, t_interval
from slae_lib.cli import main
from slae_lib.course.capstone import read_table
from slae_lib.datasets import load_images
from slae_lib.evaluation.frechet import frechet_distance
from slae_lib.plotting.ablation import ablation_figure, markdown, styles, write_page
from slae_lib.support.errors import LabError, UsageError
from slae_lib.training.checkpoint import checkpoint_path, list_checkpoints
from slae_lib.training.presets import PRESETS
from slae_lib.training.recorder import Recorder
from slae_lib.training.state import StepLosses

RESULTS = Path(__file__).parents[2] / "figures" / "results"


def trial(system: str, seed: int, *fids: float) -> Trial:
    points = tuple(Point(100 * (i + 1), fid, fid / 1000, 0.9) for i, fid in enumerate(fids))
    return Trial(system, seed, 1_500_000, 10.0 + seed, points)


def results(*trials: Trial) -> AblationResults:
    facts = {
        "command": "slae ablate",
        "data": "faces",
        "real_images": 95,
        "resolution": 64,
        "generated_images": 100,
        "hardware": "2 CPU cores",
        "versions": {"torch": "2.14"},
    }
    return AblationResults(facts, trials)


EXAMPLE = results(
    *(trial("fastgan", seed, 200.0, 100.0 + seed) for seed in range(3)),
    *(trial("slae-metadata", seed, 150.0, 90.0 + 2 * seed) for seed in range(3)),
    trial("stylegan2", 1, 300.0, 250.0),
)


def test_the_four_models_are_the_four_combinations() -> None:
    found = {}
    for name in ("fastgan", "metadata", "slae", "slae-metadata"):
        model, train = system_configs(name, "cpu-demo")
        found[name] = (model.skip, model.metadata)
        assert train == PRESETS["cpu-demo"].train
        base = PRESETS["cpu-demo"].model
        assert dataclasses.replace(model, skip=base.skip, metadata=base.metadata) == base
    assert found == {
        "fastgan": ("sle", False),
        "metadata": ("sle", True),
        "slae": ("slae", False),
        "slae-metadata": ("slae", True),
    }


@pytest.mark.parametrize("preset", list(PRESETS))
def test_stylegan2_sees_the_same_images_in_the_same_way(preset: str) -> None:
    _, ours = system_configs("fastgan", preset)
    model, theirs = system_configs("stylegan2", preset)
    assert model.resolution == PRESETS[preset].model.resolution
    for field in ("batch_size", "augment", "ema_decay", "flip", "device", "precision"):
        assert getattr(theirs, field) == getattr(ours, field), field
    assert theirs.learning_rate == 0.002  # its own paper's


def test_all_systems_are_as_large_and_as_wide_as_asked_for(tmp_path: Path) -> None:
    plan = Ablation("fluent-faces", tmp_path, resolution=128, width=16)
    for system in plan.systems:
        model, _ = plan.configs(system, 0)
        usual, _ = Ablation("fluent-faces", tmp_path).configs(system, 0)
        assert (model.resolution, usual.resolution) == (128, 64)
        for name in ("width", "channel_base", "channel_max"):
            if hasattr(model, name):
                assert getattr(model, name) == 2 * getattr(usual, name)


def test_every_run_sees_as_many_images_and_is_measured_as_often(tmp_path: Path) -> None:
    ablation = Ablation("fluent-faces", tmp_path, images=1000, points=3)
    for system in SYSTEMS:
        _, config = ablation.configs(system, 7)
        assert config.iterations == 126  # 125 batches of 8 are 1,000; 3 equal parts
        assert config.checkpoint_every == 42
        assert config.seed == 7
        assert config.keep_checkpoints == 126  # all


def test_the_interval_of_a_few_values() -> None:
    low, high = t_interval([1.0, 2.0, 3.0])
    assert 2 - low == pytest.approx(4.3027 / math.sqrt(3), rel=1e-4)  # t of 2 degrees, 97.5 %
    assert high - 2 == pytest.approx(2 - low)
    assert t_interval([5.0]) == (-math.inf, math.inf)


def test_systems_are_compared_seed_by_seed() -> None:
    found = compare(EXAMPLE, "slae-metadata", "fastgan")
    assert found.differences == {0: -10, 1: -9, 2: -8}
    assert found.difference == -9
    assert found.interval == pytest.approx((-9 - 2.4841, -9 + 2.4841), rel=1e-4)
    assert found.verdict == "better"
    assert compare(EXAMPLE, "stylegan2", "fastgan").differences == {1: 149}
    assert compare(EXAMPLE, "stylegan2", "fastgan").verdict == "not decided"
    assert compare(EXAMPLE, "fastgan", "slae-metadata").verdict == "worse"
    with pytest.raises(LabError, match="no seed in common"):
        compare(results(trial("slae", 0, 1.0), trial("fastgan", 1, 1.0)), "slae", "fastgan")


def test_the_table_says_how_sure_it_is() -> None:
    table = final_table(EXAMPLE).splitlines()
    assert len(table) == 2 + 3
    assert "| FastGAN | 3 | 1.50 M | 101.0 ± 1.0 | 101.0 ± 1.0 | 0.90 ± 0.00 | - | - |" in table
    assert table[3].endswith("| -9.0 [-11.5, -6.5]: better | -9.0 [-11.5, -6.5]: better |")
    assert table[4].endswith("| +149.0 (one seed) | +149.0 (one seed) |")
    assert "± " not in table[4].split("|")[4]


def test_systems_without_a_common_seed_stand_in_one_table() -> None:
    table = final_table(results(trial("slae", 0, 1.0), trial("fastgan", 1, 1.0))).splitlines()
    assert len(table) == 2 + 2
    assert table[3].endswith("| 0.90 | - | - |")


def test_results_go_to_a_file_and_back(tmp_path: Path) -> None:
    EXAMPLE.save(tmp_path / "results.json")
    assert AblationResults.load(tmp_path / "results.json") == EXAMPLE
    (tmp_path / "other.json").write_text('{"format": "else"}')
    with pytest.raises(LabError, match=r"not written by this lab \(another format\); write"):
        AblationResults.load(tmp_path / "other.json")
    with pytest.raises(LabError, match="does not exist"):
        AblationResults.load(tmp_path / "none.json")


def test_no_two_systems_differ_by_colour_alone() -> None:
    assert styles().keys() == SYSTEMS.keys()
    for column in range(3):
        kinds = {style[column] for style in styles().values()}
        assert len(kinds) >= 4
    assert len({style[1] for style in styles().values()}) == len(styles())


def test_the_figure_draws_every_seed_and_the_mean() -> None:
    figure = ablation_figure(EXAMPLE, title="x")
    fid = figure.axes[0]
    thick = {line.get_label(): line for line in fid.lines if not line.get_label().startswith("_")}
    assert list(thick) == ["FastGAN", "FastGAN + SLAE + metadata", "StyleGAN2"]
    assert list(thick["FastGAN"].get_xdata()) == [100, 200]
    assert list(thick["FastGAN"].get_ydata()) == [200, 101]
    assert len(fid.lines) == 3 + 7


def test_fid_is_also_drawn_over_the_minutes_of_training() -> None:
    # Seed 0 takes 10 s, seed 1 11 s and seed 2 12 s for 200 images.
    over = ablation_figure(EXAMPLE, title="x").axes[3]
    assert "minutes" in over.get_xlabel()
    assert list(over.lines[1].get_xdata()) == pytest.approx([5.5 / 60, 11 / 60])
    mean = next(line for line in over.lines if line.get_label() == "FastGAN")
    assert list(mean.get_xdata()) == pytest.approx([5.5 / 60, 11 / 60])
    assert list(mean.get_ydata()) == [200, 101]
    # A run that waited for hours moves its own line, and not that of the system.
    trials = tuple(
        dataclasses.replace(t, seconds=t.seconds * 500 ** (t.seed == 2)) for t in EXAMPLE.trials
    )
    over = ablation_figure(AblationResults(EXAMPLE.facts, trials), title="x").axes[3]
    mean = next(line for line in over.lines if line.get_label() == "FastGAN")
    assert list(mean.get_xdata()) == pytest.approx([5.5 / 60, 11 / 60])
    assert max(over.lines[2].get_xdata()) == pytest.approx(100)


def test_markers_at_the_edges_are_whole_and_kid_is_that_of_the_table() -> None:
    # One narrow curve: the automatic top would be a hair above it, and half its marker cut off.
    narrow = results(trial("fastgan", 0, 200.0, 199.0, 198.5))
    fid, kid, diversity, _ = ablation_figure(narrow, title="x").axes
    assert fid.get_ylim() == pytest.approx((0, 212))
    assert diversity.get_ylim() == pytest.approx((0, 1.06))
    thick = next(line for line in kid.lines if line.get_label() == "FastGAN")
    assert list(thick.get_ydata()) == pytest.approx([200, 199, 198.5])
    assert "KID x 1000" in kid.get_title()
    # KID is unbiased, so it can be below zero.
    below = results(trial("fastgan", 0, 2.0, -1.0))
    low, high = ablation_figure(below, title="x").axes[1].get_ylim()
    assert low < -1
    assert high > 2


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Ablation, AblationResults]:
    folder = tmp_path_factory.mktemp("whole")
    ablation = small(folder)
    return ablation, run_ablation(
        ablation, "slae ablate", folder / "r.json", lambda _: None, Projection()
    )


def small(folder: Path, **changes) -> Ablation:
    settings = {
        "systems": ("fastgan", "slae-metadata", "stylegan2"),
        "seeds": (0, 1),
        "images": 16,
        "points": 2,
        "count": 12,
        "preset": "cpu-smoke",
    }
    return Ablation("fluent-faces", folder, **(settings | changes))


def without_time(found: AblationResults) -> list[Trial]:
    return [dataclasses.replace(trial, seconds=0.0) for trial in found.trials]


def test_a_whole_ablation(whole: tuple[Ablation, AblationResults]) -> None:
    ablation, found = whole
    assert [(trial.system, trial.seed) for trial in found.trials] == [
        (system, seed) for seed in ablation.seeds for system in ablation.systems
    ]
    for trial in found.trials:
        assert [point.images for point in trial.points] == [8, 16]
        assert trial.seconds > 0
        assert not list((ablation.folder / f"{trial.system}-{trial.seed}").glob("checkpoints/*"))
    values = [point.fid for trial in found.trials for point in trial.points]
    assert len(set(values)) == len(values)  # every measurement is one of its own
    assert AblationResults.load(ablation.folder / "r.json") == found
    assert found.facts["generated_images"] == 12


def test_the_last_measurement_is_of_the_finished_generator(
    whole: tuple[Ablation, AblationResults],
) -> None:
    from slae_lib.training.sampling import sample_images

    ablation, found = whole
    network = Projection()
    real = network.of(load_images("fluent-faces", 64))
    for trial in found.trials[3:]:  # seed 1
        file = ablation.folder / f"{trial.system}-1" / "generator.safetensors"
        drawn = network(sample_images(file, 12, seed=1))
        assert trial.points[-1].fid == pytest.approx(frechet_distance(real, drawn), rel=1e-3)


def test_a_stopped_ablation_goes_on_and_ends_the_same(
    whole: tuple[Ablation, AblationResults], tmp_path: Path
) -> None:
    ablation = small(tmp_path)
    said: list[str] = []

    def stop(text: str) -> None:
        said.append(text)
        if text == "StyleGAN2, seed 0":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_ablation(ablation, "slae ablate", tmp_path / "r.json", stop, Projection())
    assert len(AblationResults.load(tmp_path / "r.json").trials) == 2
    first = (tmp_path / "fastgan-0" / "generator.safetensors").stat().st_mtime_ns
    found = run_ablation(ablation, "slae ablate", tmp_path / "r.json", said.append, Projection())
    assert without_time(found) == without_time(whole[1])
    assert (tmp_path / "fastgan-0" / "generator.safetensors").stat().st_mtime_ns == first


def test_a_training_stopped_between_two_points_loses_none(
    whole: tuple[Ablation, AblationResults], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ablation = small(tmp_path, systems=("fastgan",), seeds=(0,))
    _, config = ablation.configs("fastgan", 0)
    stop_at = config.checkpoint_every + 1
    record = Recorder.record

    def stopping(self: Recorder, losses: StepLosses) -> dict[str, float | None] | None:
        if self.state.iteration == stop_at:
            signal.raise_signal(signal.SIGINT)
        return record(self, losses)

    monkeypatch.setattr(Recorder, "record", stopping)
    with pytest.raises(KeyboardInterrupt):
        run_ablation(ablation, "", tmp_path / "r.json", lambda _: None, Projection())
    folder = tmp_path / "fastgan-0" / "checkpoints"
    assert checkpoint_path(folder, stop_at) in list_checkpoints(folder)
    monkeypatch.setattr(Recorder, "record", record)
    found = run_ablation(ablation, "", tmp_path / "r.json", lambda _: None, Projection())
    assert found.trials[0].points == whole[1].of("fastgan")[0].points


def test_a_damaged_trial_is_named(whole: tuple[Ablation, AblationResults], tmp_path: Path) -> None:
    ablation = small(tmp_path, systems=("fastgan",), seeds=(0,))
    run = tmp_path / "fastgan-0"
    shutil.copytree(whole[0].folder / "fastgan-0", run)

    def again() -> None:
        run_ablation(ablation, "", tmp_path / "r.json", lambda _: None, Projection())

    again()
    (run / "ablation.json").write_text("{")
    with pytest.raises(LabError, match=r"ablation\.json is damaged .* delete the folder"):
        again()
    (run / "ablation.json").unlink()
    with pytest.raises(LabError, match=r"has lost step-\d+\.pt, .*trained again"):
        again()


def test_results_that_cannot_be_written_are_refused_before_the_training(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    ablation = small(tmp_path / "runs")
    with pytest.raises(LabError, match="is a folder; give the name of a file"):
        run_ablation(ablation, "", tmp_path / "results", lambda _: None, Projection())
    assert not (tmp_path / "runs").exists()


def test_other_settings_in_the_same_folder_are_named(
    whole: tuple[Ablation, AblationResults],
) -> None:
    folder = whole[0].folder
    with pytest.raises(LabError, match=r"measured with 12 generated images and not 5; give"):
        run_ablation(small(folder, count=5), "", folder / "x.json", lambda _: None, Projection())
    with pytest.raises(LabError, match="holds a run with other settings"):
        run_ablation(small(folder, images=32), "", folder / "x.json", lambda _: None, Projection())
    with pytest.raises(UsageError, match="count is 1"):
        small(folder, count=1)
    with pytest.raises(UsageError, match="points is 0"):
        small(folder, points=0)
    with pytest.raises(UsageError, match=r"images is 3; for points = 2 it has to be 4 or more"):
        small(folder, images=3)


def test_the_command_takes_several_seeds_and_gathers(
    whole: tuple[Ablation, AblationResults], monkeypatch
) -> None:
    ablation, found = whole
    monkeypatch.setattr("slae_lib.ablation.runner.InceptionFeatures", lambda _: Projection())
    words = "ablate --seeds 0 1 --systems fastgan slae-metadata stylegan2 --images 16 --points 2"
    result = CliRunner().invoke(
        main,
        [*words.split(), "--count", "12", "--preset", "cpu-smoke", "--out", str(ablation.folder)],
    )
    assert result.exit_code == 0, result.output
    assert final_table(found) in result.output
    for name in ("ablation.json", "ablation.md", "ablation.png"):
        assert (ablation.folder / name).exists()


def test_finished_runs_are_handed_in_to_a_table(
    whole: tuple[Ablation, AblationResults], tmp_path: Path
) -> None:
    ablation, found = whole
    table = tmp_path / "claim_1.csv"
    for number, trial in enumerate(found.trials, start=1):
        run = ablation.folder / f"{trial.system}-{trial.seed}"
        result = CliRunner().invoke(main, ["ablate", "submit", str(run), str(table)])
        assert result.exit_code == 0, result.output
        told = f"{trial.system} with seed {trial.seed} is row {number}."
        assert result.output == f"{table}: {told}\n"
    rows = read_table(table)
    assert [float(row["fid"]) for row in rows] == [trial.points[-1].fid for trial in found.trials]
    assert {(row["data"], row["preset"], row["count"]) for row in rows} == {
        ("fluent-faces", "cpu-smoke", "12")
    }
    result = CliRunner().invoke(main, ["ablate", "submit", str(run), str(table)])
    assert result.exit_code == 2
    assert result.output.startswith("Error: ")
    assert "has stylegan2 with seed 1 already" in result.output


def test_a_part_of_the_systems_keeps_the_other_results(
    whole: tuple[Ablation, AblationResults],
) -> None:
    ablation, found = whole
    said: list[str] = []
    file = ablation.folder / "part.json"
    part = small(ablation.folder, systems=("slae-metadata",), seeds=(1,))
    (ablation.folder / "slae-7").mkdir()
    (ablation.folder / "slae-7" / "ablation.json").write_text("damaged")
    try:
        gathered = run_ablation(part, "slae ablate", file, said.append, Projection())
    finally:
        shutil.rmtree(ablation.folder / "slae-7")
    assert gathered.trials[0] == found.of("slae-metadata")[1]
    assert set(gathered.trials) == set(found.trials)
    assert len(gathered.trials) == len(found.trials)
    assert AblationResults.load(file) == gathered
    names = "fastgan-0, slae-metadata-0, stylegan2-0, fastgan-1, stylegan2-1"
    assert f"Gathered from earlier calls: {names}." in said
    assert "Left out, because of other settings or damage: slae-7." in said
    assert f"From earlier calls with the same settings: {names}." in markdown(gathered)


def test_results_of_other_settings_are_not_gathered(
    whole: tuple[Ablation, AblationResults],
) -> None:
    images = load_images("fluent-faces", 64)
    none = {"systems": ("slae",), "seeds": (5,)}
    assert len(earlier_trials(small(whole[0].folder, **none), images)[0]) == 6
    for changes in ({"count": 5}, {"images": 32}, {"points": 1}):
        trials, others = earlier_trials(small(whole[0].folder, **none, **changes), images)
        assert (len(trials), len(others)) == (0, 6)


def test_a_trial_is_known_again_when_its_pictures_have_moved(
    whole: tuple[Ablation, AblationResults],
) -> None:
    wanted = wanted_run(whole[0], "fastgan", 0, load_images("fluent-faces", 64))
    run = whole[0].folder / "fastgan-0"
    assert is_run(run, dataclasses.replace(wanted, data="/moved"))
    assert not is_run(run, dataclasses.replace(wanted, data_fingerprint="others"))


def test_a_rounded_number_of_images_is_announced(tmp_path: Path) -> None:
    text = Ablation("fluent-faces", tmp_path, images=10, points=4).rounding()
    assert text.startswith("Each run sees 32 real images and not 10:")
    assert not Ablation("fluent-faces", tmp_path, images=32, points=4).rounding()
    assert not Ablation("fluent-faces", tmp_path, points=7).rounding()
    said: list[str] = []

    def stop(said_now: str) -> None:
        said.append(said_now)
        if said_now.endswith("seed 0"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_ablation(small(tmp_path, images=13, points=2), "", tmp_path / "r", stop, Projection())
    assert said[0].startswith("Each run sees 16 real images and not 13:")


def test_the_names_on_the_command_line_are_the_systems() -> None:
    choices = {
        option.name: tuple(option.type.choices)
        for option in main.commands["ablate"].params
        if option.name in ("systems", "preset")
    }
    assert choices["systems"] == tuple(SYSTEMS)
    assert choices["preset"] == tuple(PRESETS)


def test_the_page_is_made_from_the_numbers(tmp_path: Path) -> None:
    table, plot = write_page(EXAMPLE, tmp_path / "r.json")
    assert table.read_text(encoding="utf-8") == markdown(EXAMPLE)
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert "slae ablate" in markdown(EXAMPLE)


@pytest.mark.parametrize("file", sorted(RESULTS.glob("ablation*.json")), ids=lambda file: file.stem)
def test_the_published_tables_are_those_of_the_published_numbers(file: Path) -> None:
    published = AblationResults.load(file)
    assert file.with_suffix(".md").read_text(encoding="utf-8") == markdown(published)
    assert file.with_suffix(".png").exists()
    assert json.loads(file.read_text(encoding="utf-8"))["command"].startswith("slae ablate")


@pytest.mark.parametrize("kid", [1e308, -1e308, 10**400, True, "0.1"])
def test_a_measure_that_no_plot_can_hold_is_damage(kid: object) -> None:
    point = {"images": 8, "fid": 1.0, "kid": kid, "diversity": 1.0}
    told = {"system": "slae", "seed": 0, "parameters": 1, "seconds": 1.0, "points": [point]}
    with pytest.raises(ValueError, match="a measure is "):
        Trial.from_dict(told)
    Trial.from_dict({**told, "points": [{**point, "kid": 0.1}]})

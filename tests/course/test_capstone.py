"""The table that many students extend: what it takes, what it refuses, and that it stays whole."""

import csv
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slae_lib.ablation import Ablation, AblationResults
from slae_lib.ablation.records import RECORD, save_record
from slae_lib.ablation.results import Point, Trial
from slae_lib.course.capstone import COLUMNS, read_table, submit
from slae_lib.support.errors import LabError, UsageError
from slae_lib.support.files import stored_file
from slae_lib.training.run import RunInfo

PICTURES = "51d95516f58f98a4c2608e145a0cfe9f"
Told = dict[str, Any]


def finished(
    folder: Path, system: str = "fastgan", seed: int = 0, fid: float = 187.25, **changes: Any
) -> Path:
    """Leave what a finished run of an ablation leaves: its settings and its record."""
    told: Told = {"preset": "cpu-demo", "images": 6000, "points": 3, "count": 100, **changes}
    pictures = told.pop("pictures", PICTURES)
    ablation = Ablation("fluent-faces", folder, **told)
    run = folder / f"{system}-{seed}"
    RunInfo(*ablation.configs(system, seed), "/pictures/of mine", pictures).save(run)
    part = ablation.configs(system, seed)[1].iterations // ablation.points
    batch = ablation.configs(system, seed)[1].batch_size
    points = [Point(part * batch * (i + 1), fid, fid / 1000, 0.9) for i in range(ablation.points)]
    save_record(run, Trial(system, seed, 1, 1.0, tuple(points)), ablation.count)
    return run


def test_the_first_run_makes_the_table_and_others_extend_it(tmp_path: Path) -> None:
    table = tmp_path / "new folder" / "claim_1.csv"
    assert len(submit(finished(tmp_path), table)) == 1
    before = table.read_bytes()
    rows = submit(finished(tmp_path, "slae-metadata", 0, 0.1 + 0.2), table)
    assert table.read_bytes().startswith(before)
    assert [(row["system"], row["seed"]) for row in rows] == [
        ("fastgan", "0"),
        ("slae-metadata", "0"),
    ]
    assert (
        rows[1] | {"kid": ""}
        == {
            "data": "of mine",  # without its folder
            "pictures": PICTURES[:16],
            "preset": "cpu-demo",
            "images": "6000",
            "count": "100",
            "system": "slae-metadata",
            "seed": "0",
            "fid": "0.30000000000000004",  # all digits
            "kid": "",
            "diversity": "0.9",
        }
    )
    assert read_table(table) == rows
    assert submit(finished(tmp_path, "stylegan2", 3), table)[2]["system"] == "stylegan2"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pictures": "0" * 64}, r"has pictures 0{16}, and .* asks for 51d95516f58f98a4 \(of mine"),
        ({"preset": "cpu-smoke"}, "has preset cpu-smoke, and .* asks for cpu-demo"),
        ({"images": 8400}, "has images 8400, and .* asks for 6000"),
        ({"count": 50}, "has count 50, and .* asks for 100"),
        ({"seed": 0}, "has fastgan with seed 0 already"),
    ],
)
def test_a_run_that_does_not_fit_leaves_the_table_as_it_was(
    tmp_path: Path, changes: Told, said: str
) -> None:
    table = tmp_path / "claim_1.csv"
    submit(finished(tmp_path / "mine"), table)
    before = table.read_bytes()
    with pytest.raises(UsageError, match=said) as refused:
        submit(finished(tmp_path / "yours", **{"seed": 1, **changes}), table)
    assert str(refused.value).count(". ") == 0
    assert table.read_bytes() == before


def other_settings(run: Path) -> None:
    info = RunInfo.load(run)
    train = dataclasses.replace(info.train, learning_rate=0.1)
    dataclasses.replace(info, train=train).save(run)


def other_seed(run: Path) -> None:
    record = json.loads((run / RECORD).read_text())
    (run / RECORD).write_text(json.dumps(record | {"seed": 5}))


def other_system(run: Path) -> None:
    record = json.loads((run / RECORD).read_text())
    (run / RECORD).write_text(json.dumps(record | {"system": "biggan"}))


def fewer_images(run: Path) -> None:
    record = json.loads((run / RECORD).read_text())
    record["points"].pop()
    (run / RECORD).write_text(json.dumps(record))


def no_points(run: Path) -> None:
    record = json.loads((run / RECORD).read_text())
    (run / RECORD).write_text(json.dumps(record | {"points": []}))


def words_for_numbers(run: Path) -> None:
    (run / RECORD).write_text((run / RECORD).read_text().replace("187.25", '"low"'))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda run: (run / RECORD).unlink(), "is no finished run of an ablation"),
        (lambda run: (run / "run.json").unlink(), "is not the folder of a run"),
        (lambda run: (run / RECORD).write_text("{"), "is damaged .*delete the folder"),
        (no_points, "is damaged .*delete the folder"),
        (words_for_numbers, "is damaged .*delete the folder"),
        (other_settings, "has settings that no preset gives to fastgan with seed 0"),
        (other_seed, "has settings that no preset gives to fastgan with seed 5"),
        (other_system, "has settings that no preset gives to biggan"),
        (fewer_images, "has settings that no preset gives to fastgan .* and 4000 images"),
    ],
)
def test_a_run_that_is_not_finished_or_was_changed_is_named(
    tmp_path: Path, damage: Callable[[Path], None], said: str
) -> None:
    run = finished(tmp_path)
    damage(run)
    with pytest.raises(LabError, match=said):
        submit(run, tmp_path / "claim_1.csv")
    assert not (tmp_path / "claim_1.csv").exists()


@pytest.mark.parametrize("fid", [float("nan"), float("inf")])
def test_a_run_that_diverged_is_refused(tmp_path: Path, fid: float) -> None:
    with pytest.raises(LabError, match=f"was measured with fid {fid}, kid {fid}, diversity 0.9"):
        submit(finished(tmp_path, fid=fid), tmp_path / "claim_1.csv")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"iteration,images\n1,8\n", "its columns are not data, pictures"),
        (b"", "its columns are not data, pictures"),
        (b"\xff\xfe\x00", "is damaged or was not written"),
        (",".join(COLUMNS).encode() + b"\nfaces,51d9\n", "row 1 has not 10 cells"),
        (",".join(COLUMNS).encode() + b"\n" + b"1," * 10 + b"1\n", "row 1 has not 10 cells"),
        (",".join(COLUMNS).encode() + b"\na,b,c,1,1,fastgan,0,nan,1,1\n", "row 1 has the FID nan"),
        (",".join(COLUMNS).encode() + b"\na,b,c,1,1,fastgan,x,1,1,1\n", "invalid literal"),
    ],
)
def test_something_else_is_not_taken_for_a_table(tmp_path: Path, content: bytes, said: str) -> None:
    table = tmp_path / "claim_1.csv"
    table.write_bytes(content)
    with pytest.raises(LabError, match=said):
        submit(finished(tmp_path), table)
    assert table.read_bytes() == content


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="is a folder; give the name of a file"):
        submit(finished(tmp_path), tmp_path)


def test_a_table_that_cannot_be_written_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "claim_1.csv"
    submit(finished(tmp_path), table)
    before = table.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(csv.DictWriter, "writerows", full)
    with pytest.raises(LabError, match="the disk is full"):
        submit(finished(tmp_path, seed=1), table)
    assert table.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".lock") == [
        "claim_1.csv",
        "fastgan-0",
        "fastgan-1",
    ]


def test_the_example_of_lesson_11_is_the_stored_ablation() -> None:
    """Its settings cannot be taken from a run: those of the first edition are not kept."""
    table, record = (
        stored_file("lesson_11_table.csv"),
        stored_file("results/ablation_openmoji-faces.json"),
    )
    assert table is not None
    assert record is not None
    results = AblationResults.load(record)
    assert read_table(table) == [
        {
            "data": results.facts["data"],
            "pictures": results.facts["data_fingerprint"][:16],
            "preset": results.facts["preset"],
            "images": str(trial.points[-1].images),
            "count": str(results.facts["generated_images"]),
            "system": trial.system,
            "seed": str(trial.seed),
            "fid": repr(trial.points[-1].fid),
            "kid": repr(trial.points[-1].kid),
            "diversity": repr(trial.points[-1].diversity),
        }
        for trial in results.trials
    ]

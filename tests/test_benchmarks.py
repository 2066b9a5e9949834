"""The benchmarks run and keep what they measure; no test looks at a time.

Each is started as its README says, in a process of its own, with networks as small as they come.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

BENCHMARKS = Path(__file__).parent / "benchmarks"
NOT_CARRIED = "click ipywidgets lpips pandas pytest pytorch_fid".split()
"""Modules that a computer with a GPU and no network need not have."""


def run(program: str, *arguments: object, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a benchmark in one thread, without weights, and with nothing to download."""
    one_thread = {"OMP_NUM_THREADS": "1", "SLAE_OFFLINE": "1", "TORCH_HOME": str(home)}
    return subprocess.run(
        [sys.executable, str(BENCHMARKS / program), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | one_thread,
    )


def git_makes_worktrees() -> str | None:
    """Return why git cannot give another revision here, or None."""
    checkout = ["git", "-C", str(BENCHMARKS.parents[1])]
    try:
        known = subprocess.run([*checkout, "rev-parse", "HEAD"], capture_output=True, text=True)
    except FileNotFoundError:
        return "git is not installed"
    if known.returncode:
        return f"git has no revision here: {known.stderr.strip()}"
    held = subprocess.run([*checkout, "cat-file", "-e", "HEAD:slae_lib"], capture_output=True)
    return "the revision does not hold slae_lib" if held.returncode else None


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """What one run over the parts of the lab has kept and printed."""
    home = tmp_path_factory.mktemp("speed")
    file = home / "speed.json"
    tiny = "--resolution 64 --model slae --rounds 1 --batch 2 --images 2 --pictures 4 --device cpu"
    what = "parts,sampling,fid,startup,reading"
    done = run("speed.py", "--what", what, *tiny.split(), "--json", file, home=home)
    assert done.returncode == 0, done.stderr
    return json.loads(file.read_text("utf-8")), done.stdout


def test_every_part_has_its_times_or_its_reason(measured: tuple[dict[str, Any], str]) -> None:
    kept, printed = measured
    parts = {row["part"]: row for row in kept["rows"] if "part" in row}
    assert list(parts) == [
        "generator forward",
        "discriminator step",
        "generator step",
        "optimisers and average",
        "of which reconstruction",
        "sampling",
        "first start",
        "folder, first time",
        "batches from the disk",
    ]
    for part, row in parts.items():
        assert len(row["seconds"]) == 1
        assert row["seconds"][0] > 0 or part == "of which reconstruction", part
        assert part in printed
    [fid] = [row for row in kept["rows"] if row["what"] == "fid"]
    assert fid["skipped"] == "the weights of FID's Inception network are not on this computer"


def test_the_floor_counts_the_generators_own_multiplications(
    measured: tuple[dict[str, Any], str],
) -> None:
    from slae_lib.evaluation.cost import count
    from slae_lib.training.presets import PRESETS

    kept, _ = measured
    [sampling] = [row for row in kept["rows"] if row["what"] == "sampling"]
    assert sampling["macs"] == 2 * count(PRESETS["cpu-demo"].model).macs
    assert sampling["floor_seconds"] == sampling["macs"] / sampling["macs_per_second"]


def test_growth_tells_where_the_pictures_came_from(tmp_path: Path) -> None:
    file, folder = tmp_path / "growth.json", tmp_path / "made"
    tiny = "--counts 3 8 --resolution 64 --batch 2 --later 1 --seconds 0.2 --limit 0".split()
    done = run("growth.py", *tiny, "--folder", folder, "--json", file, home=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = json.loads(file.read_text("utf-8"))["rows"]
    assert [(row["pictures"], row["start"], row["from"]) for row in rows] == [
        *((3, 1, "memory"), (3, 2, "memory"), (8, 1, "memory"), (8, 2, "memory")),
    ]
    assert all(row["start_seconds"] > row["imports_seconds"] > 0 for row in rows)
    made = {path.read_bytes() for path in folder.rglob("*.jpg")}
    assert len(made) == 8  # no two are the same


def test_another_revision_takes_turns(tmp_path: Path) -> None:
    if reason := git_makes_worktrees():
        pytest.skip(reason)
    file, picture = tmp_path / "speed.json", tmp_path / "speed.png"
    tiny = "--what iteration --resolution 64 --model fastgan --rounds 2 --batch 2 --device cpu"
    done = run("speed.py", *tiny.split(), "--against", "HEAD", "--json", file, home=tmp_path)
    assert done.returncode == 0, done.stderr
    [row] = json.loads(file.read_text("utf-8"))["rows"]
    assert "skipped" not in row, row
    pairs = zip(row["against"]["seconds"], row["seconds"], strict=True)
    assert row["ratios"] == [other / own for other, own in pairs]
    assert min(row["ratios"]) <= row["ratio"] <= max(row["ratios"])
    done = run("plot.py", file, picture, home=tmp_path)
    assert done.returncode == 0, done.stderr
    with Image.open(picture) as drawn:
        assert drawn.width > 500


def test_a_revision_that_does_not_exist_is_named(tmp_path: Path) -> None:
    done = run("speed.py", "--against", "no-such-revision", home=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("--against no-such-revision: ")


def test_fid_is_not_measured_without_its_weights(tmp_path: Path) -> None:
    done = run("fid.py", home=tmp_path)
    assert done.returncode == 1
    assert "is not in TORCH_HOME" in done.stderr


@pytest.fixture(scope="module")
def gpu_round(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What comes back from a tiny round on the CPU, without what would not be carried along."""
    home = tmp_path_factory.mktemp("round")
    photos, out = home / "photos", home / "out"
    photos.mkdir()
    pixels = np.random.default_rng(0)
    for number in range(4):
        picture = pixels.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(picture).save(photos / f"{number}.png")
    program = BENCHMARKS / "gpu_round.py"
    start = f"""
import runpy, sys
sys.modules.update(dict.fromkeys({NOT_CARRIED}))
sys.path.insert(0, {str(program.parent)!r})
sys.argv = [{str(program)!r}, *sys.argv[1:]]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
    tiny = "--tiny --device cpu --minutes 4 --speed-minutes 0.1".split()
    one_thread = {"OMP_NUM_THREADS": "1", "SLAE_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", start, *tiny, "--photos", str(photos), "--out", str(out)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | one_thread,
    )
    assert done.returncode == 0, done.stderr
    return out


def test_a_tiny_round_does_every_step(gpu_round: Path) -> None:
    known = json.loads((gpu_round / "round.json").read_text("utf-8"))
    outcomes = {check["check"]: (check["outcome"], check["reason"]) for check in known["checks"]}
    for name, (outcome, reason) in outcomes.items():
        cuda_alone = "fp16" in name or "never waits" in name
        expected = ("skipped", "it needs CUDA") if cuda_alone else ("passed", "")
        assert (outcome, reason) == expected, name
    first, *_, last = known["speed"]
    assert len(known["speed"]) == 30
    assert first["share_of_floor"] == first["floor_seconds"] / first["seconds"]
    assert last["reason"] == "no time"
    assert known["training"]["iterations"] == 6
    assert {"checks", "speed", "training", "all"} == set(known["seconds"])


def test_what_comes_back_is_few_small_files_and_a_generator(
    gpu_round: Path, tmp_path: Path
) -> None:
    from slae_lib.training.sampling import sample_images

    sizes = {path.name: path.stat().st_size for path in gpu_round.iterdir()}
    others = {"growth.jpg", "metrics.csv", "round.json", "samples.png"}
    assert set(sizes) == {"generator-0.part"} | others
    assert max(sizes.values()) < 16 * 2**20
    done = run("gpu_round.py", "--join", gpu_round, home=tmp_path)
    assert done.returncode == 0, done.stderr
    images = sample_images(gpu_round / "generator.safetensors", 2)
    assert images.shape == (2, 3, 64, 64)


def test_a_file_in_pieces_is_whole_again_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import pieces

    content = bytes(range(256)) * 10
    file = tmp_path / "there.bin"
    file.write_bytes(content)
    folder = tmp_path / "pieces"
    folder.mkdir()
    known = pieces.split(file, folder, limit=1000)
    assert [path.stat().st_size for path in sorted(folder.iterdir())] == [1000, 1000, 560]
    assert pieces.join(folder, known).read_bytes() == content
    (folder / "there-1.part").write_bytes(b"another")
    with pytest.raises(pieces.PiecesError, match="are not those of there.bin"):
        pieces.join(folder, known)
    (folder / "there-1.part").unlink()
    with pytest.raises(pieces.PiecesError, match="there-1.part is missing"):
        pieces.join(folder, known)


def test_a_sweep_trains_measures_and_goes_on_where_it_was(folder: Path, tmp_path: Path) -> None:
    settings, file = tmp_path / "settings.toml", tmp_path / "sweep.json"
    short = "--iterations 2 --batch-size 2 --no-metadata --reconstruction l1"
    settings.write_text(f'plain = "{short}"\nbad = "{short} --batch-size 1"\n', encoding="utf-8")
    words = ("--data", folder, "--preset", "cpu-smoke", "--jobs", 1, "--work", tmp_path / "runs")
    words = (*words, "--images", 8, "--json", file, settings)
    done = run("sweep.py", *words, home=tmp_path)
    assert done.returncode == 0, done.stderr
    plain, bad = json.loads(file.read_text("utf-8"))["trials"]
    assert plain["command"] == (
        f"slae train --preset cpu-smoke --data '{folder.name}' --seed 0 {short}"
    )
    assert plain["fid"] is None  # without weights
    assert plain["cpu_seconds"] > 0
    assert 0 <= plain["broken"] <= 1
    assert 1 <= plain["different_nearest"] <= 3
    assert "batch norm needs 2 or more" in bad["failed"][0]
    again = run("sweep.py", *words, "--seeds", 0, 1, "--only", "plain", home=tmp_path)
    assert "3 trials, 1 of them now" in again.stdout
    assert [row["seed"] for row in json.loads(file.read_text("utf-8"))["trials"]] == [0, 0, 1]

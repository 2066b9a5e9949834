"""The command as its users type it: real processes, real files, clear refusals."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from slae_lib.cli.doctor import _disk
from slae_lib.config import ModelConfig
from slae_lib.generator import Generator
from slae_lib.support.errors import UsageError
from slae_lib.training.checkpoint import save_generator
from slae_lib.training.log import read_metrics
from slae_lib.training.run import RunInfo
from slae_lib.training.sampling import SEED_LIMIT
from slae_lib.training.sheet import SHEET_FORMATS, save_images

TINY = ["--preset", "cpu-smoke", "--iterations", "2", "--sample-every", "1", "--batch-size", "2"]


def slae(
    *arguments: object, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "slae_lib", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=os.environ | environment,
        encoding="utf-8",
    )


def refused(result: subprocess.CompletedProcess, code: int, *parts: str) -> None:
    """Check for one clear sentence and no traceback."""
    assert result.returncode == code, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    problem = next(line for line in result.stderr.splitlines() if line.startswith("Error:"))
    for part in parts:
        assert part in problem


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "my run"
    result = slae("train", *TINY, "--out", folder)
    assert result.returncode == 0, result.stderr
    for name in ("samples.png", "attention.png", "history.png", "progress.png"):
        assert name in result.stdout
        with Image.open(folder / name) as picture:
            assert picture.width > 250
    assert "slae sample --run" in result.stdout
    return folder


def test_train_makes_a_run(run: Path) -> None:
    info = RunInfo.load(run)
    assert info.data == "fluent-faces"
    assert info.train.iterations == 2
    assert [row["iteration"] for row in read_metrics(run / "metrics.csv")] == [1, 2]
    assert (run / "generator.safetensors").stat().st_size > 100_000


def test_a_run_is_not_overwritten_by_accident_but_on_demand(run: Path) -> None:
    before = (run / "generator.safetensors").read_bytes()
    refused(slae("train", *TINY, "--out", run), 2, "already holds a run", "--overwrite")
    assert (run / "generator.safetensors").read_bytes() == before
    result = slae("train", *TINY, "--out", run, "--overwrite", "--seed", 1)
    assert result.returncode == 0
    assert (run / "generator.safetensors").read_bytes() != before


def test_a_finished_run_trains_on(run: Path) -> None:
    refused(slae("train", "--resume", run), 2, "already done its 2 iterations", "--iterations")
    refused(slae("train", "--resume", run, "--width", 16), 2, "leave out --width")
    refused(slae("train", "--resume", run, "--out", "x"), 2, "leave out --out")
    result = slae("train", "--resume", run, "--iterations", 3)
    assert result.returncode == 0, result.stderr
    assert "Going on at iteration 2 of 3" in result.stdout
    assert RunInfo.load(run).train.iterations == 3
    assert read_metrics(run / "metrics.csv")[-1]["iteration"] == 3


def test_sample_draws_the_same_images_for_the_same_seed(run: Path, tmp_path: Path) -> None:
    each = tmp_path / "each"
    result = slae("sample", "--run", run, "--count", 3, "--out", tmp_path / "a.png", "--each", each)
    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in each.iterdir()) == ["0000.png", "0001.png", "0002.png"]
    slae("sample", "--run", run, "--count", 3, "--out", tmp_path / "b.png")
    slae("sample", "--run", run, "--count", 3, "--out", tmp_path / "c.png", "--seed", 1)
    pictures = [(tmp_path / f"{name}.png").read_bytes() for name in "abc"]
    assert pictures[0] == pictures[1] != pictures[2]
    more = tmp_path / "more"
    slae("sample", "--run", run, "--count", 5, "--out", tmp_path / "d.png", "--each", more)
    with Image.open(each / "0002.png") as few, Image.open(more / "0002.png") as many:
        assert few.tobytes() == many.tobytes()


@pytest.mark.parametrize("mode", ["mix", "gaussian"])
def test_sample_with_other_metadata(run: Path, tmp_path: Path, mode: str) -> None:
    result = slae("sample", "--run", run, "--metadata", mode, "--out", tmp_path / "x.png")
    assert result.returncode == 0, result.stderr
    with Image.open(tmp_path / "x.png") as sheet:
        assert sheet.size == (4 * 66 - 2, 4 * 66 - 2)


def test_sample_with_other_metadata_has_a_file_of_its_own(run: Path) -> None:
    made = [
        slae("sample", "--run", run, "--count", 2, *options).stdout.strip()
        for options in ((), ("--metadata", "mix"), ("--metadata", "gaussian", "--seed", 4))
    ]
    names = ("samples-0.png", "samples-mix-0.png", "samples-gaussian-4.png")
    assert made == [str(run / name) for name in names]


def test_the_suffix_of_a_sheet_is_its_kind(run: Path, tmp_path: Path) -> None:
    for name, kind in (("a.jpg", "JPEG"), ("b.WEBP", "WEBP"), ("c.png", "PNG"), ("d", "PNG")):
        result = slae("sample", "--run", run, "--count", 2, "--out", tmp_path / name)
        assert result.returncode == 0, result.stderr
        with Image.open(tmp_path / name) as sheet:
            assert sheet.format == kind
    unknown = slae("sample", "--run", run, "--out", tmp_path / "a.xyz")
    refused(unknown, 2, "a.xyz would be a picture of an unknown kind", ".webp")
    refused(slae("sample", "--run", run, "--out", tmp_path), 2, "is a folder; give --out a file")


def test_a_sheet_too_large_for_its_kind_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SHEET_FORMATS, ".webp", ("WEBP", 17))
    images = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
    with pytest.raises(UsageError, match=r"18x18 pixels and WEBP allows 17 .* it to .*a\.png"):
        save_images(images, tmp_path / "a.webp")


def test_sample_refuses_a_seed_beyond_64_bits(run: Path) -> None:
    for seed in (2**70, -(2**70)):
        refused(slae("sample", "--run", run, "--seed", seed), 2, "from -9000000000000 to 9")
    assert slae("sample", "--run", run, "--seed", -SEED_LIMIT, "--count", 1).returncode == 0


def test_sample_refuses_metadata_for_a_generator_without(tmp_path: Path) -> None:
    save_generator(tmp_path / "g.safetensors", Generator(ModelConfig(64, width=8, metadata=False)))
    result = slae("sample", "--run", tmp_path / "g.safetensors", "--metadata", "mix")
    refused(result, 2, "--metadata mix has no meaning", "takes no metadata")


def test_sample_of_an_unfinished_run_says_how_to_finish_it(run: Path, tmp_path: Path) -> None:
    unfinished = tmp_path / "un finished"
    unfinished.mkdir()
    (unfinished / "run.json").write_bytes((run / "run.json").read_bytes())
    refused(slae("sample", "--run", unfinished), 1, f"slae train --resume '{unfinished}'")


def test_sample_refuses_what_it_cannot_use(run: Path, tmp_path: Path) -> None:
    refused(slae("sample", "--run", tmp_path), 1, "generator.safetensors does not exist")
    refused(slae("sample", "--run", run, "--metadata", "nothing.png"), 2, "nothing.png", "bank")


def test_bad_data_and_bad_options_are_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    out = tmp_path / "out"
    refused(slae("train", "--data", empty, "--out", out), 1, str(empty))
    refused(slae("train", "--data", "fluent", "--out", out), 2, "fluent-faces")
    refused(slae("train", "--resolution", 100, "--out", out), 2, "100")
    refused(slae("train", "--width", 12, "--out", out), 2, "multiple of 8")
    refused(slae("train", "--augment", "blur", "--out", out), 2, "blur")
    refused(slae("train", "--resume", tmp_path), 1, "is not the folder of a run")
    refused(
        slae("train", "--reconstruction", "vgg", "--metadata-layer", "fc7", "--out", out), 2, "fc7"
    )
    assert not out.exists()


def test_an_unwritable_run_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused(slae("train", *TINY, "--out", tmp_path / "file" / "run"), 1, "run could not be written")


def test_one_bad_picture_is_skipped_with_a_warning(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(3):
        Image.new("RGB", (80, 90), (index * 80, 40, 200)).save(folder / f"{index}.png")
    (folder / "bad.png").write_text("not a picture")
    result = slae("train", *TINY, "--data", folder, "--no-metadata", "--out", tmp_path / "run")
    assert result.returncode == 0, result.stderr
    assert "bad.png" in result.stderr
    assert "Training on 3 pictures of pictures" in result.stdout


def test_metadata_without_weights_says_what_is_missing(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(2):
        Image.new("RGB", (80, 90), (index * 80, 40, 200)).save(folder / f"{index}.png")
    result = slae(
        *("train", *TINY, "--data", folder, "--out", tmp_path / "run"),
        TORCH_HOME=str(tmp_path / "torch"),
        SLAE_CACHE=str(tmp_path / "cache"),
        SLAE_OFFLINE="1",
    )
    refused(result, 1, "vgg16_features", str(tmp_path / "torch"), "--no-metadata")
    assert not (tmp_path / "run").exists()


def test_real_photographs_train_with_their_metadata(photos: Path, tmp_path: Path) -> None:
    from slae_lib.support.pretrained import VGG16

    if not VGG16.is_present():
        pytest.skip(f"{VGG16.path()} is missing")
    few = tmp_path / "few"
    few.mkdir()
    for picture in sorted(photos.glob("*.jpg"))[:12]:
        (few / picture.name).write_bytes(picture.read_bytes())
    result = slae(
        *("train", *TINY, "--data", few, "--out", tmp_path / "run"),
        SLAE_CACHE=str(tmp_path / "cache"),
    )
    assert result.returncode == 0, result.stderr
    assert "12 pictures of few at 64 px: SLAE links, with metadata" in result.stdout
    files = list((tmp_path / "cache" / "metadata").glob("*.safetensors"))
    assert len(files) == 1
    shown = slae("metadata", "show", files[0], "--neighbours", sorted(few.iterdir())[0].name)
    assert "layer        relu5_3 of VGG-16, 512 channels" in shown.stdout
    assert "  1.000  " in shown.stdout


def test_data_list_and_show(tmp_path: Path) -> None:
    listed = [line.split(None, 3) for line in slae("data", "list").stdout.splitlines() if line]
    (faces,) = (line for line in listed if line[0] == "fluent-faces")
    assert faces[1:3] == ["93", "yes"]
    assert faces[3].startswith("MIT  ")
    (pandas,) = (line for line in listed if line[0] == "100-shot-panda")
    assert pandas[1] == "100"
    assert pandas[3].startswith("unstated")
    shown = slae("data", "show", "fluent-faces", "--out", tmp_path / "sheet.png")
    assert "93, at 64 px" in shown.stdout
    assert "MIT, by Microsoft Corporation" in shown.stdout
    assert "the first" not in shown.stdout  # all are on it
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == 10 * 66 - 2


def test_a_sheet_of_many_pictures_says_how_many_it_has(tmp_path: Path) -> None:
    for index in range(401):
        Image.new("RGB", (8, 8), (index % 256, 0, 0)).save(tmp_path / f"{index:03d}.png")
    shown = slae("data", "show", tmp_path, "--out", tmp_path.parent / "many.png")
    assert "many.png, the first 400 of 401" in shown.stdout


def test_pairs_of_one_model_are_refused() -> None:
    result = slae("cost", "--pairs", 2, "--model", "slae", "--resolution", 64)
    refused(result, 2, "--pairs compares", "name two or more")


def test_metadata_of_the_built_in_set_is_shown() -> None:
    root = Path(__file__).parents[2]
    file = root / "data" / "fluent_faces_metadata.safetensors"
    shown = slae("metadata", "show", file, "--neighbours", "1f600.webp")
    assert "93 of fluent-faces" in shown.stdout
    neighbours = shown.stdout.split("1f600")[1]
    assert any(smile in neighbours for smile in ("1f601", "1f603", "1f604"))
    refused(slae("metadata", "show", file, "--neighbours", "cat"), 2, "'cat'")
    refused(slae("metadata", "show", root / "README.md"), 1, "README.md")


def test_doctor_finds_a_healthy_installation(tmp_path: Path) -> None:
    result = slae("doctor", TORCH_HOME=str(tmp_path))
    lines = result.stdout.splitlines()
    assert result.returncode == 0, result.stdout
    assert any(line.startswith("[OK]   torch and torchvision") for line in lines)
    assert any(line.startswith("[OK]   built-in data: 93 pictures") for line in lines)
    missing = [line for line in lines if line.startswith("[--]") and "downloaded" in line]
    assert any("vgg16_features" in line and "https://" in line for line in missing)


def test_a_shared_folder_of_weights_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "shared"))
    (tmp_path / "shared" / "hub").mkdir(parents=True)
    shared = tmp_path / "shared"
    monkeypatch.setattr(os, "access", lambda path, mode: not Path(path).is_relative_to(shared))
    (line,) = (line for line in _disk() if "may not be written to" in line)
    assert line.startswith("[--]")
    assert "for weights" in line


@pytest.mark.parametrize("arguments", [["--help"], ["ablate", "submit", "--help"]])
def test_help_needs_no_torch(arguments: list[str]) -> None:
    program = (
        f"import sys; from slae_lib.cli import main; main({arguments}, standalone_mode=False); "
        "sys.exit('torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert result.returncode == 0, result.stderr
    assert b"Usage:" in result.stdout


def test_help_teaches() -> None:
    assert "First steps" in slae("--help").stdout
    text = slae("train", "--help").stdout
    for word in ("cpu-demo", "paper-1024", "--attention-kernel", "--ema-decay", "--no-metadata"):
        assert word in text
    assert slae("--version").stdout.startswith("slae")

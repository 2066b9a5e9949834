"""Terminals, log files, optimised Python, long names and small memories: what users have."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from tqdm import tqdm

from slae_lib.cli import main
from slae_lib.datasets.find import find_pictures
from slae_lib.support import progress
from slae_lib.support.files import stored_file
from slae_lib.training.sampling import GeneratedImages

SHORT = "--preset cpu-smoke --no-metadata --iterations 1 --batch-size 2 --samples 4".split()


def slae(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def commands() -> list[list[str]]:
    def below(command: click.Command, path: list[str]) -> list[list[str]]:
        inner = getattr(command, "commands", {}).items()
        return [path, *(it for name, child in inner for it in below(child, [*path, name]))]

    return below(main, [])


def process(*words: str, flags: tuple[str, ...] = (), **environment: str) -> tuple[int, bytes]:
    command = [sys.executable, *flags, "-c", "from slae_lib.cli import main; main()", *words]
    done = subprocess.run(
        command,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.fixture
def chinese(folder: Path) -> Path:
    return folder.rename(folder.with_name("猫の写真"))


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
@pytest.mark.parametrize("words", [["data", "show"], ["train", *SHORT, "--out", "run", "--data"]])
def test_text_that_the_terminal_cannot_show_is_escaped(
    chinese: Path, words: list[str], encoding: str, tmp_path: Path
) -> None:
    words = [str(tmp_path / "run") if word == "run" else word for word in words]
    code, output = process(*words, str(chinese), PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert code == 0, output.decode()
    # To ASCII click writes UTF-8 all the same.
    assert words[0] != "train" or b"\\u732b" in output or "猫".encode() in output
    assert b"Traceback" not in output


def test_optimised_python_keeps_every_help() -> None:
    walk = (
        "from tests.cli.test_surroundings import commands, slae\n"
        "for path in commands(): print(slae(*path, '--help').output)"
    )
    usual, bare = (
        subprocess.run(
            [sys.executable, *flags, "-c", walk],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for flags in ((), ("-OO",))
    )
    assert bare == usual
    assert usual.count("Usage:") == len(commands()) > 15


def test_help_tells_the_defaults() -> None:
    text = " ".join(slae("train", "--help").output.split())
    assert "[default: 2000]" in text
    assert "[default: 0.0016]" in text
    assert "[default: yes]" in text
    assert "those of --preset cpu-demo" in text


SHORTAGES = [
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
]


def fail_at_the_first_step(patch: pytest.MonkeyPatch, error: Exception) -> None:
    from slae_lib.training.step import TrainingStep

    def fail(*_: object) -> None:
        raise error

    patch.setattr(TrainingStep, "__call__", fail)


@pytest.mark.parametrize("error", SHORTAGES, ids=lambda it: type(it).__name__)
def test_too_little_memory_is_one_sentence_and_the_folder_can_be_used(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    words = ["train", *SHORT, "--data", folder, "--out", tmp_path / "run"]
    with monkeypatch.context() as patch:
        fail_at_the_first_step(patch, error)
        result = slae(*words)
    assert result.exit_code == 1
    last = result.output.strip().splitlines()[-1]
    assert last.startswith("Error: There is not enough memory")
    assert "--batch-size" in last
    assert "Traceback" not in result.output
    assert slae(*words).exit_code == 0


def test_networks_that_no_memory_holds_are_one_sentence(folder: Path, tmp_path: Path) -> None:
    width = 8 * 10**6
    for words in (
        ["train", *SHORT, "--width", width, "--data", folder, "--out", tmp_path / "run"],
        ["cost", "--model", "slae", "--width", width, "--resolution", 64, "--time"],
    ):
        result = slae(*words)
        assert result.exit_code == 1, result.output[-500:]
        assert "not enough memory" in result.output
        assert "--width" in result.output.splitlines()[-1]


@pytest.mark.parametrize("number", [10**9, 10**18, 10**30])
@pytest.mark.parametrize("option", ["--width", "--noise-dim", "--samples"])
def test_numbers_that_nothing_holds_are_one_sentence(
    folder: Path, tmp_path: Path, option: str, number: int
) -> None:
    number -= number % 8
    result = slae("train", *SHORT, "--data", folder, "--out", tmp_path / "run", option, number)
    assert result.exit_code == 1, result.output[-500:]
    assert "There is not enough memory" in result.output
    assert option in result.output.splitlines()[-1]


def test_images_without_number_are_one_sentence(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert slae("train", *SHORT, "--data", folder, "--out", run).exit_code == 0
    result = slae("sample", "--run", run, "--count", 10**30, "--each", tmp_path / "each")
    assert result.exit_code == 1
    assert "make --count smaller" in result.output.splitlines()[-1]


def test_a_run_that_is_deleted_while_it_is_read_is_not_half_made_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    assert slae("train", *SHORT, "--data", folder, "--out", run).exit_code == 0
    batch = GeneratedImages.batch

    def delete(*given: object) -> torch.Tensor:
        shutil.rmtree(run, ignore_errors=True)
        return batch(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(GeneratedImages, "batch", delete)
    result = slae("sample", "--run", run, "--count", 2)
    assert result.exit_code == 1
    assert "run was deleted meanwhile" in result.output
    assert not run.exists()


def test_compiling_without_a_compiler_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    """What torch itself raises: the folder of programs is empty."""
    words = ["train", *SHORT, "--data", str(folder), "--out", str(tmp_path / "run"), "--compile"]
    code, output = process(
        *words, PATH=str(tmp_path), CXX="", TORCHINDUCTOR_CACHE_DIR=str(tmp_path)
    )
    assert code == 1, output.decode()
    assert b"--compile needs a C++ compiler" in output.splitlines()[-1]
    assert b"Traceback" not in output


def test_another_fault_is_still_shown_whole(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_at_the_first_step(monkeypatch, RuntimeError("shapes cannot be multiplied"))
    result = slae("train", *SHORT, "--data", folder, "--out", tmp_path / "run")
    assert isinstance(result.exception, RuntimeError)


@pytest.fixture
def forbidden(tmp_path: Path) -> Iterator[Path]:
    """A folder whose inside may not even be asked for; the system's own for those who may all."""
    own = tmp_path / "forbidden"
    own.mkdir(mode=0)
    for folder in (own, Path("/proc/1/cwd")):
        try:
            (folder / "x").exists()
        except PermissionError:
            yield folder
            break
    else:
        pytest.skip("nothing is forbidden here")
    own.chmod(0o700)


@pytest.mark.parametrize(
    "words",
    [
        "train --data {}", "train --data {}/x", "train --out {}/x", "train --resume {}",
        "sample --run {}/x", "sample --run {demo} --out {}/x.png", "export --run {demo} --out {}/x",
        "sample --run {demo} --metadata {}/x.png", "evaluate fid --run {}/x", "ablate --out {}/x",
        "ablate submit {} x.csv", "notebooks {}/x", "metadata show {}/x", "data cache list",
        "metadata extract --data fluent-faces --out {}/x",
        "interpolate --run {demo} --out {}/x.webp", "invert {}/x.png --run {demo}",
    ],
)  # fmt: skip
def test_a_place_that_may_not_be_used_is_one_sentence(
    forbidden: Path, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "cache" in words:
        monkeypatch.setenv("SLAE_CACHE", str(forbidden))
    result = slae(*words.format(forbidden, demo=stored_file("demo")).split())
    assert (result.exit_code, type(result.exception)) in [(1, SystemExit), (2, SystemExit)]
    assert result.output.splitlines()[-1].startswith("Error: ")
    assert str(forbidden) in result.output.splitlines()[-1]


@pytest.mark.parametrize("place", ["circle", "circle/x"])
@pytest.mark.parametrize(
    "words",
    ["train --data {}", "train --out {} --data three", "train --resume {}", "ablate --data {}",
     "export --run {demo} --out {}", "data cache clear {}", "sample --run {}", "doctor"],
)  # fmt: skip
def test_a_link_that_leads_to_itself_is_one_sentence(
    tmp_path: Path, place: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "circle").symlink_to("circle")
    if words == "doctor":
        monkeypatch.setenv("TORCH_HOME", str(tmp_path / place))
    result = slae(*words.format(place, demo=stored_file("demo")).split())
    assert isinstance(result.exception, SystemExit)
    assert result.output.splitlines()[-1].startswith("Error: ") or words == "doctor"


def test_a_folder_with_something_that_may_not_be_asked_for_is_read(
    forbidden: Path, folder: Path
) -> None:
    (folder / "odd").symlink_to(forbidden / "x")
    assert find_pictures(folder) == ["blue.png", "green.png", "red.png"]


def test_a_long_name_of_a_folder_is_no_fault(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = folder.rename(folder.with_name("a" * 240))
    monkeypatch.chdir(tmp_path)
    result = slae("train", *SHORT, "--data", long)
    assert result.exit_code == 0, result.output
    run = next(Path("runs").iterdir())
    assert run.name == f"{'a' * 100}-cpu-smoke"
    for words in (["sample", "--run", run, "--out"], ["train", *SHORT, "--data", long, "--out"]):
        result = slae(*words, f"{'b' * 260}.png")
        assert result.exit_code == 1
        assert "too long a name" in result.output


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names of files are always text")
def test_a_name_that_is_no_text_is_read_and_not_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = folder.rename(folder.with_name(os.fsdecode(b"n\xff\xfe")))
    monkeypatch.chdir(tmp_path)
    assert slae("train", *SHORT, "--data", data).exit_code == 0
    assert next(Path("runs").iterdir()).name == "n\N{REPLACEMENT CHARACTER}" + (
        "\N{REPLACEMENT CHARACTER}-cpu-smoke"
    )
    words = (
        "--preset cpu-smoke --images 16 --points 1 --count 8 --seeds 0 --systems fastgan".split()
    )
    result = slae("ablate", *words, "--data", data, "--out", "ablation")
    assert result.exit_code == 0, result.output
    assert "n\\udcff\\udcfe" in Path("ablation/ablation.md").read_text(encoding="utf-8")
    # safetensors could write a generator there and not read it again.
    result = slae("train", *SHORT, "--data", data, "--out", os.fsdecode(b"o\xff"))
    assert result.exit_code == 1
    assert "is no text in UTF-8; give another name" in result.output


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_stream_that_is_closed_is_no_fault(folder: Path, tmp_path: Path, closed: str) -> None:
    assert slae("train", *SHORT, "--data", folder, "--out", tmp_path / "run").exit_code == 0
    words = ["sample", "--run", str(tmp_path / "run"), "--out", str(tmp_path / "sheet.png")]
    code = f"import sys; sys.{closed} = None; from slae_lib.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *words, "--count", "4"], capture_output=True)
    assert done.returncode == 0, done
    assert (tmp_path / "sheet.png").is_file()


def test_a_run_that_is_far_too_short_says_so(folder: Path, tmp_path: Path) -> None:
    result = slae("train", *SHORT, "--data", folder, "--out", tmp_path / "run")
    assert "1 iterations are few: grey squares and blots are normal" in result.output
    assert "--iterations 8000" in result.output


def test_a_bar_leaves_room_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {"D": "1.32", "G": "0.41", "diversity": "0.93", "broken": "0.03", "rec": "0.21"}
    monkeypatch.setattr(progress, "in_a_file", lambda: False)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    for columns, least in ((60, 0), (80, 2), (200, 5)):
        monkeypatch.setenv("COLUMNS", str(columns))
        shown = progress.fitting(facts)
        assert len(shown) >= least
        postfix = ", ".join(f"{name}={value}" for name, value in shown.items())
        meter = tqdm.format_meter(
            900, 2000, 170, ncols=columns, prefix="train", postfix=postfix, ascii=True
        )
        assert columns < 80 or meter.partition("|")[2].partition("|")[0].count("#") > 2


def test_bars_in_a_log_file_are_lines() -> None:
    code = (
        "import time\n"
        "from slae_lib.support import progress\n"
        "progress.LOG_SECONDS = 0.02\n"
        "for _ in progress.progress_bar(range(5)): time.sleep(0.03)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert b"\r" not in done.stderr
    assert 3 <= done.stderr.count(b"it") <= 8


def test_every_bar_is_made_in_one_place() -> None:
    package = Path(progress.__file__).parents[1]
    using = {path.stem for path in package.rglob("*.py") if "import tqdm" in path.read_text()}
    assert using == {"progress", "downloads"}  # the second writes through a file of tqdm's


def test_the_doctor_makes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    places = {"SLAE_CACHE": home / "cache", "TORCH_HOME": home / "torch", "HOME": home}
    process("doctor", **{name: str(path) for name, path in places.items()})
    assert list(home.iterdir()) == []


def test_samples_of_two_times_are_not_mixed(folder: Path, tmp_path: Path) -> None:
    run, each = tmp_path / "run", tmp_path / "each"
    assert slae("train", *SHORT, "--data", folder, "--out", run).exit_code == 0
    words = ["sample", "--run", run, "--each", each, "--count"]
    assert slae(*words, 3).exit_code == 0
    before = sorted(each.iterdir())
    assert len(before) == 3
    assert not list(run.glob("samples-*.png"))  # nobody asked for a sheet
    result = slae(*words, 2)
    assert result.exit_code == 2
    assert "already holds 3 images" in result.output
    assert sorted(each.iterdir()) == before
    (each / "0000.png").unlink()
    Image.new("RGB", (1, 1)).save(each / "mine.png")  # others' pictures are no samples
    assert slae(*words, 1).exit_code == 2

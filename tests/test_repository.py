"""The files around the package say the same thing, and wheel and sdist hold what they need."""

import email
import importlib.metadata
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import hatchling.build
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from slae_lib.course.lessons import LESSONS

ROOT = Path(__file__).parents[1]

LARGE = Path("data/fluent-128/generator.safetensors")  # its folder says why
TOP_LEVEL = {
    *("notebooks", "slae_lib", "data", "figures", "tests", "environment.yml", "README.md"),
    *("pyproject.toml", "Makefile", "LICENSE", "CITATION.cff", "CONTRIBUTING.md"),
    *(".ci", ".github", ".gitignore", ".gitattributes"),
}

# Packages that conda-forge calls by another name.
CONDA_NAMES = {"torch": "pytorch"}


def load_yaml(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"]


@pytest.fixture(scope="module")
def repository_files() -> list[Path]:
    """All files that are, or with the next commit can be, in the repository."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"git cannot list the files: {error}")
    names = set(listed.stdout.split("\0")) - {""}
    return [Path(name) for name in sorted(names) if (ROOT / name).is_file()]


def test_conda_and_pip_ask_for_the_same(project: dict[str, Any]) -> None:
    wanted = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        wanted += [line for line in extra if not line.startswith(f"{project['name']}[")]
    renamed = set()
    for line in wanted:
        name = re.match(r"[\w-]+", line)[0]
        renamed.add(line.replace(name, CONDA_NAMES.get(name, name), 1))

    conda = load_yaml("environment.yml")["dependencies"]
    (pip,) = (entry["pip"] for entry in conda if isinstance(entry, dict))
    found = [entry for entry in conda if isinstance(entry, str)] + pip

    assert len(found) == len(set(found))
    assert set(found) == renamed | {"python" + project["requires-python"], "pip", "-e ."}


def test_the_exact_versions_are_those_that_are_asked_for(project: dict[str, Any]) -> None:
    """`.ci/requirements.txt`: a version with hashes for each requirement, but not torch's build."""
    text = (ROOT / ".ci/requirements.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all(re.search(r" --hash=sha256:[0-9a-f]{64}$", line) for line in lines)
    assert "://" not in text
    pinned = [Requirement(line.partition(" --hash")[0]) for line in lines]
    versions = {(it.name, str(it.specifier).removeprefix("==")) for it in pinned}
    assert not {name for name, _ in versions} & {"torch", "torchvision", "triton", project["name"]}
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    wanted = [Requirement(line) for group in groups for line in group]
    for requirement in wanted:
        if requirement.name not in ("torch", "torchvision", project["name"]):
            own = canonicalize_name(requirement.name)
            found = [version for name, version in versions if name == own]
            assert found, f"{requirement.name} is missing; .ci/pin writes the file anew"
            assert all(version in requirement.specifier for version in found)


def test_citation_names_this_version(project: dict[str, Any]) -> None:
    citation = load_yaml("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert citation["license"] == project["license"]
    installed = importlib.metadata.version(project["name"])
    assert str(citation["version"]) == project["version"] == installed


def test_citation_refers_to_both_papers() -> None:
    slae, fastgan = load_yaml("CITATION.cff")["references"]
    assert slae["doi"] == "10.12677/CSA.2023.132019"
    assert fastgan["url"].endswith("2101.04775")


@pytest.mark.parametrize(
    "document",
    ["README.md", "CONTRIBUTING.md", "data/README.md", "figures/README.md", "notebooks/README.md"],
)
def test_relative_links_lead_somewhere(document: str) -> None:
    path = ROOT / document
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = re.findall(r"\]\(<?([^)>\s]+)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    relative = [link.split("#")[0] for link in links if not re.match(r"[a-z]+:|#", link)]
    missing = [link for link in relative if not (path.parent / link).exists()]
    assert not missing


def test_every_figure_is_listed_with_its_command(repository_files: list[Path]) -> None:
    listing = (ROOT / "figures/README.md").read_text(encoding="utf-8")
    figures = [path for path in repository_files if path.parts[0] == "figures"]
    names = [path.relative_to("figures").as_posix() for path in figures]
    # The results have a page of their own, which tests/test_results.py compares with them.
    listed = [name for name in names if not name.startswith("results/") and name != "README.md"]
    assert [name for name in listed if f"`{name}`" not in listing] == []


def test_no_large_files(repository_files: list[Path]) -> None:
    sizes = {path: (ROOT / path).stat().st_size for path in repository_files}
    large = {path: size for path, size in sizes.items() if size > 2_000_000}
    assert set(large) <= {LARGE}
    assert all(size <= 4_000_000 for size in large.values())
    assert f"`{LARGE.name}` is larger" in (ROOT / LARGE.parent / "README.md").read_text("utf-8")


def test_top_level_stays_small(repository_files: list[Path]) -> None:
    assert {path.parts[0] for path in repository_files} <= TOP_LEVEL


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    # The build backend itself, in this process: pip would first fetch it from the network.
    folder = tmp_path_factory.mktemp("wheel")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        name = hatchling.build.build_wheel(str(folder))
    with zipfile.ZipFile(folder / name) as file:
        yield file


def told_of(wheel: zipfile.ZipFile) -> Message:
    """What a package index knows of the wheel."""
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return email.message_from_string(wheel.read(name).decode("utf-8"))


def test_wheel_holds_the_package_its_data_and_the_course(
    project: dict[str, Any], wheel: zipfile.ZipFile
) -> None:
    names = set(wheel.namelist())
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "slae_lib").rglob("*.py")}
    assert modules <= names
    assert {"slae_lib/data/fluent_faces_metadata.safetensors", "slae_lib/py.typed"} <= names
    front = ("stage.js", "stage.css", "page.html", "page.js", "worker.js")
    assert {f"slae_lib/explorer/{name}" for name in front} <= names
    data = {name.removeprefix("slae_lib/") for name in names if name.startswith("slae_lib/data/")}
    read = ("ablation_openmoji-faces", "ablation_pandas-80", "cost_256_pairs")
    results = {f"data/results/{name}.json" for name in read}
    own = {path.relative_to(ROOT).as_posix() for path in (ROOT / "data").rglob("*.*")}
    notebooks = [*(ROOT / "notebooks").glob("*.ipynb"), ROOT / "notebooks" / "nbgrader_config.py"]
    course = {f"data/notebooks/{path.name}" for path in notebooks}
    course |= {f"data/notebooks/zh/{lesson.name}.md" for lesson in LESSONS}
    assert len(course) == 2 * len(LESSONS) + 1
    assert {f"slae_lib/course/texts/zh/lesson_{it.number:02}.toml" for it in LESSONS} <= names
    assert data == own | results | course
    assert {name.split("/")[0] for name in names - modules} == {
        "slae_lib",
        f"slae_lib-{project['version']}.dist-info",
    }


def test_the_readme_leads_somewhere_from_a_package_index(
    project: dict[str, Any], wheel: zipfile.ZipFile
) -> None:
    readme = told_of(wheel).get_payload()
    assert readme.startswith("# SLAE Lab")
    path = f"{project['urls']['Repository'].removeprefix('https://github.com/')}"
    files = f"https://raw.githubusercontent.com/{path}/v{project['version']}/"
    pages = f"https://github.com/{path}/blob/v{project['version']}/"
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", readme)
    links = [link for link in re.findall(r"\]\(([^)]+)\)", readme) if link not in pictures]
    assert len(pictures) >= 5
    (film,) = (picture for picture in pictures if not picture.endswith(".png"))
    assert film.endswith("/film.webp")
    for picture in pictures:
        assert picture.startswith(files)
    own = [link.removeprefix(pages) for link in links if link.startswith(pages)]
    assert len(own) >= 20
    for link in [*own, *(picture.removeprefix(files) for picture in pictures)]:
        assert (ROOT / link.split("#")[0]).exists(), link
    assert [link for link in links if not re.match(r"https://|#", link)] == []


def test_a_package_index_is_told_where_to_go(
    project: dict[str, Any], wheel: zipfile.ZipFile
) -> None:
    told = told_of(wheel)
    addresses = dict(line.split(", ", 1) for line in told.get_all("Project-URL"))
    assert {"Homepage", "Repository", "Course", "Issues", "Releases", "Paper"} <= set(addresses)
    own = [address for name, address in addresses.items() if name != "Paper"]
    assert all(address.startswith(project["urls"]["Repository"]) for address in own)
    assert "Typing :: Typed" in told.get_all("Classifier")


def test_the_tests_run_from_an_unpacked_sdist(
    repository_files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    with tarfile.open(tmp_path / hatchling.build.build_sdist(str(tmp_path))) as sdist:
        sdist.extractall(tmp_path, filter="data")
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert [path for path in repository_files if not (folder / path).is_file()] == []
    quick = "relative_links or no_lesson_is_missing or a_checkout_gives_its_notebooks"
    chosen = "test_repository.py test_notebooks.py course/test_editions.py".split()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", quick, *chosen],
        cwd=folder / "tests",
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n7 passed" in done.stdout

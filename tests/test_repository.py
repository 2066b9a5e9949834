"""The files around the package say the same thing, and the wheel holds what it needs."""

import importlib.metadata
import re
import subprocess
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import hatchling.build
import pytest
import yaml

ROOT = Path(__file__).parents[1]

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
    large = [path for path in repository_files if (ROOT / path).stat().st_size > 2_000_000]
    assert not large


def test_top_level_stays_small(repository_files: list[Path]) -> None:
    assert {path.parts[0] for path in repository_files} <= TOP_LEVEL


def test_wheel_holds_the_package_and_its_data(
    project: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The build backend itself, in this process: pip would first fetch it from the network.
    monkeypatch.chdir(ROOT)
    with zipfile.ZipFile(tmp_path / hatchling.build.build_wheel(str(tmp_path))) as wheel:
        names = set(wheel.namelist())
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "slae_lib").rglob("*.py")}
    assert modules <= names
    assert "slae_lib/data/fluent_faces_metadata.safetensors" in names
    data = {name.removeprefix("slae_lib/") for name in names if name.startswith("slae_lib/data/")}
    results = {"data/results/ablation_openmoji-faces.json", "data/results/cost_256_pairs.json"}
    own = {path.relative_to(ROOT).as_posix() for path in (ROOT / "data").rglob("*.*")}
    assert data == own | results
    assert {name.split("/")[0] for name in names - modules} == {
        "slae_lib",
        f"slae_lib-{project['version']}.dist-info",
    }

"""On Colab the set-up cell adds a few small packages and changes none that is there.

Nothing is fetched: Colab's list lies beside this file, and what a package that Colab lacks needs
in turn is told by the one in this environment.
"""

import datetime
import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
import refresh
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from slae_lib.course import repository, set_up_cell

HERE = Path(__file__).parent
with (HERE.parents[1] / "pyproject.toml").open("rb") as file:
    PROJECT = tomllib.load(file)["project"]
MOST_PACKAGES, MOST_MEGABYTES = 5, 10


def colab() -> tuple[str, dict[str, str]]:
    """Colab's Python, and its packages by name."""
    head, *lines = refresh.kept().read_text("utf-8").splitlines()
    (python,) = re.findall(r"\(Python ([\d.]+)\)", head)
    pinned = [line.split("==") for line in lines]
    return python, {canonicalize_name(name): version for name, version in pinned}


def resolved(wanted: list[str]) -> tuple[set[str], list[str]]:
    """What pip adds to Colab for these requirements, and which of Colab's would have to change.

    As pip does it: what is there and allowed stays.
    """
    python, there = colab()
    environment = default_environment() | {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "os_name": "posix",
        "extra": "",
    }
    added: set[str] = set()
    changed: list[str] = []
    waiting = [Requirement(line) for line in wanted]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if requirement.marker and not requirement.marker.evaluate(environment):
            continue
        if name in there:
            if not requirement.specifier.contains(there[name], prereleases=True):
                changed.append(f"{requirement} (Colab has {there[name]})")
        elif name not in added:
            added.add(name)
            waiting += map(Requirement, importlib.metadata.requires(name) or [])
    return added, changed


def test_the_installation_adds_a_few_packages_and_changes_none() -> None:
    added, changed = resolved(PROJECT["dependencies"])
    assert changed == []
    assert added == {"lpips", "pytorch-fid"}
    assert len(added | {PROJECT["name"]}) <= MOST_PACKAGES


def test_what_is_added_is_small() -> None:
    for name in resolved(PROJECT["dependencies"])[0]:
        files = importlib.metadata.files(name) or []
        size = sum(path.size or 0 for path in files)
        assert 0 < size < MOST_MEGABYTES * 1e6, name


def test_colab_has_a_python_that_the_lab_runs_on() -> None:
    assert SpecifierSet(PROJECT["requires-python"]).contains(colab()[0])


def test_the_set_up_cell_installs_the_base_alone() -> None:
    cell = set_up_cell("00_start_here", PROJECT["version"], repository())
    (line,) = re.findall(r'%pip install -q "(.+)"', cell)
    requirement = Requirement(line)
    assert requirement.name == PROJECT["name"]
    assert requirement.extras == set()


def test_a_bound_that_colab_does_not_meet_is_found() -> None:
    python, there = colab()
    assert python >= "3.11"
    newer = f"numpy>{there['numpy']}"
    assert resolved([newer])[1] == [f"{newer} (Colab has {there['numpy']})"]
    assert resolved(["numpy>=99; python_version < '3'"]) == (set(), [])
    assert "jupyterlab" not in there
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        resolved(["no-such-package"])


def test_the_list_is_kept_with_its_day_and_without_addresses() -> None:
    frozen = (
        "numpy==2.1.3\n"
        "torch @ https://files.example/whl/torch-2.11.0%2Bcu128-cp313-cp313-linux_x86_64.whl#a=1\n"
        "tool @ git+https://files.example/tool\n"
        "-e /content/mine\n"
    )
    kept = refresh.as_list(frozen, datetime.date(2027, 1, 4), "3.12")
    head, *lines = kept.splitlines()
    assert "2027-01-04 (Python 3.13)" in head
    assert lines == ["numpy==2.1.3", "torch==2.11.0+cu128"]
    assert not re.search(r"@|://", refresh.kept().read_text("utf-8"))

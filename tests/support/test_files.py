"""Files that come with the project, and where they lie."""

from pathlib import Path

import pytest

from slae_lib.support import files
from slae_lib.support.files import stored_file


def test_stored_files_lie_in_the_package_or_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "slae_lib"
    monkeypatch.setattr(files, "__file__", str(package / "support" / "files.py"))
    assert stored_file("x.txt") is None
    beside = (tmp_path, tmp_path / "figures", tmp_path / "data")
    for place in (*beside, package / "data"):  # the last one wins
        place.mkdir(parents=True, exist_ok=True)
        (place / "x.txt").touch()
        assert stored_file("x.txt") == place / "x.txt"

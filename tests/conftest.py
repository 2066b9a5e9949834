"""What all tests share: figures without a window, small pictures, weights, photographs."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from random_weights import save_random_vgg

# Set before anything imports matplotlib, and inherited by the processes that tests start.
os.environ["MPLBACKEND"] = "Agg"


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache folder of their own, so that the user's is not filled with their pictures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLAE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def photos() -> Path:
    """The folder of real photographs that ``SLAE_TEST_PHOTOS`` names; skips without it."""
    folder = os.environ.get("SLAE_TEST_PHOTOS")
    if not folder:
        pytest.skip("SLAE_TEST_PHOTOS names no folder of photographs")
    path = Path(folder)
    assert path.is_dir(), f"SLAE_TEST_PHOTOS={folder} is not a folder"
    return path


@pytest.fixture(scope="session")
def random_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `TORCH_HOME` with a VGG-16 whose weights are random."""
    home = tmp_path_factory.mktemp("torch-home")
    save_random_vgg(home)
    return home


@pytest.fixture
def random_vgg(random_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(random_home))


@pytest.fixture
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "nothing"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures of different colours."""
    path = tmp_path / "three colours"
    path.mkdir()
    for name in ("red", "green", "blue"):
        Image.new("RGB", (64, 64), name).save(path / f"{name}.png")
    return path

"""A first training: from a folder to pictures that grow, in seconds and without a download."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from slae_lib.course.growing import COLUMNS, grow
from slae_lib.support.errors import LabError


def test_own_pictures_are_learned_for_so_long(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in range(4):
        pixels = torch.randint(0, 256, (40, 50, 3), dtype=torch.uint8).numpy()
        Image.fromarray(pixels).save(tmp_path / f"{place}.png")
    moments = grow(tmp_path, seconds=1, moments=2)
    assert len(moments) == 2
    for drawn in moments.values():
        assert drawn.shape == (COLUMNS, 3, 64, 64)
    first, last = moments.values()
    assert not torch.equal(first, last)
    assert f"Training on 4 pictures of {tmp_path.name}" in capsys.readouterr().out


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="nowhere"):
        grow(tmp_path / "nowhere")

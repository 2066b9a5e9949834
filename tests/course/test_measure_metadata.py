"""What lesson 06 shows of the real VGG-16 belongs to the faces that it names."""

import json

from safetensors import safe_open

from slae_lib.course.measure_metadata import CHANNELS, SHOWN, SOME, measured_changes
from slae_lib.datasets import load_images
from slae_lib.support.files import stored_file


def test_the_stored_numbers_belong_to_every_fourth_face() -> None:
    path = stored_file("lesson_06_metadata.safetensors")
    assert path is not None
    with safe_open(path, framework="pt") as file:
        facts = json.loads(file.metadata()["slae_lesson_06"])
    faces = load_images("fluent-faces", 64)
    assert facts["names"] == [faces.names[place] for place in SOME]
    assert facts["maps"] == {"name": faces.names[SHOWN], "channels": CHANNELS}


def test_every_change_has_a_row_for_each_face() -> None:
    stored = measured_changes()
    assert tuple(stored.pop("maps").shape) == (3, len(CHANNELS), 16, 16)
    assert {tuple(values.shape) for values in stored.values()} == {(len(SOME), 512)}
    assert all(values.isfinite().all() for values in stored.values())

"""The features of lesson 10: they are of the pictures that the lesson shows."""

import pytest
import torch

from slae_lib.course import stored_features as module
from slae_lib.course.stored_features import (
    as_jpeg,
    demo_samples,
    measured_pictures,
    stored_features,
)
from slae_lib.evaluation import InceptionFeatures
from slae_lib.support.errors import LabError
from slae_lib.support.pretrained import FID_INCEPTION


def test_there_is_a_row_for_every_picture() -> None:
    features = stored_features()
    pictures = measured_pictures(demo_samples())
    assert {name: tuple(values.shape) for name, values in features.items()} == {
        name: (len(each), 2048) for name, each in sorted(pictures.items())
    }
    assert all(each.shape[1:] == (3, 64, 64) for each in pictures.values())


def test_a_jpeg_is_changed_and_still_nearest_to_its_picture() -> None:
    faces = measured_pictures(demo_samples())["faces"]
    apart = (as_jpeg(faces[9]).int() - faces.int()).abs().float().mean(dim=(1, 2, 3))
    assert apart[9] > 0
    assert apart.argmin() == 9


def test_features_of_other_pictures_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEED", 1)
    with pytest.raises(LabError, match="other pictures"):
        stored_features()


@pytest.mark.skipif(not FID_INCEPTION.is_present(), reason="needs FID's Inception weights")
def test_inception_gives_them_again() -> None:
    network, features = InceptionFeatures(progress=False), stored_features()
    for name, pictures in measured_pictures(demo_samples()).items():
        anew = network(pictures[5:6])
        torch.testing.assert_close(anew, features[name][5:6], rtol=0.02, atol=0.02)

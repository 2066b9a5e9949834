"""The features that lesson 10 measures with: of which pictures they are, and how they were made."""

import copy
import hashlib
import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from slae_lib.course.stored import demo_run, stored
from slae_lib.datasets import load_images
from slae_lib.evaluation import GeneratedImages, InceptionFeatures
from slae_lib.plotting.base import to_pixels
from slae_lib.support.errors import LabError
from slae_lib.support.images import to_uint8
from slae_lib.support.sealed import load_tensors, reading, save_tensors

NAME = "lesson_10_features.safetensors"
_FACTS = "slae_lesson_10"
SAMPLES, SEED = 64, 0


def demo_samples(device: torch.device | str = "cpu") -> GeneratedImages:
    """Return the samples of the demo's generator that were measured."""
    return GeneratedImages.from_file(_generator_file(), SAMPLES, seed=SEED, device=device)


def measured_pictures(demo: GeneratedImages) -> dict[str, Tensor]:
    """Return the five sets that were measured, uint8 (N, 3, 64, 64); the last three are mistakes.

    Args:
        demo: the samples of `demo_samples`.
    """
    samples = demo.batch(range(SAMPLES))
    large = load_images("fluent-faces", 256).batch(range(93))
    return {
        "faces": load_images("fluent-faces", 64).batch(range(93)),
        "samples": samples,
        "samples, JPEG": torch.stack([as_jpeg(picture) for picture in samples]),
        "samples, train mode": _in_train_mode(demo),
        "faces, pixels left out": large[:, :, ::4, ::4],  # every fourth pixel, no smoothing
    }


def as_jpeg(picture: Tensor) -> Tensor:
    """Return a picture, uint8 (3, H, W), as it is after it was saved as a JPEG of quality 75."""
    file = io.BytesIO()
    Image.fromarray(to_pixels(picture)).save(file, format="JPEG", quality=75)
    return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)


@torch.no_grad()
def _in_train_mode(demo: GeneratedImages, batch_size: int = 8) -> Tensor:
    """Return the same samples from a generator that somebody forgot to set to eval()."""
    generator = copy.deepcopy(demo.generator).cpu().train()
    pictures = []
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for part in torch.arange(SAMPLES).split(batch_size):
            noise, metadata = demo.inputs(part)
            pictures.append(to_uint8(generator(noise, metadata).image))
    return torch.cat(pictures)


def stored_features() -> dict[str, Tensor]:
    """Return Inception's 2048 features of the five sets of `measured_pictures`.

    Raises:
        LabError: if the file is not there, or holds the features of other pictures.
    """
    path = stored(NAME)
    with reading(path, "install the lab again"):
        tensors, told = load_tensors(path, _FACTS)
    if not _facts().items() <= told.items():
        raise LabError(f"data/{NAME} was measured from other pictures; install the lab again.")
    return {name: values.float() for name, values in tensors.items()}


def make_stored_features(path: Path) -> None:
    """Measure the five sets with the real Inception network, and store its features.

    It takes 2 to 6 minutes on a CPU.

    Args:
        path: of the file to write.

    Raises:
        MissingWeightsError: if Inception's weights cannot be had.
    """
    network = InceptionFeatures(progress=False)
    made = {
        name: torch.cat([network(part) for part in pictures.split(32)]).half()
        for name, pictures in measured_pictures(demo_samples()).items()
    }
    save_tensors(path, made, _FACTS, _facts() | {"weights": network.weights})


def _generator_file() -> Path:
    return demo_run() / "generator.safetensors"


def _facts() -> dict[str, object]:
    """Return which pictures are measured: the faces and the generator, by their checksums."""
    made_by = hashlib.sha256(_generator_file().read_bytes()).hexdigest()
    faces = load_images("fluent-faces", 64).fingerprint
    return {"faces": faces, "generator": made_by, "seed": SEED}

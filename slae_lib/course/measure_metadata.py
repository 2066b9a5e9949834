"""What lesson 06 shows of the real VGG-16: the metadata of changed faces, measured and stored."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from slae_lib.course.stored import stored
from slae_lib.datasets import load_images
from slae_lib.metadata import MetadataExtractor
from slae_lib.support.images import to_float
from slae_lib.support.pretrained import normalise_for_vgg16
from slae_lib.support.sealed import load_tensors, reading, save_tensors

SOME = list(range(0, 93, 4))
"""Places of the faces that were measured: every fourth of the Fluent faces, 24 of them."""

SHOWN, CHANNELS = 28, [226, 248, 67, 252, 384]
"""The face whose feature maps are shown, and the channels: some that see something in it."""

_FILE, _FACTS = "lesson_06_metadata.safetensors", "slae_lesson_06"
_BEFORE_RELU = 28


def measured_changes() -> dict[str, Tensor]:
    """Return what `measure_changes` has stored: (24, 512) each, but for ``maps``, (3, 5, 16, 16).

    Raises:
        LabError: if the file is not there, or damaged.
    """
    path = stored(_FILE)
    with reading(path, "install the lab again"):
        tensors, _ = load_tensors(path, _FACTS)
    return {name: values.float() for name, values in tensors.items()}


@torch.no_grad()
def measure_changes(
    path: Path, changes: Mapping[str, Callable[[Tensor], Tensor]], device: str = "cpu"
) -> None:
    """Measure the metadata of changed faces with the real VGG-16; some minutes on a CPU.

    Args:
        path: of the file to write.
        changes: name to a function of pictures, uint8 (B, 3, 256, 256), as in the lesson.
        device: where VGG-16 works.

    Raises:
        MissingWeightsError: if the weights are missing and cannot be downloaded.
    """
    faces = load_images("fluent-faces", 256)
    pictures, one = faces.batch(SOME), faces.batch([SHOWN])
    extractor = MetadataExtractor("relu5_3").to(device)
    layers = extractor.features

    def maps(images: Tensor, end: int = len(layers), scaled: bool = True) -> Tensor:
        x = to_float(images.to(device))
        return layers[:end](normalise_for_vgg16(x) if scaled else x)

    def measure(make: Callable[[Tensor], Tensor], images: Tensor = pictures) -> Tensor:
        return torch.cat([make(part).cpu() for part in images.split(4)])

    made = {
        name: measure(lambda part: maps(part).mean(dim=(2, 3)), change(pictures))
        for name, change in changes.items()
    }
    made["wrong: before the ReLU"] = measure(lambda part: maps(part, _BEFORE_RELU + 1).mean((2, 3)))
    made["wrong: no scale"] = measure(lambda part: maps(part, scaled=False).mean(dim=(2, 3)))
    made["max"] = measure(lambda part: maps(part).amax(dim=(2, 3)))
    moved = changes["moved"](pictures)
    made["max, moved"] = measure(lambda part: maps(part).amax(dim=(2, 3)), moved)
    shown = torch.cat([one, changes["moved"](one), changes["half as large"](one)])
    made["maps"] = maps(shown)[:, CHANNELS].cpu()
    facts = {
        "names": [faces.names[place] for place in SOME],
        "layer": "relu5_3",
        "resolution": faces.resolution,
        "weights": extractor.weights,
        "maps": {"name": faces.names[SHOWN], "channels": CHANNELS},
    }
    halves = {name: values.half() for name, values in made.items()}
    save_tensors(path, halves, _FACTS, facts)

"""Images from a finished generator."""

import json
from pathlib import Path
from typing import cast, get_args

import torch
from torch import Tensor

from slae_lib.checkpoint import generator_facts, load_generator
from slae_lib.datasets import to_float, to_uint8
from slae_lib.errors import LabError, UsageError
from slae_lib.files import atomic_write
from slae_lib.images import BadPicture, in_threads, read_picture
from slae_lib.metadata import RESOLUTION, MetadataBank, MetadataExtractor, Mode
from slae_lib.runs import image_grid

MODES = get_args(Mode)


@torch.no_grad()
def sample_images(file: Path, count: int, seed: int = 0, mode: str = "bank") -> Tensor:
    """Draw images from a generator.

    The first images of a seed do not depend on how many are drawn.

    Args:
        file: a generator.safetensors; one with metadata needs the metadata.safetensors beside it.
        count: how many.
        seed: of noise and metadata.
        mode: where metadata comes from: "bank" (training images), "mix" (blends of three),
            "gaussian" (a fit), or the name of a picture file. Without meaning for generators
            without metadata.

    Returns:
        uint8 (N, 3, R, R).

    Raises:
        LabError: if a file is missing or damaged, or the picture cannot be read.
    """
    generator = load_generator(file)
    config = generator.config
    bank = _bank_of(file) if config.metadata else None
    scale = json.loads(generator_facts(file).get("train", "{}")).get(
        "metadata_scale", "standardised"
    )
    row = None
    if bank is not None and mode not in MODES:
        row = bank.of_images(_raw_metadata(Path(mode), bank.layer), scale)  # (1, C)
    images = []
    for index in range(count):
        # A source of its own for each image, so that image 3 is image 3 in any batch.
        source = torch.Generator().manual_seed(seed * 1_000_003 + index)
        noise = torch.randn(1, config.noise_dim, generator=source)
        metadata = row
        if bank is not None and row is None:
            metadata = bank.sample(1, mode=cast(Mode, mode), generator=source, scale=scale)
        images.append(to_uint8(generator(noise, metadata).image))
    return torch.cat(images)


def save_images(images: Tensor, sheet: Path, each: Path | None = None) -> list[Path]:
    """Write images as one sheet and, if wanted, as files of their own.

    Args:
        images: uint8 (N, 3, R, R).
        sheet: PNG file of all images side by side.
        each: folder for ``0000.png`` and so on.

    Returns:
        The files written, the folder standing for its files.

    Raises:
        LabError: if a file cannot be written.
    """
    with atomic_write(sheet) as temporary:
        image_grid(images).save(temporary, format="PNG")
    if each is None:
        return [sheet]
    for index, image in enumerate(images):
        with atomic_write(each / f"{index:04d}.png") as temporary:
            image_grid(image[None]).save(temporary, format="PNG")
    return [sheet, each]


def _bank_of(file: Path) -> MetadataBank:
    path = file.parent / "metadata.safetensors"
    if not path.exists():
        raise LabError(
            f"{path} is missing; this generator takes metadata, so copy it from the run's folder."
        )
    return MetadataBank.load(path)


def _raw_metadata(picture: Path, layer: str) -> Tensor:
    if not picture.is_file():
        raise UsageError(
            f"--metadata {picture} is neither {', '.join(MODES)} nor a picture file that exists."
        )
    try:
        # Through `in_threads`, which keeps Pillow's own warnings quiet.
        ((pixels, _),) = in_threads(lambda path: read_picture(path, RESOLUTION), [picture])
    except BadPicture as bad:
        raise LabError(f"{picture} cannot be used: {bad}; give another picture.") from None
    return MetadataExtractor(layer)(to_float(pixels)[None])

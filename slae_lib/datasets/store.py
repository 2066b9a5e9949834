"""Where metadata comes from: extracted once, then found again by every training."""

import warnings
from pathlib import Path

import torch

from slae_lib.datasets.bank import MetadataBank
from slae_lib.datasets.sets import ImageSet, load_images
from slae_lib.metadata import RESOLUTION, MetadataExtractor, check_layer
from slae_lib.support.errors import LabError
from slae_lib.support.files import cache_folder, stored_file
from slae_lib.support.images import to_float
from slae_lib.support.pretrained import MissingWeightsError
from slae_lib.support.progress import progress_bar

# Banks that come with this project, by the name of their built-in data set.
_STORED = {"fluent-faces": "fluent_faces_metadata.safetensors"}


def extract(
    images: ImageSet, layer: str = "relu5_3", batch_size: int = 8, progress: bool = True
) -> MetadataBank:
    """Extract the metadata of a data set; 100 pictures take about a minute on two CPU cores.

    Args:
        images: the pictures at the resolution of `RESOLUTION`.
        layer: of VGG-16, a name from `VGG16_RELU_NAMES`.
        batch_size: pictures at a time; changes the memory needed, and the result only by rounding.
        progress: show a progress bar.

    Raises:
        UsageError: for a layer that does not exist.
        MissingWeightsError: if the weights are missing and cannot be downloaded.
    """
    extractor = MetadataExtractor(layer)
    extractor.to(memory_format=torch.channels_last)  # a third faster on a CPU
    rows = []
    with (
        torch.no_grad(),
        progress_bar(
            desc=f"metadata of {images.name}",
            total=len(images),
            unit="picture",
            disable=not progress,
        ) as bar,
    ):
        for indices in torch.arange(len(images)).split(batch_size):
            rows.append(extractor(to_float(images.batch(indices))))
            bar.update(len(indices))
    return MetadataBank(
        values=torch.cat(rows),
        names=images.names,
        layer=layer,
        resolution=images.resolution,
        weights=extractor.weights,
        data_name=images.name,
        data_fingerprint=images.fingerprint,
    )


def bank_for(
    data: str | Path, layer: str = "relu5_3", *, images: ImageSet | None = None
) -> MetadataBank:
    """Return the metadata of a data set: stored, from the cache, or extracted now and cached.

    Args:
        data: a name or a folder, as for `slae_lib.datasets.load_images`.
        layer: of VGG-16, a name from `VGG16_RELU_NAMES`.
        images: the same data, if it is loaded already; at any resolution.

    Raises:
        UsageError: for a layer or data that do not exist.
        MissingWeightsError: if it has to be extracted and VGG-16 cannot be had.
        LabError: if the cache folder may not be read.

    Warns:
        UserWarning: if a stored file does not fit the data or is damaged; it is then not used.
    """
    check_layer(layer)
    if images is None:
        images = load_images(data, RESOLUTION)
    cached = cached_file(images, layer)
    # A user's folder may have the name of a built-in set, but not its place.
    stored = _STORED.get(images.reference)
    for path in (stored_file(stored) if stored else None, cached):
        if path is not None and _exists(path):
            try:
                bank = MetadataBank.load(path)
                if bank.layer != layer:
                    continue  # the stored file holds one layer alone
                bank.check(images)
                return bank
            except LabError as problem:
                warnings.warn(f"{path} is not used: {problem}", stacklevel=2)
    if images.resolution != RESOLUTION:
        images = load_images(data, RESOLUTION)
    try:
        bank = extract(images, layer)
    except MissingWeightsError as problem:
        raise MissingWeightsError(
            f"The metadata of {images.name} has to be extracted first, but "
            f"{str(problem).rstrip('.')}; training without metadata works with --no-metadata."
        ) from problem
    try:
        bank.save(cached)
    except LabError as problem:
        warnings.warn(f"The metadata will be extracted again next time: {problem}", stacklevel=2)
    return bank


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise LabError(
            f"The cache folder {path.parent} cannot be read ({error.strerror}); change its "
            "permissions, or name another folder in SLAE_CACHE."
        ) from None


def cached_file(images: ImageSet, layer: str = "relu5_3") -> Path:
    """Return where `bank_for` keeps the metadata of ``images``, whether or not it is there."""
    return cache_folder() / "metadata" / f"{images.fingerprint}-{layer}.safetensors"

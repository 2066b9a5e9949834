"""Features of stored images, computed once and found again by the fingerprint of the images."""

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from slae_lib.evaluation.sources import StoredImages
from slae_lib.support.errors import LabError
from slae_lib.support.files import atomic_write, cache_folder


def cached_features(
    images: StoredImages, weights: str, compute: Callable[[], Tensor], kind: str = ""
) -> Tensor:
    """Return the features of ``images``: from the cache, or computed now and kept there.

    Args:
        images: what they are of.
        weights: checksum of the network; features of another network are not used.
        compute: makes them, (N, d).
        kind: of the features, part of the file's name; nothing for those of FID.

    Returns:
        (N, d) float32.

    Warns:
        UserWarning: if they cannot be kept.
    """
    path = feature_file(images, kind)
    kept = _load(path, weights, len(images))
    if kept is not None:
        return kept
    features = compute()
    try:
        with atomic_write(path) as temporary:
            temporary.write_bytes(save({"features": features.contiguous()}, {"weights": weights}))
    except LabError as problem:
        warnings.warn(f"The features will be computed again next time: {problem}", stacklevel=2)
    return features


def feature_file(images: StoredImages, kind: str = "") -> Path:
    """Return where `cached_features` keeps the features, whether or not they are there."""
    # 2: before, pictures of 16 bits were read as white at their own size.
    parts = [images.fingerprint, str(images.resolution or "own-size-2"), kind]
    return cache_folder() / "features" / f"{'-'.join(part for part in parts if part)}.safetensors"


def _load(path: Path, weights: str, count: int) -> Tensor | None:
    try:
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("weights") != weights:
                return None
            # A copy, since the tensor may be a window on the file, which may be replaced.
            features: Tensor = file.get_tensor("features").clone()
    except (OSError, SafetensorError):
        return None  # whatever is wrong with it, it can be made again
    return features if features.dtype == torch.float32 and len(features) == count else None

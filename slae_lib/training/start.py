"""Start a run or go on with one: its pictures, its metadata, and what may be given anew."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from slae_lib.datasets import ImageSet, MetadataBank, bank_for, load_images
from slae_lib.support.errors import LabError
from slae_lib.training.checkpoint import load_checkpoint
from slae_lib.training.run import RunInfo, newest_checkpoint

CONTINUABLE = ("iterations", "log_every", "sample_every", "checkpoint_every", "keep_checkpoints")
"""Fields of a run's configuration that may be given anew when it goes on."""

FEW_IMAGES = 8_000
"""What a run has to have seen before its samples can be judged."""


def load_inputs(
    model: Any, config: Any, data: str | Path
) -> tuple[Any, ImageSet, MetadataBank | None]:
    """Load the pictures of a run, and their metadata if the model takes any.

    Args:
        model: the networks.
        config: the run.
        data: a name or a folder, as for `slae_lib.datasets.load_images`.

    Returns:
        The networks with as many numbers of metadata as the layer of VGG-16 has, the pictures,
        and their metadata or None.

    Raises:
        LabError: if pictures or metadata cannot be had.
    """
    images = load_images(data, model.resolution)
    if not model.metadata:
        return model, images, None
    bank = bank_for(data, config.metadata_layer, images=images)
    return replace(model, metadata_dim=bank.values.shape[1]), images, bank


def reached(run: Path) -> int:
    """Return the iteration of a run's newest checkpoint.

    Raises:
        LabError: if it has none, or a damaged one.
    """
    return int(load_checkpoint(newest_checkpoint(run))["iteration"])


def resume(
    run: Path, info: RunInfo, changes: dict[str, Any], data: str | None = None
) -> tuple[RunInfo, ImageSet, MetadataBank | None]:
    """Load what a run needs to go on; nothing is written.

    Args:
        run: its folder, for what is said.
        info: what its run.json says.
        changes: fields of `CONTINUABLE` with new values.
        data: where its pictures are now; where they were if not given.

    Returns:
        What its run.json has to say from now on, its pictures, and their metadata or None.

    Raises:
        LabError: if the pictures cannot be read or are others.
    """
    config = replace(info.train, **changes)
    model, images, bank = load_inputs(info.model, config, data or info.data)
    if images.fingerprint != info.data_fingerprint:
        raise LabError(
            f"{data or info.data} does not hold the pictures that {run} was started with; bring "
            "them back, name the folder where they are now with --data, or start a new run."
        )
    return replace(info, model=model, train=config, data=images.reference), images, bank


def further(iterations: int, batch_size: int) -> int:
    """Return to how many iterations to go on: twice as many, or as many as give pictures."""
    return max(2 * iterations, -(-2 * FEW_IMAGES // batch_size // 100) * 100)

"""The order in which a run sees its images."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from slae_lib.datasets import ImageSet
from slae_lib.training.config import RunConfig


def image_batches(
    images: ImageSet, config: RunConfig, start: int = 0, rank: int = 0, processes: int = 1
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (indices (B,), uint8 images (B, 3, R, R)) without end, from iteration ``start`` on.

    Every image is seen once an epoch, in an order that depends on the seed and the epoch alone,
    so a resumed run sees the same batches as one that was never interrupted.
    """
    order = _image_order(len(images), config.batch_size, config.seed, start, rank, processes)
    if images.in_memory:
        for indices in order:
            yield indices, images.batch(indices)
    # Pictures on the disk are decoded one batch ahead, while the networks compute.
    with ThreadPoolExecutor(1) as reader:
        indices = next(order)
        batch = reader.submit(images.batch, indices)
        for following in order:
            next_batch = reader.submit(images.batch, following)
            yield indices, batch.result()
            indices, batch = following, next_batch


def _image_order(
    count: int, batch_size: int, seed: int, start: int, rank: int, processes: int
) -> Iterator[Tensor]:
    position = (start * processes + rank) * batch_size
    epoch, permutation = -1, torch.empty(0, dtype=torch.long)
    while True:
        indices = []
        for place in range(position, position + batch_size):
            if place // count != epoch:
                epoch = place // count
                source = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
                permutation = torch.randperm(count, generator=source)
            indices.append(permutation[place % count])
        yield torch.stack(indices)
        position += batch_size * processes

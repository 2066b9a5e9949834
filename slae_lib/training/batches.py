"""The order in which a run sees its images, and who reads them."""

import functools
import os
import signal
import sys
import warnings
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from slae_lib.datasets import ImageSet
from slae_lib.datasets.pictures import silent_pillow
from slae_lib.training.config import RunConfig

MOST_WORKERS = 4  # each decodes some hundred pictures a second; training takes fewer


def image_batches(
    images: ImageSet, config: RunConfig, start: int = 0, rank: int = 0, processes: int = 1
) -> Generator[tuple[Tensor, Tensor]]:
    """Yield (indices (B,), uint8 images (B, 3, R, R)) without end, from iteration ``start`` on.

    Every image is seen once an epoch, in an order that depends on the seed and the epoch alone,
    so a resumed run sees the same batches as one that was never interrupted. Pictures that nobody
    has decoded are decoded ahead by processes of their own, in the same order; should those end,
    this one goes on alone, with a warning.
    """
    order = functools.partial(
        _image_order, len(images), config.batch_size, config.seed, start, rank, processes
    )
    batches = order()
    if not images.decoded:
        workers = _workers(images, order(), processes)
        for indices in batches:
            try:
                batch = torch.from_numpy(next(workers))
            except Exception as error:
                problem = str(error)
                error.__traceback__ = None  # its frames would keep the workers alive
                break
            yield indices, batch
        del workers
        batch = images.batch(indices)  # if a file has become unusable, this says which one
        warnings.warn(
            f"The processes that read pictures have ended ({problem}); this one reads them itself "
            "from here on, which may be slower.",
            stacklevel=2,
        )
        yield indices, batch
    for indices in batches:
        yield indices, images.batch(indices)


class _Decoded(Dataset[Tensor]):
    """Batches of pictures, decoded from their files, by the list of their indices."""

    def __init__(self, images: ImageSet) -> None:
        self.images = images

    def __getitem__(self, indices: list[int]) -> Tensor:
        with silent_pillow():
            return torch.stack([self.images.decode(index) for index in indices])


def _workers(images: ImageSet, order: Iterator[Tensor], processes: int) -> Iterator[Any]:
    loader = DataLoader(
        _Decoded(images),
        batch_size=None,  # the order has whole batches
        sampler=(indices.tolist() for indices in order),
        num_workers=max(1, min(MOST_WORKERS, ((os.cpu_count() or 1) - 1) // processes)),
        collate_fn=np.asarray,  # for a tensor they would need shared memory, often scarce
        worker_init_fn=_set_signals,
        generator=torch.Generator(),  # or it would draw a seed from the run's own randomness
    )
    return iter(loader)


def _set_signals(_: int) -> None:
    # Ctrl-C reaches the workers too, while the training still wants to finish its iteration.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)


def _end(*_: object) -> None:
    # Whatever is half sent is sent first, unless nobody takes it. Torch raises for a code but 0.
    signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    signal.alarm(5)
    sys.exit(0)


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

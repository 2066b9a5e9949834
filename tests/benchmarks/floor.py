"""The floor of a work: the time that its multiplications alone would take on this computer.

Counted are the multiplications of every convolution and matrix product of the real work, forward
and backward. Their rate is measured: of all convolutions in the work the one with the most
multiplications is done bare, forward, on random numbers of the same size and type, again and again;
the fastest of these counts. Other operations, and getting from one to the next, have no place in
the floor, so nothing is faster than it but what needs fewer multiplications or finds a faster
convolution.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count


@dataclass(frozen=True)
class Convolution:
    """One convolution: the shapes of input and weight, and what `aten::convolution` is told."""

    input: tuple[int, ...]
    weight: tuple[int, ...]
    how: tuple[Any, ...]  # stride, padding, dilation, transposed, output padding, groups
    macs: int
    dtype: torch.dtype
    memory_format: torch.memory_format = torch.contiguous_format


class _Heaviest(TorchDispatchMode):
    """Remember the convolution with the most multiplications."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Convolution | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.convolution.default:
            images, weight, _, *how = args
            shapes = tuple(images.shape), tuple(weight.shape)
            macs = conv_flop_count(*shapes, tuple(result.shape), transposed=how[3]) // 2
            if self.found is None or macs > self.found.macs:
                self.found = Convolution(*shapes, tuple(how), macs, images.dtype)
        return result


class Counter:
    """Counts multiplications while it is entered.

    Attributes:
        heaviest: the convolution with the most of them, or None.
    """

    def __init__(self) -> None:
        self._flops = FlopCounterMode(display=False)
        self._heaviest = _Heaviest()

    def __enter__(self) -> "Counter":
        self._flops.__enter__()
        self._heaviest.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._heaviest.__exit__(*error)
        self._flops.__exit__(*error)

    @property
    def macs(self) -> int:
        """How many so far; a multiplication with its addition is one."""
        return self._flops.get_total_flops() // 2

    @property
    def heaviest(self) -> Convolution | None:
        return self._heaviest.found


def count(work: Callable[[], object]) -> Counter:
    """Do the work and count its multiplications."""
    with Counter() as counter:
        work()
    return counter


def finish(device: torch.device) -> None:
    """Wait until the device has done all that it was told."""
    if device.type != "cpu":
        torch.accelerator.synchronize()


@torch.no_grad()
def rate(convolution: Convolution, device: torch.device, seconds: float = 0.3) -> float:
    """Return how many multiplications a second the bare convolution reaches at its best.

    Args:
        convolution: what is measured.
        device: where.
        seconds: how long it is repeated, at least five times.
    """
    images, weight = (
        torch.randn(shape, device=device, dtype=convolution.dtype).contiguous(
            memory_format=convolution.memory_format if len(shape) == 4 else torch.contiguous_format
        )
        for shape in (convolution.input, convolution.weight)
    )
    together = 1 if device.type == "cpu" else 10  # telling a GPU takes longer than a small one

    def run() -> float:
        finish(device)
        start = time.perf_counter()
        for _ in range(together):
            torch.ops.aten.convolution(images, weight, None, *convolution.how)
        finish(device)
        return (time.perf_counter() - start) / together

    run(), run()  # to warm up
    times, end = [run() for _ in range(5)], time.perf_counter() + seconds
    while time.perf_counter() < end:
        times.append(run())
    return convolution.macs / min(times)


def as_type(
    convolution: Convolution, dtype: torch.dtype, memory_format: torch.memory_format
) -> Convolution:
    """Return the same convolution in another type or order of its numbers."""
    return replace(convolution, dtype=dtype, memory_format=memory_format)

"""Several processes that train as one: their random numbers, their losses, their end."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from accelerate import Accelerator
from torch import distributed
from torch.overrides import TorchFunctionMode

from slae_lib.support.errors import LabError
from slae_lib.training.state import StepLosses


class Together(TorchFunctionMode):
    """What the processes that share a batch have in common; each makes one, at the same time.

    In a block ``with together:`` random numbers are drawn for the images of all processes, and this
    one gets the rows of its own. So they draw what a single one would draw for the whole batch, if
    they start from the same seed. A number without rows serves all images.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        super().__init__()
        self.accelerator = accelerator
        self.rank, self.processes = accelerator.process_index, accelerator.num_processes
        # On the CPU, so that no GPU waits for an answer.
        self.group: Any = distributed.new_group(backend="gloo") if self.processes > 1 else None

    def __torch_function__(self, function: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call ``function``, for all rows if it is one that draws."""
        kwargs = kwargs or {}
        if function is torch.rand_like:
            function, like = torch.rand, args[0]
            args, kwargs = (like.shape,), {"device": like.device, "dtype": like.dtype, **kwargs}
        if function not in (torch.rand, torch.randn, torch.randint) or "generator" in kwargs:
            return function(*args, **kwargs)
        *first, size = args if isinstance(args[-1], tuple) else (args,)
        if not size:
            return function(*first, size, **kwargs)
        whole = function(*first, (size[0] * self.processes, *size[1:]), **kwargs)
        return whole.chunk(self.processes)[self.rank]

    def agreed(self, stop: bool) -> bool:
        """Return whether any of the processes wants to stop."""
        wanted = torch.tensor(int(stop), dtype=torch.int32)
        if self.group is not None:
            distributed.all_reduce(wanted, distributed.ReduceOp.MAX, self.group)
        return bool(wanted)

    def mean(self, losses: StepLosses) -> StepLosses:
        """Return the losses of the whole batch."""
        if self.group is None:
            return losses
        given = {name: loss for name, loss in losses._asdict().items() if loss is not None}
        means = self.accelerator.reduce(torch.stack(list(given.values())), "mean")
        return losses._replace(**dict(zip(given, means, strict=True)))

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """Turn what gloo or NCCL say of a process that is not there any more into a `LabError`."""
        try:
            yield
        except RuntimeError as error:
            if self.group is None or not (
                isinstance(error, distributed.DistError) or "gloo" in str(error)
            ):
                raise
            raise LabError(
                f"Another of the {self.processes} processes of this training has ended or does not "
                "answer, so this one ends too; go on from the newest checkpoint with --resume."
            ) from error

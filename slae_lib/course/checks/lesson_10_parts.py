"""What the checks of lesson 10 give to a student's functions, and how they read the answers."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from numbers import Real
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from slae_lib.course.checks.base import Refused, called, require
from slae_lib.evaluation import frechet_distance as frechet


def number(found: Any) -> float:
    """Return a single number as a float, and refuse anything else."""
    single = isinstance(found, Real) or (isinstance(found, Tensor) and found.numel() == 1)
    what = (
        f"shape {tuple(found.shape)}"
        if isinstance(found, Tensor)
        else f"kind {type(found).__name__}"
    )
    require(single, "no_number", found=what)
    return float(found)


def near(found: float, wanted: float) -> bool:
    """Whether two numbers are the same but for rounding."""
    return abs(found - wanted) <= 1e-4 * max(1.0, abs(wanted))


def pair(answer: Any) -> tuple[Tensor, Tensor]:
    """Return the two tensors of an answer, and refuse anything else."""
    two = isinstance(answer, tuple | list) and [type(each) for each in answer] == [Tensor] * 2
    parts = answer if isinstance(answer, tuple) else ()
    require(not any(isinstance(each, list) for each in parts), "lists")
    require(two, "no_pair", found=type(answer).__name__)
    return answer[0], answer[1]


def none_of(found: float, wrong: Iterable[tuple[str, float]], **told: object) -> None:
    """Refuse a number that comes out of a known mistake."""
    for cause, value in wrong:
        require(not near(found, value), cause, found=found, **told)


@contextmanager
def unpacked(answer: Any, *makers: str) -> Iterator[None]:
    """Refuse a function that computes with all the tensors at once that one of these returns."""
    try:
        yield
    except (TypeError, AttributeError) as error:
        said = str(error).splitlines()[0]
        names = getattr(getattr(answer, "__code__", None), "co_names", ())
        at_once = "return_types" in said or "tuple" in said
        require(not (at_once and set(makers) & set(names)), "several", said=said)
        raise


def lengths_of_rows(fid_table: Callable[..., Any]) -> tuple[int, int]:
    """Return to how many of 50 and of 45 pictures all rows are cut, with few training pictures."""
    training, *sets = [torch.randn(size, 5) + shift for shift, size in enumerate((30, 60, 55, 50))]

    def cut(training: Tensor, largest: int) -> int:
        held_out, a, b = (each[:largest] for each in sets)
        table = table_of(fid_table, training, held_out, {"A": a, "B": b})
        pairs = [(table["perfect"], held_out), (table["A"], a), (table["B"], b)]
        for count in range(2, largest):
            if all(near(found, frechet(training, each[:count])) for found, each in pairs):
                return count
        return largest

    return cut(training[:20], 50), cut(training, 45)


def table_of(
    fid_table: Callable[..., Any], training: Tensor, held_out: Tensor, systems: dict[str, Tensor]
) -> dict[str, float]:
    """Return a student's table of the systems A and B, with a number in each row."""
    own = dict(systems)
    try:
        found = called(fid_table, training, held_out, own)
    except KeyError as error:
        raise Refused("typed_name", name=error.args[0]) from error
    require([*map(id, own.values())] == [*map(id, systems.values())], "written")
    require(isinstance(found, dict), "no_dict", found=type(found).__name__)
    require(set(found) != {"A", "B"}, "no_perfect")
    require(set(found) == {"perfect", "A", "B"}, "rows", found=list(found))
    for name, value in found.items():
        is_given = value is held_out or any(value is each for each in own.values())
        require(not is_given, "pictures", name=name)
    return {name: number(value) for name, value in found.items()}


def from_ten(numbers: Tensor) -> Tensor:
    """Describe numbers (N, 1) by how far they are from ten: two columns (N, 2)."""
    return torch.cat([(numbers - 10).abs(), 0 * numbers], dim=1)


class TableProducts(TorchFunctionMode):
    """Notes whether a (d, d) table is multiplied, or asked for its eigenvalues."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.shape, self.built = (d, d), False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(part in getattr(func, "__name__", "") for part in ("eig", "svd", "matmul", "mm")):
            self.built |= getattr(next(iter(args), None), "shape", ()) == self.shape
        return func(*args, **(kwargs or {}))


class Notes:
    """How a generator is used; a copy of the generator writes into the same."""

    def __init__(self) -> None:
        self.slopes: list[float] = []  # of the images, at each step back
        self.kept = [0.0]  # what gradient the noise has when it comes in
        self.trained = self.learns = False
        self.weight = 1.0  # as it was drawn with for the last time

    def __deepcopy__(self, _: object) -> "Notes":
        return self


class Grey(nn.Module):
    """A generator of grey pictures, one number of noise each, that notes how it is used."""

    def __init__(self) -> None:
        super().__init__()
        self.brightness = nn.Parameter(torch.ones(()))
        self.notes = Notes()

    def forward(self, noise: Tensor, metadata: Tensor | None) -> SimpleNamespace:
        """Return grey images (B, 3, 4, 4)."""
        notes = self.notes
        notes.trained |= self.training
        notes.learns |= noise.requires_grad
        notes.weight = self.brightness.item()
        if noise.grad is not None:
            notes.kept.append(float(noise.grad.abs().max()))
        moving = noise * self.brightness
        if moving.requires_grad:
            moving.register_hook(lambda slope: notes.slopes.append(float(slope.abs().max())))
        return SimpleNamespace(image=moving[:, :, None, None].expand(-1, 3, 4, 4))

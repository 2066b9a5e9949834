"""What the checks of all lessons are written with: refuse an answer, call it, compare modules."""

import dis
import functools
from collections.abc import Callable
from types import CodeType, ModuleType
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize


class Refused(Exception):
    """An answer is not right.

    Attributes:
        cause: names the sentence that says why, among the exercise's or the general ones.
        values: what the sentence tells of the student's answer; under ``wrong`` may stand the names
            that are to be replaced, where the exercise's others are right.
    """

    def __init__(self, cause: str, **values: Any) -> None:
        super().__init__(cause)
        self.cause = cause
        self.values = values


def require(condition: bool, cause: str, **values: object) -> None:
    """Refuse the answer for this cause unless the condition holds.

    Raises:
        Refused: with the cause, and the values for its sentence.
    """
    if not condition:
        raise Refused(cause, **values)


def called(answer: Callable[..., Any], *inputs: object) -> Any:
    """Return what a student's function, class or module makes of the inputs.

    It gets copies of tensors, and may not change them: an answer that does would spoil the check,
    and in the notebook what the cells below build on.

    Raises:
        Refused: if it is no function, changes what it is given, or returns the three dots or
            nothing.
    """
    require(callable(answer), "no_function", found=answer)
    copies = [_copied(each) for each in inputs]
    found = answer(*copies)
    for given, copy in zip(inputs, copies, strict=True):
        kept = copy is given or torch.equal(given, copy)  # type: ignore[arg-type]
        require(kept, "changed_input")
    parts = found if isinstance(found, tuple) else (found,)
    require(not any(part is ... for part in parts), "open")
    require(found is not None, "nothing")
    return found


def own_arguments(*unclear: str) -> Callable[..., Any]:
    """Let an exercise's logic name what the first answer reads from the notebook.

    It does if that function stops, or is refused for an unclear cause. Functions, modules, words
    and single numbers are no such data: a helper or a limit may stand outside.
    """

    def logic(exercise: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(exercise)
        def asked(answer: Any, *more: object) -> Any:
            try:
                return exercise(answer, *more)
            except Exception as error:
                if not isinstance(error, Refused) or error.cause in unclear:
                    names = _read_outside(answer)
                    require(not names, "outside", names=", ".join(f"`{name}`" for name in names))
                raise

        return asked

    return logic


def _read_outside(answer: Any) -> dict[str, None]:
    codes, names = [getattr(answer, "__code__", None)], []
    for code in codes:  # those of the loops in brackets and of inner functions come behind it
        if code is not None:
            steps = dis.get_instructions(code)
            names += [step.argval for step in steps if step.opname == "LOAD_GLOBAL"]
            codes += [part for part in code.co_consts if isinstance(part, CodeType)]
    there = getattr(answer, "__globals__", {})
    plain = ModuleType | str | int | float | torch.device | torch.dtype | None
    data = [n for n in names if n in there and not isinstance(there[n], plain)]
    return dict.fromkeys(
        n for n in data if isinstance(there[n], nn.Module) or not callable(there[n])
    )


def _copied(given: object) -> object:
    """Return a tensor's copy, and anything else as it is; gradients need the tensor itself."""
    if isinstance(given, torch.Tensor) and not given.requires_grad:
        return given.clone()
    return given


def kinds(block: nn.Sequential) -> list[str]:
    """Return the names of a block's layers, such as ``["Conv2d", "GLU"]``, in their order."""
    # children() would leave out a layer that stands there for the second time
    return [type(layer).__name__.removeprefix("Parametrized") for layer in block]


def has_spectral_norm(layer: nn.Module) -> bool:
    """Whether a layer's weight is computed, as with spectral norm."""
    return parametrize.is_parametrized(layer, "weight")


@torch.no_grad()
def same_output(mine: nn.Module, theirs: nn.Module, *inputs: torch.Tensor) -> bool:
    """Whether a module gives what another gives, once it has the other's weights.

    Both are compared in eval mode. Their numbers have to stand in the same order.
    """
    state = theirs.state_dict().values()
    if len(state) != len(mine.state_dict()):
        return False
    mine.load_state_dict(dict(zip(mine.state_dict(), state, strict=True)))
    return torch.allclose(mine.eval()(*inputs), theirs.eval()(*inputs), atol=1e-5)

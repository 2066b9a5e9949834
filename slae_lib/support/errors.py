"""Errors that are written for the person at the keyboard: the thing, the reason, the mend."""

import contextlib
import warnings
from collections.abc import Callable, Iterator


class LabError(Exception):
    """Something outside the program stopped it; the message is one sentence with a mend.

    The command line prints the message and leaves with exit code 1.
    """


class UsageError(LabError):
    """The request itself cannot be met, for example a resolution that does not exist.

    The command line prints the message and leaves with exit code 2.
    """


@contextlib.contextmanager
def in_words(what: str, mend: Callable[[], str]) -> Iterator[None]:
    """Turn failed allocations, too large numbers, odd links and a missing compiler into a sentence.

    Args:
        what: which there may be no memory for.
        mend: tells what helps; asked when it is needed.

    Raises:
        LabError: in place of PyTorch's or Python's error.
    """
    try:
        yield
    except (MemoryError, RuntimeError, OverflowError, TypeError) as error:
        text = f"{type(error).__name__}: {error}"
        if is_shortage(error) or "verflow" in text:
            raise LabError(f"There is not enough memory for {what}; {mend()}.") from error
        if "Symlink loop" in text:  # of `Path.resolve`, before Python 3.13
            raise LabError(f"{error}, a link that leads to itself; name another place.") from error
        if any(sign in text for sign in ("InvalidCxxCompiler", "No working C++ compiler")):
            raise LabError(
                "--compile needs a C++ compiler, and none is found; install one (such as g++), or "
                "leave --compile out."
            ) from error
        raise


def is_shortage(error: Exception) -> bool:
    """Return whether an error says that there is not enough memory: Python's, or PyTorch's."""
    return isinstance(error, MemoryError) or any(
        sign in str(error) for sign in ("alloc", "out of memory")
    )


@contextlib.contextmanager
def beside_the_weights(what: str, done: str = "made") -> Iterator[None]:
    """Warn, and go on, where something could not be made that a run can do without.

    Args:
        what: the thing, as the beginning of a sentence, such as ``"runs/a/history.png"``.
        done: what could not be done with it.
    """
    try:
        yield
    except Exception as error:  # whatever it is, hours of training are worth more
        reason = str(error) or type(error).__name__
        warnings.warn(f"{what} could not be {done}, and all else goes on: {reason}", stacklevel=3)

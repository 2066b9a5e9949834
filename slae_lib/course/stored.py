"""Results that come with the lab, for lessons that have no time to make them."""

from pathlib import Path

from slae_lib.support.errors import LabError
from slae_lib.support.files import stored_file


def demo_run() -> Path:
    """Return the finished run of ``make demo`` that comes with the lab.

    Raises:
        LabError: if it is not there.
    """
    folder = stored_file("demo")
    if folder is None:
        raise LabError("data/demo is not there; install the lab again, or run `make demo`.")
    return folder

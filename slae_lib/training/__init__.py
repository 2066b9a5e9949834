"""Training: one iteration (`step`), the loop around it (`loop`), and what both need."""

from slae_lib.training.loop import train
from slae_lib.training.recorder import Progress

__all__ = ["Progress", "train"]

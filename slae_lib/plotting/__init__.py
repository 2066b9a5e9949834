"""Figures as pure functions: tensors in, a matplotlib figure out.

Nothing here touches files, random numbers or matplotlib's global state.
"""

from slae_lib.plotting.runs import attention_figure, history_figure, progress_figure, samples_figure

__all__ = ["attention_figure", "history_figure", "progress_figure", "samples_figure"]

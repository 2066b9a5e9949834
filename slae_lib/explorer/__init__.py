"""Explorers for notebooks: look into a generator, a metadata bank, a running training.

Plain ipywidgets without any extension: they work in JupyterLab, Notebook 7, VS Code and Colab.
Every control has a name, every picture an alternative text, and the same facts stand below it in
words.
"""

from slae_lib.explorer.attention import AttentionExplorer
from slae_lib.explorer.metadata import MetadataExplorer
from slae_lib.explorer.monitor import TrainingMonitor

__all__ = ["AttentionExplorer", "MetadataExplorer", "TrainingMonitor"]

"""Look into a generator and a running training, in notebooks and on a page.

The stage is an anywidget: it works in JupyterLab, Notebook 7, VS Code and Colab, and the same front
end runs on a static page, where it computes by itself. Everything on it has a name, is reached by
keyboard, and is said in words.
"""

from slae_lib.explorer.monitor import TrainingMonitor
from slae_lib.explorer.stage import Stage
from slae_lib.explorer.still import bank_still, still

__all__ = ["Stage", "TrainingMonitor", "bank_still", "still"]

"""The paper's ablation: FastGAN, + metadata, + SLAE, + both, and StyleGAN2, on any data set.

`systems` says what is compared and `plan` how, `runner` trains and measures and can be stopped at
any time, `records` is what it has finished, and `results` draws conclusions from the numbers.
"""

from slae_lib.ablation.plan import Ablation
from slae_lib.ablation.results import AblationResults, compare, final_table
from slae_lib.ablation.runner import run_ablation
from slae_lib.ablation.systems import SYSTEMS, system_configs

__all__ = [
    "SYSTEMS",
    "Ablation",
    "AblationResults",
    "compare",
    "final_table",
    "run_ablation",
    "system_configs",
]

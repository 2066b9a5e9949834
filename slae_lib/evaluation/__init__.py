"""Measurements of a finished generator: FID, KID, novelty and latent back-tracking.

Each of them is short of something: FID is biased with few images and, as KID, lowest for a
generator that has memorised its training images; novelty says nothing about quality; and
back-tracking shows what a generator can make, not what it makes. Read them together.
"""

from slae_lib.evaluation.backtracking import L1Distance, Search, backtrack
from slae_lib.evaluation.fid import InceptionFeatures, compare_features
from slae_lib.evaluation.frechet import frechet_distance
from slae_lib.evaluation.kid import kernel_distance, polynomial_mmd
from slae_lib.evaluation.novelty import neighbours_of_pixels
from slae_lib.training.sampling import GeneratedImages

__all__ = [
    "GeneratedImages",
    "InceptionFeatures",
    "L1Distance",
    "Search",
    "backtrack",
    "compare_features",
    "frechet_distance",
    "kernel_distance",
    "neighbours_of_pixels",
    "polynomial_mmd",
]

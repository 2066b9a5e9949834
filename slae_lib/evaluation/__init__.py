"""Measurements of a finished generator: FID, KID, novelty and latent back-tracking.

Each of them is short of something: FID is biased with few images and, as KID, lowest for a
generator that has memorised its training images; novelty says nothing about quality; and
back-tracking shows what a generator can make, not what it makes. Read them together.
"""

from slae_lib.evaluation.backtracking import (
    Backtracking,
    L1Distance,
    Search,
    backtrack,
    named_distance,
    own_metadata,
    starting_points,
)
from slae_lib.evaluation.fid import FidResult, InceptionFeatures, compare_features
from slae_lib.evaluation.frechet import frechet_distance, frechet_interval
from slae_lib.evaluation.intervals import Interval, bootstrap_mean
from slae_lib.evaluation.kid import KidResult, kernel_distance, polynomial_mmd
from slae_lib.evaluation.novelty import (
    Neighbours,
    Novelty,
    VggFeatures,
    measure_novelty,
    neighbours_of_features,
    neighbours_of_pixels,
)
from slae_lib.evaluation.sources import FolderImages
from slae_lib.training.sampling import GeneratedImages

__all__ = [
    "Backtracking",
    "FidResult",
    "FolderImages",
    "GeneratedImages",
    "InceptionFeatures",
    "Interval",
    "KidResult",
    "L1Distance",
    "Neighbours",
    "Novelty",
    "Search",
    "VggFeatures",
    "backtrack",
    "bootstrap_mean",
    "compare_features",
    "frechet_distance",
    "frechet_interval",
    "kernel_distance",
    "measure_novelty",
    "named_distance",
    "neighbours_of_features",
    "neighbours_of_pixels",
    "own_metadata",
    "polynomial_mmd",
    "starting_points",
]

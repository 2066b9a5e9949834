"""Measure FID against `pytorch-fid` on the same pictures and cores, in turn.

The pictures are halved: those at even against those at odd positions. A round is, on each side, to
read all of them and to compute their features, `pytorch-fid` as its command does it: batches of 50,
and as many processes that read as there are cores. Whatever else the computer does meets both
alike, so the ratios of the pairs are much steadier than the times. The distance itself is timed
once, since `pytorch-fid` takes seconds for it, and loading the network is in no time.
"""

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import facts
import numpy as np
import torch
from floor import Convolution, as_type, count, rate
from pytorch_fid import fid_score
from scipy import linalg
from speed import jpegs
from tables import quartiles

from slae_lib.datasets import load_images
from slae_lib.evaluation import InceptionFeatures, frechet_distance
from slae_lib.evaluation.sources import FolderImages
from slae_lib.support.pretrained import FID_INCEPTION, fid_inception

THEIR_BATCH = 50  # the default of pytorch-fid's command


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--photos", type=Path, help="folder of pictures; 100 made JPEGs of 256 px if not given")
    add("--count", type=int, default=100, help="pictures, the first by name")
    add("--rounds", type=int, default=7)
    add("--threads", type=int, default=len(_cores()), help="of torch; one for each core")
    add("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    if options.count < 4 or options.rounds < 1:
        parser.error("--count has to be 4 or more, and --rounds 1 or more")
    return options


def _cores() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def halves(photos: Path | None, wanted: int, work: Path) -> tuple[list[Path], int]:
    """Lay the pictures into two folders below ``work``, and return these and the number of all."""
    source = photos or jpegs(work, 256, wanted)
    images = load_images(source, 64)
    folders = [work / "even", work / "odd"]
    for index, name in enumerate(images.names[:wanted]):
        target = folders[index % 2] / Path(name).name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes((source / name).read_bytes())
    return folders, min(wanted, len(images))


class Ours:
    """The lab's way from a folder to its features, and from these to FID."""

    def __init__(self) -> None:
        self.network = InceptionFeatures(progress=False)

    def features(self, folder: Path) -> torch.Tensor:
        """Return the features (N, 2048); the pictures are looked for and checked as well."""
        return self.network.of(FolderImages(folder))

    def distance(self, first: Any, second: Any) -> float:
        """Return FID of two sets of features."""
        return frechet_distance(first, second)


class Theirs:
    """The same with `pytorch-fid`."""

    def __init__(self) -> None:
        self.network = fid_inception()
        self.workers = min(len(_cores()), 8)

    def features(self, folder: Path) -> np.ndarray:
        """Return the features (N, 2048)."""
        files = sorted(folder.iterdir())
        return fid_score.get_activations(
            files, self.network, THEIR_BATCH, 2048, torch.device("cpu"), self.workers
        )

    def distance(self, first: Any, second: Any) -> float:
        """Return FID of two sets of features."""
        moments = [
            (features.mean(axis=0), np.cov(features, rowvar=False)) for features in (first, second)
        ]
        with _old_square_root():
            return float(fid_score.calculate_frechet_distance(*moments[0], *moments[1]))


@contextlib.contextmanager
def _old_square_root() -> Iterator[None]:
    """Let pytorch-fid 0.3.0 call `sqrtm` with an argument that SciPy 1.18 no longer has."""

    def square_root(matrix: np.ndarray, disp: bool = True) -> tuple[np.ndarray, None]:
        return linalg.sqrtm(matrix), None

    with mock.patch.object(fid_score, "linalg", mock.Mock(sqrtm=square_root)):
        yield


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Do the work and return its seconds and its result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def floor_seconds(ours: Ours) -> tuple[float, dict[str, Any]]:
    """Return the seconds of one picture's multiplications at the rate of the heaviest one alone."""
    batch = torch.zeros(ours.network.batch_size, 3, 299, 299, dtype=torch.uint8)
    counter = count(lambda: ours.network(batch))
    heaviest = counter.heaviest
    assert isinstance(heaviest, Convolution)
    best = rate(as_type(heaviest, torch.float32, torch.channels_last), torch.device("cpu"), 1.0)
    macs = counter.macs // len(batch)
    return macs / best, {"macs_of_a_picture": macs, "macs_per_second": best}


def main() -> None:
    """Measure, print, and keep."""
    options = _options()
    if not FID_INCEPTION.is_present():
        sys.exit(f"{FID_INCEPTION.file_name} is not in TORCH_HOME, and nothing is downloaded here.")
    warnings.simplefilter("ignore")
    torch.set_num_threads(options.threads)
    ours, theirs = Ours(), Theirs()
    kept: dict[str, Any] = {
        "format": "slae-lab-fid-speed-1",
        "command": facts.command(),
        "hardware": facts.hardware(),
        "versions": facts.versions() | {name: version(name) for name in ("pytorch-fid", "scipy")},
        "threads": options.threads,
        "pictures": options.photos.name if options.photos else "made JPEGs of 256 px",
        "batch": {"ours": ours.network.batch_size, "pytorch-fid": THEIR_BATCH},
        "readers": {"ours": 0, "pytorch-fid": theirs.workers},
    }
    print(f"{kept['hardware']}\n{kept['versions']}\n{options.threads} threads", flush=True)
    with tempfile.TemporaryDirectory(prefix="slae-fid-") as folder:
        folders, number = halves(options.photos, options.count, Path(folder))
        kept["images"] = number
        sides, seconds, features = {"ours": ours, "pytorch-fid": theirs}, {}, {}
        for index in range(-1, options.rounds):  # the first one to warm up
            for name, side in sides.items():
                each, features[name] = timed(lambda side=side: [*map(side.features, folders)])
                if index >= 0:
                    seconds.setdefault(name, []).append(each)
                    print(f"{name:<12} {1000 * each / number:7.1f} ms a picture", flush=True)
    ratios = [b / a for a, b in zip(seconds["ours"], seconds["pytorch-fid"], strict=True)]
    kept |= {"seconds": seconds, "ratios": ratios, "ratio": statistics.median(ratios)}
    kept["ratio_quartiles"] = quartiles(ratios)
    distances = {n: timed(lambda s=s, n=n: s.distance(*features[n])) for n, s in sides.items()}
    kept["distance_seconds"] = {name: found[0] for name, found in distances.items()}
    kept["fid"] = {name: found[1] for name, found in distances.items()}
    kept["relative_difference"] = kept["fid"]["ours"] / kept["fid"]["pytorch-fid"] - 1
    floor, how = floor_seconds(ours)
    kept["floor"] = {"seconds_of_a_picture": floor, **how}
    kept["share_of_floor"] = floor * number / statistics.median(seconds["ours"])
    kept["hardware"]["load_at_the_end"] = facts.load()
    low, high = kept["ratio_quartiles"]
    print(f"features: {kept['ratio']:.2f} times as fast (middle half {low:.2f} to {high:.2f})")
    print(f"          {kept['share_of_floor']:.0%} of the floor of {1000 * floor:.0f} ms a picture")
    print(f"distance: {kept['distance_seconds']} seconds")
    print(f"FID:      {kept['fid']}, relative difference {kept['relative_difference']:.1e}")
    if options.json:
        facts.save(options.json, kept)


if __name__ == "__main__":
    main()

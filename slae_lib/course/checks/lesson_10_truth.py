"""What the checks of lesson 10 compare with: its measurements, made anew."""

import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from slae_lib.course.stored_features import stored_features
from slae_lib.datasets import load_images
from slae_lib.evaluation import frechet_distance
from slae_lib.support.images import to_float


@functools.cache
def faces_features() -> Tensor:
    """Return Inception's features (93, 2048) of the faces."""
    return stored_features()["faces"]


def orders() -> list[Tensor]:
    """Return the 20 orders of the 93 faces that the notebook draws."""
    source = torch.Generator().manual_seed(0)
    return [torch.randperm(93, generator=source) for _ in range(20)]


@functools.cache
def own_distances(count: int) -> list[float]:
    """Return the distance of ``count`` faces to the next ``count``, for each order."""
    shuffled = [faces_features()[order] for order in orders()]
    return [frechet_distance(each[:count], each[count : 2 * count]) for each in shuffled]


def disguises() -> tuple[Tensor, dict[str, Tensor]]:
    """Return the random filters (64, 3, 5, 5) and the kinds of pictures, as the notebook does."""
    real = load_images("fluent-faces", 64).batch(range(93))
    filters = torch.randn(64, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    filters = filters - filters.mean(dim=(1, 2, 3), keepdim=True)
    training, control = real[0::2], real[1::2]
    noise = 25 * torch.randn(training.shape, generator=torch.Generator().manual_seed(1))
    return filters, {
        "copy": training,
        "noisy": (training + noise).clamp(0, 255).to(torch.uint8),
        "moved": F.pad(training, (3, 0, 3, 0), value=255)[:, :, :64, :64],
        "mirrored": training.flip(3),
        "control": control,
    }


def mistaken_distances(first: Tensor, second: Tensor) -> list[tuple[str, float]]:
    """Return what comes out of mistakes in the Fréchet distance."""
    n, m = len(first) - 1, len(second) - 1
    shift = first.mean(dim=0) - second.mean(dim=0)
    where = shift.square().sum()
    a, b = first - first.mean(dim=0), second - second.mean(dim=0)
    A, B = a / n**0.5, b / m**0.5
    values = torch.linalg.svdvals(A @ B.T)
    traces = A.square().sum() + B.square().sum()
    whole_a, whole_b = (first - first.mean()) / n**0.5, (second - second.mean()) / m**0.5
    whole = (first.mean() - second.mean()).square()
    rows_a = (first - first.mean(dim=1, keepdim=True)) / n**0.5
    rows_b = (second - second.mean(dim=1, keepdim=True)) / m**0.5
    cov1, cov2 = first.T.cov(), second.T.cov()
    rest = where - 2 * values.sum()

    def shape(A: Tensor, B: Tensor) -> Tensor:
        return A.square().sum() + B.square().sum() - 2 * torch.linalg.svdvals(A @ B.T).sum()

    found = [
        ("where_alone", where),
        ("shape_alone", shape(A, B)),
        ("once", where + traces - values.sum()),
        ("added", where + traces + 2 * values.sum()),
        ("no_traces", rest),
        ("by_n", where + shape(a / (n + 1) ** 0.5, b / (m + 1) ** 0.5)),
        ("by_n", where + shape(a / (n + 1) ** 0.5, B)),
        ("undivided", where + shape(a, b)),
        ("no_root", where + shape(a / n, b / m)),
        ("no_root", where + shape(a / n, B)),
        ("no_root", where + shape(A, b / m)),
        ("brackets", where + shape(a / (n + 1) - 1, b / (m + 1) - 1)),
        ("brackets", where + shape(a / (n + 1) - 1, B)),
        ("brackets", where + shape(A, b / (m + 1) - 1)),
        ("one_n", where + shape(A, b / n**0.5)),
        ("one_n", where + shape(a / m**0.5, B)),
        ("not_centred", where + shape(first / n**0.5, B)),
        ("not_centred", where + shape(A, second / m**0.5)),
        ("not_centred", where + shape(first / n**0.5, second / m**0.5)),
        ("whole_mean", whole + shape(A, B)),
        ("whole_mean", where + shape(whole_a, whole_b)),
        ("whole_mean", whole + shape(whole_a, whole_b)),
        ("where_mean", shift.square().mean() + shape(A, B)),
        ("where_sum", shift.sum().square() + shape(A, B)),
        ("length", shift.norm() + shape(A, B)),
        ("largest", where + traces - 2 * values.max()),
        ("frobenius", where + traces - 2 * values.norm()),
        ("squared", where + traces - 2 * values.square().sum()),
        ("rooted", where + traces - 2 * values.sqrt().sum()),
        ("cov_rows", rest + first.cov().trace() + second.cov().trace()),
        ("cov_rows", rest + A.cov().trace() + B.cov().trace()),
        ("cov_twice", rest + A.T.cov().trace() + B.T.cov().trace()),
        ("diagonal", rest + A.trace() + B.trace()),
        ("traces_mean", rest + A.square().mean() + B.square().mean()),
        ("norms", rest + A.norm() + B.norm()),
        ("row_mean", where + shape(rows_a, rows_b)),
        ("by_d", where + shape(a, b) / (first.shape[1] - 1)),
        ("product", where + traces - 2 * torch.linalg.svdvals(cov1 @ cov2).sqrt().sum()),
        ("of_all", (where + shape(A, B)).sqrt()),
    ]
    return [(cause, value.item()) for cause, value in found]


def two_nearest_ratios(pictures: Tensor, training: Tensor) -> Tensor:
    """Return the nearest distance by the second nearest (N,), of rows (N, d) and (M, d)."""
    mode = "donot_use_mm_for_euclid_dist"
    two = torch.cdist(pictures, training, compute_mode=mode).topk(2, dim=1, largest=False).values
    return two[:, 0] / two[:, 1]


def mistaken_ratios(table: Tensor) -> list[tuple[str, Tensor]]:
    """Return what comes out of mistakes in the ratios of a table (N, 4), for most of them (N,)."""
    ordered = table.sort(dim=1)
    mixed = ordered.values / ordered.indices
    parts = (mixed, mixed[:, :2], mixed[:, 0], mixed[0])
    first, second, third, last = ordered.values.T
    right = first / second
    return [
        *[("by_indices", each) for part in parts for each in (part, 1 / part)],
        ("inverted", second / first),
        ("undivided", first),
        *[("difference", each) for each in (second - first, first - second, 1 - right, right - 1)],
        ("farthest", last / third),
        ("third", second / third),
        ("squares", right.square()),
        ("by_mean", first / table.mean(dim=1)),
    ]


def share_below(limit: float, pictures: Tensor, training: Tensor) -> float:
    """Return the share of the rows whose ratio is below a limit."""
    return (two_nearest_ratios(pictures, training) < limit).float().mean().item()


@functools.cache
def truly_caught(against: str, *, turned: bool = False) -> dict[str, dict[str, float]]:
    """Return the shares that both measures catch of each kind, against the pictures of one kind.

    Turned round, they are the shares of those pictures that are caught against each kind.
    """
    filters, kinds = disguises()

    def features(pictures: Tensor) -> Tensor:
        x = F.pad(to_float(pictures), (2, 2, 2, 2), value=1.0)
        return F.conv2d(x, filters).relu().mean(dim=(2, 3))

    def shares(describe: Callable[[Tensor], Tensor]) -> dict[str, float]:
        training = describe(kinds[against])
        pairs = {name: (describe(each), training) for name, each in kinds.items()}
        order = -1 if turned else 1
        return {name: share_below(0.6, *pair[::order]) for name, pair in pairs.items()}

    return {"pixels": shares(lambda each: each.flatten(1) / 255), "features": shares(features)}


def grey_path(grey: Tensor, start: Tensor, steps: int) -> Tensor:
    """Return how far a search is from each grey, before each step and after the last."""
    noise = start.clone().requires_grad_()
    optimiser = torch.optim.Adam([noise], lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    path = []
    for _ in range(steps):
        path.append((noise - grey).abs())
        optimiser.zero_grad()
        path[-1].sum().backward()
        optimiser.step()
        schedule.step()
    return torch.stack([*path, (noise - grey).abs()]).detach()

"""The metadata of one data set in one file, and how new metadata is drawn from it.

Source: SLAE paper, section 3.2.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self, get_args

import torch
from torch import Tensor
from torch.nn import functional

from slae_lib.datasets.sets import ImageSet
from slae_lib.support.errors import LabError, UsageError
from slae_lib.support.sealed import check_like, load_tensors, reading, save_tensors

Scale = Literal["standardised", "raw"]
Mode = Literal["bank", "mix", "gaussian"]

_HEADER = "slae_metadata"  # one key alone, so that the same bank always makes the same bytes
_MIXED = 3  # pictures in a mix


@dataclass(frozen=True, eq=False)
class MetadataBank:
    """The metadata of one data set, and all that is needed to know what it belongs to.

    Args:
        values: (N, C) float32 on the CPU, raw: as VGG-16 gave them.
        names: of the N pictures.
        layer: of VGG-16.
        resolution: side length of the pictures when the metadata was extracted.
        weights: checksum of VGG-16 (`slae_lib.support.pretrained.checksum`).
        data_name: of the data set.
        data_fingerprint: of the data set.
    """

    values: Tensor
    names: tuple[str, ...]
    layer: str
    resolution: int
    weights: str
    data_name: str
    data_fingerprint: str

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def mean(self) -> Tensor:
        """(C,): the mean of each channel over the pictures."""
        return self.values.mean(dim=0)

    @cached_property
    def std(self) -> Tensor:
        """(C,): the deviation of each channel, at least a hundredth of the whole bank's.

        Without that floor, a channel that one picture hardly moves would be blown up to the
        loudest of all. A channel that no picture moves has ``inf``, so that it is standardised
        to 0: of 512 channels of relu5_3, 11 never fire on the Fluent faces.
        """
        deviation = self.values.std(dim=0, correction=0)
        floored = deviation.clamp_min(0.01 * self.values.std(correction=0))
        constant = self.values.amin(dim=0) == self.values.amax(dim=0)
        return floored.masked_fill(constant, torch.inf)

    def standardise(self, raw: Tensor) -> Tensor:
        """Return ``raw`` (..., C) with this bank's mean taken off, divided by its deviation."""
        return (raw - self.mean.to(raw)) / self.std.to(raw)

    def of_images(self, raw: Tensor, scale: Scale = "standardised") -> Tensor:
        """Return the metadata of given pictures, (B, C) as `MetadataExtractor` gives it, scaled.

        None of N numbers lies further than sqrt(N - 1) deviations from their mean (Samuelson's
        inequality), so the generator has never seen more: a picture of quite another kind, which
        would reach thousands in channels that hardly move in the bank, is held to that.
        """
        _check_choice("scale", scale, Scale)
        if scale == "raw":
            return raw
        furthest = (len(self) - 1) ** 0.5
        return self.standardise(raw).clamp(-furthest, furthest)

    def rows(
        self, indices: Sequence[int] | Tensor | None = None, scale: Scale = "standardised"
    ) -> Tensor:
        """Return the metadata (B, C) of the pictures at ``indices``, or of all, in order."""
        chosen = self.values if indices is None else self.values[torch.as_tensor(indices)]
        return self.of_images(chosen, scale)

    def sample(
        self,
        count: int,
        mode: Mode = "bank",
        generator: torch.Generator | None = None,
        scale: Scale = "standardised",
    ) -> Tensor:
        """Draw metadata for images that do not exist yet.

        Args:
            count: how many, B.
            mode: ``"bank"`` draws pictures of the bank, as the paper does; ``"mix"`` draws three
                and averages them with random weights (uniform over all weights that sum to 1);
                ``"gaussian"`` draws from the normal distribution with the bank's mean and full
                covariance.
            generator: source of the randomness, on the CPU.
            scale: of the result.

        Returns:
            (B, C).

        Raises:
            UsageError: for another mode or scale.
        """
        _check_choice("mode", mode, Mode)
        _check_choice("scale", scale, Scale)
        if mode == "bank":
            return self.rows(torch.randint(len(self), (count,), generator=generator), scale)
        if mode == "mix":
            chosen = _distinct(len(self), count, min(_MIXED, len(self)), generator)  # (B, 3)
            # Exponential numbers divided by their sum are uniform on the simplex: Dirichlet(1).
            weights = torch.empty(chosen.shape).exponential_(generator=generator)
            weights = weights / weights.sum(dim=1, keepdim=True)
            mixed = torch.einsum("bk,bkc->bc", weights, self.values[chosen])
            return self.of_images(mixed, scale)
        factor = self._covariance_factor  # (r, C)
        drawn = torch.randn(count, len(factor), generator=generator) @ factor
        if scale == "standardised":
            return drawn
        return drawn * self.std.nan_to_num(posinf=0.0) + self.mean

    @cached_property
    def _covariance_factor(self) -> Tensor:
        """(r, C), a matrix F whose FᵀF is the covariance of the standardised bank.

        It comes from the singular values, because with fewer pictures than channels the
        covariance itself has no Cholesky factor.
        """
        standardised = self.rows() / len(self) ** 0.5
        _, singular, directions = torch.linalg.svd(standardised, full_matrices=False)
        return singular[:, None] * directions

    def nearest(self, raw: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
        """Return the ``k`` pictures of the bank most like given raw metadata, by cosine.

        Args:
            raw: (C,) or (B, C).
            k: at most as many as the bank has are returned.

        Returns:
            cosines and indices, both (k,) or (B, k), the most similar first.
        """
        own = functional.normalize(self.values, dim=-1)
        cosines = functional.normalize(raw.to(own), dim=-1) @ own.T
        best = cosines.topk(min(k, len(self)), dim=-1)
        return best.values, best.indices

    def check(self, images: ImageSet) -> None:
        """Make sure that this is the metadata of ``images``, at whatever resolution they are.

        Raises:
            LabError: if it is not; the sentence says what differs and how to mend it.
        """
        if self.data_fingerprint == images.fingerprint and self.names == images.names:
            return
        new = sorted(set(images.names) - set(self.names))
        gone = sorted(set(self.names) - set(images.names))
        if new or gone:
            examples = ", ".join((new + gone)[:3])
            reason = f"{len(new)} are new and {len(gone)} are gone (for example {examples})"
        else:
            reason = f"the {len(images)} names fit, but the content of at least one has changed"
        raise LabError(
            f"The metadata of {self.data_name!r} does not belong to the pictures of "
            f"{images.name!r}: {reason}; `slae metadata extract --data "
            f"{shlex.quote(images.reference)}` extracts it anew."
        )

    def save(self, path: str | Path) -> None:
        """Write the bank as one safetensors file, atomically; its names are in the header.

        Raises:
            LabError: if the file cannot be written.
        """
        facts = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "values"}
        save_tensors(Path(path), {"values": self.values}, _HEADER, facts)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a bank that `save` wrote.

        Raises:
            LabError: if the file is missing, damaged or something else.
        """
        path = Path(path)
        again = "extract the metadata again with `slae metadata extract`"
        missing = (
            f"{path} does not exist; `slae metadata extract --data NAME_OR_FOLDER --out "
            f"{shlex.quote(str(path))}` makes it."
        )
        with reading(path, f"delete it and {again}", missing):
            tensors, facts = load_tensors(path, _HEADER)
            bank = cls(values=tensors["values"], **(facts | {"names": tuple(facts["names"])}))
            texts = (bank.layer, bank.weights, bank.data_name, bank.data_fingerprint, *bank.names)
            if not all(isinstance(text, str) for text in texts) or type(bank.resolution) is not int:
                raise ValueError("it is no metadata")
            wanted = torch.empty(len(bank.names), bank.values.shape[-1])
            check_like(bank.values, wanted, "values")
        return bank


def _distinct(size: int, count: int, each: int, generator: torch.Generator | None = None) -> Tensor:
    """Draw ``count`` rows of ``each`` different numbers below ``size``, all rows equally likely.

    A later number is drawn among as many as are left, and steps over each earlier one, the lowest
    first, so nothing grows with ``size``.
    """
    chosen = torch.empty(count, each, dtype=torch.long)
    for place in range(each):
        drawn = torch.randint(size - place, (count,), generator=generator)
        for earlier in chosen[:, :place].sort(dim=1).values.unbind(dim=1):
            drawn += drawn >= earlier
        chosen[:, place] = drawn
    return chosen


def _check_choice(name: str, value: str, choices: Any) -> None:
    known = get_args(choices)
    if value not in known:
        raise UsageError(f"{name} is {value!r}; choose one of {', '.join(known)}.")

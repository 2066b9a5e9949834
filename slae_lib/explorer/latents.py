"""Latents with names: what a generator makes pictures from, in memory and in a file."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from slae_lib.support.errors import LabError
from slae_lib.support.pretrained import checksum
from slae_lib.support.sealed import check_like, load_tensors, reading, save_tensors
from slae_lib.training.sampling import GeneratedImages

FORMAT = "slae-lab-latent-1"
SUFFIX = ".safetensors"
_HEADER = "slae_latent"


@dataclass(frozen=True, eq=False)
class Latents:
    """The input of a generator for N pictures.

    Attributes:
        noise: (N, noise_dim).
        metadata: (N, C), scaled as the generator takes it; None for one without.
        names: of the pictures.
    """

    noise: Tensor
    metadata: Tensor | None
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.noise)

    def inputs(self, which: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return noise (B, noise_dim) and metadata (B, C), or None, of the rows ``which``."""
        return self.noise[which], None if self.metadata is None else self.metadata[which]

    def save(self, path: Path, samples: GeneratedImages, **facts: Any) -> None:
        """Write them as one sealed safetensors file, atomically.

        Args:
            path: of the file.
            samples: of the generator that they belong to.
            facts: what JSON can hold, to stand beside them.

        Raises:
            LabError: if the file cannot be written.
        """
        tensors = {"noise": self.noise}
        if self.metadata is not None:
            tensors["metadata"] = self.metadata
        own = {"format": FORMAT, "generator": checksum(samples.generator), "names": self.names}
        save_tensors(path, tensors, _HEADER, {**facts, **own})

    @classmethod
    def load(cls, path: Path, samples: GeneratedImages) -> Self:
        """Read what `save` wrote, for the generator of ``samples``.

        Raises:
            LabError: if the file is missing, damaged, or of a generator with other inputs.

        Warns:
            UserWarning: if another generator was meant, which makes another picture of it.
        """
        with reading(path, "make it again with `slae invert`"):
            tensors, facts = load_tensors(path, _HEADER)
            names = tuple(map(str, facts["names"]))
            for name, tensor in tensors.items():
                check_like(tensor, torch.empty(len(names), tensor.shape[-1]), name)
            found = cls(tensors["noise"], tensors.get("metadata"), names)
            if not names:
                raise ValueError("it holds no latent")
        wanted, own = _shape(*samples.inputs([0])), _shape(found.noise, found.metadata)
        if wanted != own:
            raise LabError(
                f"{path} holds a latent of {own} and this generator takes {wanted}; give the run "
                "that it was found for with --run."
            )
        if facts.get("generator") != checksum(samples.generator):
            warnings.warn(
                f"{path} was found for another generator, and this one makes another picture of "
                "it; `slae invert` finds it anew.",
                stacklevel=2,
            )
        return found


def _shape(noise: Tensor, metadata: Tensor | None) -> str:
    text = f"{noise.shape[-1]} numbers of noise"
    return text if metadata is None else f"{text} and {metadata.shape[-1]} of metadata"

"""Images from a finished generator."""

import copy
import functools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast, get_args

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from slae_lib.blocks import NoiseInjection, fold_upsampling
from slae_lib.datasets.bank import MetadataBank, Mode, Scale
from slae_lib.datasets.depth import BadPicture
from slae_lib.datasets.pictures import in_threads, read_picture
from slae_lib.generator import Generator
from slae_lib.metadata import RESOLUTION, MetadataExtractor
from slae_lib.support.errors import LabError, UsageError
from slae_lib.support.folding import fold_batch_norm
from slae_lib.support.images import to_float, to_uint8
from slae_lib.support.sealed import understanding
from slae_lib.training.checkpoint import generator_facts, load_generator, trained_scale
from slae_lib.training.run import RunInfo, folder_of
from slae_lib.training.start import resume

MODES = get_args(Mode)
SEED_LIMIT = 9_000_000_000_000
"""No seed may be further from 0: multiplied below, it has to fit into 64 bits."""
_AT_ONCE = {"cpu": 8, "other": 32}
"""Images of 256 px in one forward pass; fewer of larger ones, to spare the memory.

A CPU is faster with few, since its cache then holds what goes from layer to layer."""
_AT_MOST = {"cpu": 32, "other": 512}
"""And as many of small ones."""


def check_seed(seed: int) -> None:
    """Raise `UsageError` for a seed that is too large."""
    if abs(seed) > SEED_LIMIT:
        raise UsageError(
            f"The seed {seed} is too large; choose one from {-SEED_LIMIT} to {SEED_LIMIT}."
        )


class GeneratedImages:
    """The images of a generator, drawn when they are asked for.

    Image number i of a seed is the same, up to rounding, whatever else is in its batch.

    Args:
        generator: in evaluation mode. What draws is a copy, made with the first images, in which
            the batch norms are folded, if the spectral norms of this one are.
        bank: the metadata it was trained with; None for a generator without metadata.
        count: how many images.
        seed: of noise and metadata.
        mode: where metadata comes from, as for `sample_images`.
        scale: of the metadata in training.
        device: where the generator works; the images come back to the CPU.

    Raises:
        UsageError: for a seed that is too large, or a ``mode`` where there is no metadata.
        LabError: if the picture of ``mode`` cannot be read.
    """

    def __init__(
        self,
        generator: Generator,
        bank: MetadataBank | None,
        count: int,
        seed: int = 0,
        mode: str = "bank",
        scale: Scale = "standardised",
        device: torch.device | str = "cpu",
    ) -> None:
        check_seed(seed)
        if bank is None and mode != "bank":
            raise UsageError(
                f"--metadata {mode} has no meaning for this generator, which takes no metadata; "
                "leave it out."
            )
        self.generator = generator.to(device)
        self.config = generator.config
        self.bank = bank
        self.scale = scale
        self.name = "generated images"
        self.seed = seed
        self.mode = mode
        self.device = torch.device(device)
        self._count = count
        self._row: Tensor | None = None  # (1, C), when one picture gives the metadata of all
        if bank is not None and mode not in MODES:
            self._row = bank.of_images(metadata_of_picture(Path(mode), bank.layer), scale)

    @classmethod
    def from_file(
        cls,
        file: Path,
        count: int,
        seed: int = 0,
        mode: str = "bank",
        device: torch.device | str = "cpu",
    ) -> "GeneratedImages":
        """Return the images of a generator.safetensors.

        One with metadata needs the metadata.safetensors beside it.

        Raises:
            LabError: if a file is missing or damaged, or the picture of ``mode`` cannot be read.
        """
        generator = load_generator(file)
        bank = bank_beside(file) if generator.config.metadata else None
        return cls(generator, bank, count, seed, mode, trained_scale(file), device)

    @property
    def resolution(self) -> int:
        """Side length of the images."""
        return self.config.resolution

    def __len__(self) -> int:
        return self._count

    def first(self, count: int) -> "GeneratedImages":
        """Return the first ``count`` of these images, or as many more, with the same generator."""
        other = copy.copy(self)
        other._count = count
        return other

    def __iter__(self) -> Iterator[Tensor]:
        """Yield the images one after the other: uint8 (3, R, R).

        Each is a batch of its own, so that it does not depend by a rounding on how many are drawn.
        """
        return (self.batch([index])[0] for index in range(len(self)))

    @functools.cached_property
    def _drawing(self) -> Generator:
        if any(parametrize.is_parametrized(layer) for layer in self.generator.modules()):
            return self.generator  # its weights are still worked out anew for each batch
        # A copy, for what is folded can no longer be stored.
        generator = copy.deepcopy(self.generator)
        fold_batch_norm(fold_upsampling(generator), between=(NoiseInjection,))
        if self.device.type == "cpu":
            generator.to(memory_format=torch.channels_last)
        return generator

    def inputs(self, indices: Sequence[int] | Tensor) -> tuple[Tensor, Tensor | None]:
        """Return noise (B, noise_dim) and metadata (B, C), or None, of the images at ``indices``.

        On the CPU.
        """
        noise, metadata = [], []
        for index in torch.as_tensor(indices).tolist():
            # A source of its own for each image, so that image 3 is image 3 in any batch.
            source = torch.Generator().manual_seed(self.seed * 1_000_003 + index)
            noise.append(torch.randn(1, self.config.noise_dim, generator=source))
            if self._row is not None:
                metadata.append(self._row)
            elif self.bank is not None:
                mode = cast(Mode, self.mode)
                metadata.append(self.bank.sample(1, mode, source, self.scale))
        return torch.cat(noise), torch.cat(metadata) if metadata else None

    @torch.no_grad()
    def batch(self, indices: Sequence[int] | Tensor) -> Tensor:
        """Return the images at ``indices``: uint8 (B, 3, R, R), on the CPU."""
        images = []
        kind = "cpu" if self.device.type == "cpu" else "other"
        at_once = _AT_ONCE[kind] * 256**2 // self.resolution**2
        at_once = min(max(1, at_once), _AT_MOST[kind])
        for part in torch.as_tensor(indices).split(at_once):
            noise, metadata = self.inputs(part)
            if metadata is not None:
                metadata = metadata.to(self.device)
            images.append(to_uint8(self._drawing(noise.to(self.device), metadata).image).cpu())
        return torch.cat(images).contiguous()


def sample_images(file: Path, count: int, seed: int = 0, mode: str = "bank") -> Tensor:
    """Draw images from a generator.safetensors: uint8 (N, 3, R, R).

    Args:
        file: one with metadata needs the metadata.safetensors beside it.
        count: how many; the first images of a seed do not depend on it.
        seed: of noise and metadata.
        mode: where metadata comes from: "bank" (training images), "mix" (blends of three),
            "gaussian" (a fit), or the name of a picture file. Only "bank", the default, is taken
            for generators without metadata.

    Raises:
        LabError: as `GeneratedImages`, or if a file is missing or damaged.
    """
    return torch.stack(list(GeneratedImages.from_file(file, count, seed, mode)))


def bank_beside(file: Path) -> MetadataBank:
    """Return the metadata bank in the folder of the generator ``file``, or of its run.

    Raises:
        LabError: if it is missing or damaged, or is not the one that the generator learned with.
    """
    folder = folder_of(file)
    path = folder / "metadata.safetensors"
    if path.exists():
        bank = MetadataBank.load(path)
    elif folder != file.parent and (folder / "run.json").is_file():  # it comes when a run ends
        _, _, found = resume(folder, RunInfo.load(folder), {})
        assert found is not None
        bank = found
    else:
        raise LabError(
            f"{path} is missing; this generator takes metadata, so copy it from the run's folder."
        )
    facts = generator_facts(file)
    with understanding(file, "train it again"):
        channels = json.loads(facts["config"])["metadata_dim"]
    # Generators from before the pictures were noted say no more than how many numbers they take.
    learned = channels, facts.get("data_fingerprint", bank.data_fingerprint)
    if learned != (bank.values.shape[1], bank.data_fingerprint):
        raise LabError(
            f"{path} holds the metadata of {bank.data_name!r} and not of the pictures that {file} "
            "learned from; copy it from the run's folder."
        )
    return bank


def kept_generators(run: Path) -> dict[int, Path]:
    """Return the generators of a run by their iterations: those that it has kept on its way.

    Or its last alone, of an export or a run from before any were kept. There may be none.
    """
    paths = sorted((run / "generators").glob("*.safetensors"))
    kept = {int(path.stem): path for path in paths if path.stem.isdecimal()}
    last = run / "generator.safetensors"
    if not kept and last.is_file():
        kept[RunInfo.load(run).train.iterations] = last
    return kept


def metadata_of_picture(picture: Path, layer: str) -> Tensor:
    """Return the metadata of a picture file, as measured: (1, C).

    Raises:
        LabError: if it cannot be read.
    """
    if not picture.is_file():
        raise UsageError(
            f"--metadata {picture} is neither {', '.join(MODES)} nor a picture file that exists."
        )
    try:
        # Through `in_threads`, which keeps Pillow's own warnings quiet.
        ((pixels, _),) = in_threads(lambda path: read_picture(path, RESOLUTION), [picture])
    except BadPicture as bad:
        raise LabError(f"{picture} cannot be used: {bad}; give another picture.") from None
    return MetadataExtractor(layer)(to_float(pixels)[None])

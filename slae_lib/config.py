"""What a model is and how it is trained, as frozen dataclasses, and the named presets.

Every field carries its own help text; the command line is made from these two classes.
"""

import dataclasses
import math
import types
import typing
from dataclasses import dataclass, field
from typing import Any, Literal

from slae_lib.errors import UsageError

RESOLUTIONS = (64, 128, 256, 512, 1024)


def _option(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


class _Checked:
    """Turn fields into a dictionary and back, and refuse what the type hints do not allow."""

    def __post_init__(self) -> None:
        for name, hint in typing.get_type_hints(type(self)).items():
            value = getattr(self, name)
            if typing.get_origin(hint) is Literal and value not in typing.get_args(hint):
                raise UsageError(
                    f"{name} is {value!r}; choose one of "
                    f"{', '.join(str(choice) for choice in typing.get_args(hint))}."
                )
            if not _fits(value, hint):
                raise UsageError(f"{name} is {value!r}; it has to be {_words(hint)}.")
            if isinstance(value, float) and not math.isfinite(value):
                raise UsageError(f"{name} is {value}; it has to be a finite number.")

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dictionary that JSON can hold."""
        return dataclasses.asdict(self)  # type: ignore[call-overload]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> typing.Self:
        """Make the configuration from a dictionary.

        Raises:
            UsageError: for a field that does not exist here, with its name.
        """
        known = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        unknown = sorted(set(values) - known)
        if unknown:
            raise UsageError(
                f"{cls.__name__} has no field {', '.join(unknown)}; "
                "the file was written by another version of slae_lib."
            )
        return cls(**values)


def _fits(value: Any, hint: Any) -> bool:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return any(_fits(value, inner) for inner in typing.get_args(hint))
    if typing.get_origin(hint) is Literal:
        return value in typing.get_args(hint)
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _words(hint: Any) -> str:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(_words(inner) for inner in typing.get_args(hint))
    return {int: "a whole number", float: "a number", bool: "true or false", str: "text"}.get(
        hint, "nothing" if hint is type(None) else str(hint)
    )


@dataclass(frozen=True)
class ModelConfig(_Checked):
    """The networks: generator and discriminator.

    ``skip="sle", metadata=False`` is FastGAN; ``skip="slae", metadata=True`` is the SLAE paper.

    Raises:
        UsageError: for a resolution or another value that does not exist.
    """

    resolution: Literal[64, 128, 256, 512, 1024] = _option(256, "side length of the images")
    width: int = _option(64, "channels of the generator at 128 px; all others follow from it")
    discriminator_width: int | None = _option(
        None, "the same for the discriminator; as `width` when not given"
    )
    noise_dim: int = _option(256, "numbers in the generator's noise")
    skip: Literal["slae", "sle"] = _option(
        "slae", "skip links of the generator: with (slae) or without (sle) spatial attention"
    )
    discriminator_skip: Literal["sle", "slae"] = _option(
        "sle", "skip links of the discriminator; the paper leaves this open"
    )
    attention_kernel: Literal[3, 7] = _option(7, "side length of the attention's convolution")
    metadata: bool = _option(True, "add VGG-16 metadata of training images to the noise")
    metadata_dim: int = _option(512, "numbers in the metadata: channels of the VGG-16 layer")
    metadata_input: Literal["linear", "direct"] = _option(
        "linear", "how metadata meets the noise: by a learned linear map, or added as it is"
    )

    metadata_gain: float = _option(
        1.0, "deviation of the metadata where it meets the noise, which has 1 (linear input)"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("width", "noise_dim", "metadata_dim", "discriminator_width"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} is {value}; it has to be 1 or more.")
        for name, width in (
            ("width", self.width),
            ("discriminator_width", self.widths_of_discriminator),
        ):
            if width % 8:
                raise UsageError(
                    f"{name} is {width}; it has to be a multiple of 8, so that every layer gets a "
                    "whole number of channels."
                )
        if (
            self.metadata
            and self.metadata_input == "direct"
            and self.metadata_dim != self.noise_dim
        ):
            raise UsageError(
                f'metadata_input is "direct", so noise_dim ({self.noise_dim}) has to equal '
                f"metadata_dim ({self.metadata_dim})."
            )

    @property
    def widths_of_discriminator(self) -> int:
        """The discriminator's width, given or taken from the generator."""
        return self.width if self.discriminator_width is None else self.discriminator_width

    @property
    def small_resolution(self) -> int:
        """Side length of the second, small image: 128, or half the resolution below 256."""
        return min(128, self.resolution // 2)

    @property
    def generator_links(self) -> tuple[tuple[int, int], ...]:
        """(low, high) side lengths of the generator's skip links, lowest first.

        4->64, 8->128, 16->256 and, from 512 on, 32->512. Below 256 the first three stay and get
        shorter: they end at a quarter, at half and at the whole of the resolution.
        """
        if self.resolution >= 512:
            return ((4, 64), (8, 128), (16, 256), (32, 512))
        return tuple((low, low * self.resolution // 16) for low in (4, 8, 16))

    @property
    def discriminator_links(self) -> tuple[tuple[int, int], ...]:
        """(low, high) side lengths of the discriminator's skip links, largest first.

        256->32, 128->16, 64->8; below 256 they start at the resolution, its half and its quarter.
        """
        start = min(256, self.resolution)
        return tuple((start // ratio, 32 // ratio) for ratio in (1, 2, 4))


@dataclass(frozen=True)
class TrainConfig(_Checked):
    """One training run; with a `ModelConfig` and the data it can be repeated bit for bit (CPU)."""

    iterations: int = _option(50_000, "steps of the generator and of the discriminator")
    batch_size: int = _option(8, "real images per step and process")
    learning_rate: float = _option(2e-4, "Adam's, of the generator")
    discriminator_learning_rate: float | None = _option(
        None, "Adam's, of the discriminator; as `learning_rate` when not given"
    )
    beta1: float = _option(0.5, "Adam's first decay")
    beta2: float = _option(0.999, "Adam's second decay")
    ema_decay: float = _option(0.999, "of the averaged generator that samples are drawn from")
    hinge_margin: Literal["fixed", "random"] = _option(
        "fixed", "hinge at 1 (paper), or drawn per logit from [0.8, 1) (FastGAN's code)"
    )
    reconstruction: Literal["lpips", "vgg", "l1", "none"] = _option(
        "lpips",
        "distance between decoded and real images: LPIPS, uncalibrated VGG-16 features, L1, "
        "or no such loss",
    )
    reconstruction_weight: float = _option(1.0, "factor of the reconstruction loss")
    augment: str = _option("color,translation", "DiffAugment: color, translation, cutout, or none")
    flip: bool = _option(False, "mirror half of the real images; not for text or asymmetric things")
    metadata_layer: str = _option("relu5_3", "layer of VGG-16 that the metadata is taken from")
    metadata_scale: Literal["standardised", "raw"] = _option(
        "standardised", "scale of the metadata: mean 0 and deviation 1 per channel, or as it is"
    )
    device: Literal["auto", "cpu"] = _option("auto", "the accelerator if there is one, or the CPU")
    precision: Literal["no", "fp16", "bf16"] = _option("no", "mixed precision")
    compile: bool = _option(False, "compile the networks with torch.compile")
    seed: int = _option(0, "of weights, noise, order of the images and augmentation")
    samples: int = _option(64, "images in a sample grid")
    log_every: int = _option(50, "iterations between lines of metrics.csv")
    sample_every: int = _option(1_000, "iterations between sample grids; 0 for none")
    checkpoint_every: int = _option(1_000, "iterations between checkpoints; 0 for the last alone")
    keep_checkpoints: int = _option(2, "how many of the newest checkpoints stay")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("iterations", "log_every", "keep_checkpoints"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it has to be 1 or more.")
        if self.samples < 2:
            raise UsageError(
                f"samples is {self.samples}; 2 or more are needed to see whether they differ."
            )
        if self.seed >= 2**32:
            raise UsageError(f"seed is {self.seed}; it has to be less than 4,294,967,296.")
        if self.batch_size < 2:
            raise UsageError(
                f"batch_size is {self.batch_size}; batch norm needs 2 or more images at a time."
            )
        for name in ("sample_every", "checkpoint_every", "reconstruction_weight", "seed"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} is {getattr(self, name)}; it has to be 0 or more.")
        for name in ("learning_rate", "discriminator_learning_rate"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise UsageError(f"{name} is {value}; it has to be greater than 0.")
        for name in ("beta1", "beta2", "ema_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it has to lie in [0, 1).")

"""How a model is trained, as frozen dataclasses whose fields carry their own help."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

from slae_lib.support.errors import UsageError
from slae_lib.support.settings import COUNT, DECAY, NOT_NEGATIVE, POSITIVE, Range, Settings, option

BATCH = Range("batch norm needs 2 or more images at a time", lambda number: number >= 2)
SEVERAL = Range("2 or more are needed to see whether they differ", lambda number: number >= 2)


@dataclass(frozen=True)
class RunConfig(Settings):
    """What every family's run is told; with networks and data it can be repeated bit for bit (CPU).

    Raises:
        UsageError: for a value that does not exist.
    """

    WITHOUT: ClassVar[dict[str, Any]] = {"ema_warmup": False, "rates_fall_from": 1.0}

    iterations: int = option(50_000, "steps of the generator and of the discriminator", COUNT)
    batch_size: int = option(8, "real images per step and process", BATCH)
    learning_rate: float = option(2e-4, "Adam's, of the generator", POSITIVE)
    discriminator_learning_rate: float | None = option(
        None, "Adam's, of the discriminator; as `learning_rate` when not given", POSITIVE
    )
    beta1: float = option(0.5, "Adam's first decay", DECAY)
    beta2: float = option(0.999, "Adam's second decay", DECAY)
    ema_decay: float = option(0.999, "of the averaged generator that samples are drawn from", DECAY)
    augment: str = option("color,translation", "DiffAugment: color, translation, cutout, or none")
    flip: bool = option(False, "mirror half of the real images; not for text or asymmetric things")
    device: Literal["auto", "cpu"] = option("auto", "the accelerator if there is one, or the CPU")
    precision: Literal["no", "fp16", "bf16", "auto"] = option(
        "no", "mixed precision; auto: the one that the device computes faster, if any"
    )
    seed: int = option(0, "of weights, noise, order of the images and augmentation", NOT_NEGATIVE)
    samples: int = option(64, "images in a sample grid", SEVERAL)
    log_every: int = option(50, "iterations between lines of metrics.csv", COUNT)
    sample_every: int = option(1_000, "iterations between sample grids; 0 for none", NOT_NEGATIVE)
    checkpoint_every: int = option(
        1_000, "iterations between checkpoints; 0 for the last alone", NOT_NEGATIVE
    )
    keep_checkpoints: int = option(2, "how many of the newest checkpoints stay", COUNT)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seed >= 2**32:
            raise UsageError(f"seed is {self.seed}; it has to be less than 4,294,967,296.")

    def settled(self) -> Self:
        """Return the configuration with its precision as this computer's device wants it."""
        if self.precision != "auto":
            return self
        # Not above: `slae --help` needs no torch.
        from slae_lib.support.device import fast_precision, pick_device

        return replace(self, precision=fast_precision(pick_device(self.device)))


@dataclass(frozen=True)
class TrainConfig(RunConfig):
    """A run of FastGAN or SLAE.

    Raises:
        UsageError: for a value that does not exist.
    """

    hinge_margin: Literal["fixed", "random"] = option(
        "fixed",
        "hinge at 1 (paper), or drawn per logit from [0.8, 1) (FastGAN's code)",
        after="ema_decay",
    )
    reconstruction: Literal["lpips", "vgg", "l1", "none"] = option(
        "lpips",
        "distance between decoded and real images: LPIPS, uncalibrated VGG-16 features, L1, "
        "or no such loss",
        after="hinge_margin",
    )
    reconstruction_weight: float = option(
        1.0, "factor of the reconstruction loss", NOT_NEGATIVE, after="reconstruction"
    )
    augment_small: Literal["apart", "together"] = option(
        "apart",
        "whether the small version of a real image is augmented apart, or made from the augmented "
        "image (FastGAN's code)",
        after="augment",
    )
    metadata_layer: str = option(
        "relu5_3", "layer of VGG-16 that the metadata is taken from", after="flip"
    )
    metadata_scale: Literal["standardised", "raw"] = option(
        "standardised",
        "scale of the metadata: mean 0 and deviation 1 per channel, or as it is",
        after="metadata_layer",
    )
    sync_batch_norm: bool = option(
        False, "batch norm over the images of all processes; on GPUs alone", after="batch_size"
    )
    compile: bool = option(False, "compile the networks with torch.compile", after="precision")
    compile_mode: Literal["default", "reduce-overhead"] = option(
        "default", "of torch.compile; reduce-overhead: as CUDA graphs", after="compile"
    )

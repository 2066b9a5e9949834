"""What the networks are: one frozen dataclass, whose fields carry their own help."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from slae_lib.support.errors import UsageError
from slae_lib.support.settings import COUNT, Settings, option

RESOLUTIONS = (64, 128, 256, 512, 1024)


class NetworkConfig(Settings):
    """What every family's configuration of networks tells, here of networks that have neither.

    Attributes:
        resolution: side length of the images.
        noise_dim: numbers in the generator's noise.
        title: what the networks are, in words.
        metadata: whether the generator takes metadata.
        has_attention: whether the generator's skip links make attention maps.
    """

    resolution: Any
    noise_dim: Any
    title: Any
    metadata: Any = False
    has_attention: Any = False


@dataclass(frozen=True)
class ModelConfig(NetworkConfig):
    """The networks: generator and discriminator.

    ``skip="sle", metadata=False`` is FastGAN; ``skip="slae", metadata=True`` is the SLAE paper.

    Raises:
        UsageError: for a resolution or another value that does not exist.
    """

    WITHOUT: ClassVar[dict[str, Any]] = {"metadata_clip": None, "discriminator_width": None}

    resolution: Literal[64, 128, 256, 512, 1024] = option(256, "side length of the images")
    width: int = option(64, "channels of the generator at 128 px; all others follow from it", COUNT)
    noise_dim: int = option(256, "numbers in the generator's noise", COUNT)
    skip: str = option(
        "slae",
        "skip links of the generator: with (slae) or without (sle) spatial attention",
        choices="slae_lib.attention:LINKS",
    )
    discriminator_skip: str = option(
        "sle",
        "skip links of the discriminator; the paper leaves this open",
        choices="slae_lib.attention:LINKS",
    )
    attention_kernel: Literal[3, 7] = option(7, "side length of the attention's convolution")
    attention_norm: bool = option(
        True, "spectral norm on the attention's convolution (all others here have it, CBAM's not)"
    )
    metadata: bool = option(True, "add VGG-16 metadata of training images to the noise")
    metadata_dim: int = option(512, "numbers in the metadata: channels of the VGG-16 layer", COUNT)
    metadata_input: Literal["linear", "direct"] = option(
        "linear", "how metadata meets the noise: by a learned linear map, or added as it is"
    )

    metadata_gain: float = option(
        1.0, "deviation of the metadata where it meets the noise, which has 1 (linear input)"
    )
    output: Literal["tanh", "linear"] = option(
        "tanh", "how images get into [-1, 1]: by tanh, or left to the training (FastGAN below 1024)"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % 8:
            raise UsageError(
                f"width is {self.width}; it has to be a multiple of 8, so that every layer gets a "
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
    def title(self) -> str:
        """What the networks are, in words."""
        return f"{self.skip.upper()} links, {'with' if self.metadata else 'without'} metadata"

    @property
    def has_attention(self) -> bool:
        """Whether the generator's skip links make attention maps."""
        from slae_lib.attention import has_attention  # not above: `slae --help` needs no torch

        return has_attention(self.skip)

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

"""The generator: noise, and metadata of a real image, to an image."""

from collections.abc import Mapping
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from slae_lib.attention import LINKS, SkipLayerExcitation
from slae_lib.blocks import (
    GLU,
    batch_norm,
    channels_last,
    composite_up_block,
    conv,
    conv_transpose,
    up_block,
)
from slae_lib.config import ModelConfig
from slae_lib.metadata import MetadataEmbedding

COMPOSITE_SIZES = (8, 32, 128, 512)  # the other sizes get the plain block


class GeneratorOutput(NamedTuple):
    """What one forward pass of the generator makes.

    Attributes:
        image: (B, 3, R, R) in [-1, 1]; with a linear output only nearly so.
        small: (B, 3, R', R') likewise, the second image that the discriminator also sees.
        attention: link name such as ``"8->128"`` to its attention map (B, 1, h, w) in (0, 1);
            empty unless asked for, and where the links have no attention.
        gates: link name to its gate (B, C, 1, 1) in (0, 1); empty unless asked for.
    """

    image: Tensor
    small: Tensor
    attention: dict[str, Tensor]
    gates: dict[str, Tensor]


class Generator(nn.Module):
    """FastGAN's generator with SLE or SLAE skip links and optional metadata.

    A 4x4 map grows block by block to the resolution R; skip links gate late maps with early ones
    (`ModelConfig.generator_links`). Channels at width 64: 4: 1024, 8: 512, 16: 256, 32: 128,
    64: 128, 128: 64, 256: 32, 512: 16, 1024: 8.

    Below 256 the same pattern shrinks: the blocks end at R, the three links get shorter
    (at 64: 4->16, 8->32, 16->64) and the small image has half the resolution.

    Source: FastGAN (ICLR 2021), section 3.1 and appendix; SLAE paper, sections 3.1 and 3.2.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        if config.metadata and config.metadata_input == "linear":
            self.embed_metadata: nn.Module = MetadataEmbedding(
                config.metadata_dim, config.noise_dim, config.metadata_gain
            )
        else:
            self.embed_metadata = nn.Identity()

        self.start = nn.Sequential(
            conv_transpose(config.noise_dim, 2 * self.channels(4), 4),
            batch_norm(2 * self.channels(4)),
            GLU(),
        )
        self.blocks = nn.ModuleDict()
        size = 8
        while size <= config.resolution:
            block = composite_up_block if size in COMPOSITE_SIZES else up_block
            self.blocks[str(size)] = block(self.channels(size // 2), self.channels(size))
            size *= 2

        self.links = nn.ModuleDict()
        for low, high in config.generator_links:
            self.links[f"{low}->{high}"] = LINKS[config.skip](
                self.channels(low),
                self.channels(high),
                config.attention_kernel,
                config.attention_norm,
            )
        self.to_image = conv(self.channels(config.resolution), 3, 3, padding=1)
        self.to_small = conv(self.channels(config.small_resolution), 3, 1)

    def channels(self, size: int) -> int:
        """Return the number of channels of the map with side length ``size``."""
        # They halve with every doubling of the size, but 64 has as many as 32.
        return self.config.width * (64 if size <= 32 else 128) // size

    def forward(
        self,
        noise: Tensor,
        metadata: Tensor | None = None,
        *,
        return_attention: bool = False,
        attention: Mapping[str, Tensor] | None = None,
        gates: Mapping[str, Tensor] | None = None,
    ) -> GeneratorOutput:
        """Make images.

        Args:
            noise: (B, noise_dim), standard normal.
            metadata: (B, metadata_dim), channel means of VGG-16 features, standardised; needed
                if and only if ``config.metadata``.
            return_attention: also return each link's attention map and gate.
            attention: link name to a map (B, 1, h, w), or one that broadcasts to that, used in
                place of the link's own; a place that is NaN keeps the link's own value. An
                experiment, not a part of training.
            gates: link name to a gate (B, C, 1, 1) or (1, C, 1, 1), likewise.

        Raises:
            ValueError: if a shape does not fit, metadata is missing or not wanted, or a link of
                ``attention`` or ``gates`` does not exist or has no attention.
        """
        given, given_gates = attention or {}, gates or {}
        self._check_given(given, given_gates)
        latent = self.latent(noise, metadata)  # (B, noise_dim)
        start = self.start(latent[:, :, None, None])  # (B, 16 * width, 4, 4)
        features = {4: channels_last(start)}
        maps, used_gates = {}, {}
        low_of = {high: low for low, high in self.config.generator_links}
        for name, block in self.blocks.items():
            size = int(name)
            high = block(features[size // 2])  # (B, C, size, size)
            if size in low_of:
                low = features[low_of[size]]
                link_name = f"{low_of[size]}->{size}"
                link = cast(SkipLayerExcitation, self.links[link_name])
                attention_map = _instead(link.attend(low), given.get(link_name))
                if attention_map is not None:
                    maps[link_name] = attention_map
                gate = _instead(link.gate(low, attention_map), given_gates.get(link_name))
                used_gates[link_name] = cast(Tensor, gate)
                high = high * gate
            features[size] = high
        bounded = torch.tanh if self.config.output == "tanh" else nn.Identity()
        return GeneratorOutput(
            image=bounded(self.to_image(features[self.config.resolution])),
            small=bounded(self.to_small(features[self.config.small_resolution])),
            attention=maps if return_attention else {},
            gates=used_gates if return_attention else {},
        )

    def _check_given(self, attention: Mapping[str, Tensor], gates: Mapping[str, Tensor]) -> None:
        having = list(self.links) if self.config.has_attention else []
        for name, attention_map in attention.items():
            if name not in having:
                raise ValueError(
                    f"attention for the link {name!r}: this generator has attention in "
                    f"{', '.join(having) or 'no link'}."
                )
            side = int(name.split("->")[0])
            shape = attention_map.shape
            if len(shape) != 4 or any(
                found not in (1, wanted)
                for found, wanted in zip(shape[1:], (1, side, side), strict=True)
            ):
                raise ValueError(
                    f"attention for the link {name} has shape {tuple(shape)}; "
                    f"it has to be (batch, 1, {side}, {side})."
                )
        for name, gate in gates.items():
            if name not in self.links:
                raise ValueError(f"gates for the link {name!r}: choose of {', '.join(self.links)}.")
            channels = self.channels(int(name.split("->")[1]))
            if gate.ndim != 4 or gate.shape[1:] != (channels, 1, 1):
                raise ValueError(
                    f"gates for the link {name} have shape {tuple(gate.shape)}; "
                    f"it has to be (batch, {channels}, 1, 1)."
                )

    def latent(self, noise: Tensor, metadata: Tensor | None) -> Tensor:
        """Return the sum of noise and embedded metadata: (B, noise_dim)."""
        if noise.ndim != 2 or noise.shape[1] != self.config.noise_dim:
            raise ValueError(
                f"noise has shape {tuple(noise.shape)}; this generator needs "
                f"(batch, {self.config.noise_dim})."
            )
        if not self.config.metadata:
            if metadata is not None:
                raise ValueError(
                    "this generator was made without metadata (ModelConfig(metadata=False)); "
                    "call it with noise alone."
                )
            return noise
        expected = (noise.shape[0], self.config.metadata_dim)
        if metadata is None or metadata.shape != expected:
            found = "none" if metadata is None else f"shape {tuple(metadata.shape)}"
            raise ValueError(
                f"metadata: {found}; this generator needs one row per noise {expected}."
            )
        return noise + self.embed_metadata(metadata)


def _instead(own: Tensor | None, given: Tensor | None) -> Tensor | None:
    """Return ``given``, which broadcasts to ``own`` (B, ...), and ``own`` where that is NaN."""
    if own is None or given is None:
        return own
    return torch.where(given.isnan(), own, given)

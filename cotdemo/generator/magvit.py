"""The image tokenizer: MAGVIT-v2's lookup-free quantizer (arXiv 2310.05737) in a convolutional auto-encoder.

One class for all sizes. The defaults are the tokenizer Show-o was trained with (16 x 16 codes of 13 bits for an image
of 256 x 256 pixels); the embedded model has a small one of the same shape.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.utils.accelerate_utils import apply_forward_hook
from torch import nn

from ..compute.memory import halving
from ..errors import UserError
from .checkpoint import FromFolderOrHub


class LookupFreeQuantizer(nn.Module):
    """A code is the signs of `bits` latent channels, channel 0 the most significant bit (arXiv 2310.05737 section 3.1).

    No codebook is learned: `embedding`, the corner (+1 or -1 per bit) of every code, follows from `bits`.
    """

    def __init__(self, bits: int):
        super().__init__()
        self.register_buffer("power_vals", 2 ** torch.arange(bits - 1, -1, -1))
        codes = torch.arange(2**bits).unsqueeze(1)
        self.register_buffer("embedding", ((codes & self.power_vals) > 0) * 2.0 - 1.0)

    def codes(self, latents: torch.Tensor) -> torch.Tensor:
        """Codes `(B, h*w)` int64, row by row, of latents `(B, bits, h, w)`."""
        bits = (latents > 0).flatten(2).transpose(1, 2)
        return (bits * self.power_vals).sum(-1)

    def corners(self, codes: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
        """Quantized latents `(B, bits, h, w)` of codes `(B, h*w)`, for a grid of `(h, w)`."""
        return self.embedding[codes].transpose(1, 2).unflatten(2, grid)

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        """Quantized latents `(B, bits, h, w)` with the gradient of the latents themselves (straight-through)."""
        corners = torch.where(latents > 0, 1.0, -1.0).to(latents.dtype)
        return latents + (corners - latents).detach()


class ResnetBlock(nn.Module):
    """Two normalized 3x3 convolutions beside a shortcut, `(B, channels_in, h, w)` to `(B, channels_out, h, w)`."""

    def __init__(self, channels_in: int, channels_out: int, norm_groups: int):
        super().__init__()
        self.norm1 = _norm(channels_in, norm_groups)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.norm2 = _norm(channels_out, norm_groups)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.nin_shortcut = nn.Identity() if channels_in == channels_out else nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return self.nin_shortcut(x) + h


class AttentionBlock(nn.Module):
    """Every place of the grid attends to every other: one head as wide as the channels, `(B, channels, h, w)`."""

    def __init__(self, channels: int, norm_groups: int):
        super().__init__()
        self.norm = _norm(channels, norm_groups)
        self.q = nn.Conv2d(channels, channels, 1)
        self.k = nn.Conv2d(channels, channels, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.norm(x)
        q, k, v = (part(h).flatten(2).transpose(1, 2) for part in (self.q, self.k, self.v))
        h = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).unflatten(2, x.shape[2:])
        return x + self.proj_out(h)


class Middle(nn.Module):
    """The coarsest level of encoder and decoder."""

    def __init__(self, channels: int, norm_groups: int):
        super().__init__()
        self.block_1 = ResnetBlock(channels, channels, norm_groups)
        self.attn_1 = AttentionBlock(channels, norm_groups)
        self.block_2 = ResnetBlock(channels, channels, norm_groups)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.block_2(self.attn_1(self.block_1(x)))


class Downsample(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))  # padded on the right and below only


class Upsample(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Level(nn.Module):
    """Residual blocks at one resolution, the first of which sets the width."""

    def __init__(self, channels_in: int, channels_out: int, blocks: int, norm_groups: int):
        super().__init__()
        widths = [channels_in] + [channels_out] * blocks
        self.block = nn.ModuleList(ResnetBlock(a, b, norm_groups) for a, b in zip(widths, widths[1:]))
        self.downsample = self.upsample = nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.block:
            x = block(x)
        return self.upsample(self.downsample(x))


class Encoder(nn.Module):
    """Pixels `(B, 3, H, W)` to latents `(B, bits, h, w)`; `widths[0]` channels at first, `widths[i + 1]` on level i."""

    def __init__(self, widths: Sequence[int], blocks: Sequence[int], bits: int, norm_groups: int, patch_size: int):
        super().__init__()
        self.patch_size = patch_size
        self.conv_in = nn.Conv2d(3 * patch_size**2, widths[0], 3, padding=1)
        self.down = nn.ModuleList(Level(a, b, n, norm_groups) for a, b, n in zip(widths, widths[1:], blocks))
        for level, width in zip(self.down[:-1], widths[1:]):
            level.downsample = Downsample(width)
        self.mid = Middle(widths[-1], norm_groups)
        self.norm_out = _norm(widths[-1], norm_groups)
        self.conv_out = nn.Conv2d(widths[-1], bits, 3, padding=1)
        self.quant_conv = nn.Conv2d(bits, bits, 1)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = self.conv_in(F.pixel_unshuffle(pixels, self.patch_size))
        for level in self.down:
            x = level(x)
        x = self.mid(x)
        return self.quant_conv(self.conv_out(F.silu(self.norm_out(x))))


class Decoder(nn.Module):
    """Quantized latents `(B, bits, h, w)` to pixels `(B, 3, H, W)`; level i turns `widths[i + 1]` into `widths[i]`."""

    def __init__(self, widths: Sequence[int], blocks: Sequence[int], bits: int, norm_groups: int, patch_size: int):
        super().__init__()
        self.patch_size = patch_size
        self.post_quant_conv = nn.Conv2d(bits, bits, 1)
        self.conv_in = nn.Conv2d(bits, widths[-1], 3, padding=1)
        self.mid = Middle(widths[-1], norm_groups)
        self.up = nn.ModuleList(Level(b, a, n, norm_groups) for a, b, n in zip(widths, widths[1:], blocks))
        for level, width in zip(self.up[1:], widths[1:]):
            level.upsample = Upsample(width)
        self.norm_out = _norm(widths[0], norm_groups)
        self.conv_out = nn.Conv2d(widths[0], 3 * patch_size**2, 3, padding=1)

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        x = self.mid(self.conv_in(self.post_quant_conv(latents)))
        for level in reversed(self.up):  # level 0 is the finest, as in the encoder
            x = level(x)
        return F.pixel_shuffle(self.conv_out(F.silu(self.norm_out(x))), self.patch_size)


class MagvitV2(FromFolderOrHub, ModelMixin, ConfigMixin):
    """Images to codes and back.

    Args:
        channels: width of the first convolution.
        channel_multipliers: width of each level of the encoder, finest first, in multiples of `channels`; there are as
            many levels as multipliers, and each but the last halves the resolution.
        encoder_blocks, decoder_blocks: residual blocks of each level, finest first.
        bits: bits of a code; there are `2 ** bits` codes.
        norm_groups: groups of the group normalizations; must divide every width.
        patch_size: side of the square of pixels that the first convolution sees as one place. More than 1 makes a small
            model fast: its widest levels then run at a fraction of the image's resolution.
    """

    @register_to_config
    def __init__(
        self,
        channels: int = 128,
        channel_multipliers: Sequence[int] = (1, 2, 2, 4, 4),
        encoder_blocks: Sequence[int] = (4, 3, 4, 3, 4),
        decoder_blocks: Sequence[int] = (4, 4, 3, 4, 3),
        bits: int = 13,
        norm_groups: int = 32,
        patch_size: int = 1,
    ):
        super().__init__()
        if not len(channel_multipliers) == len(encoder_blocks) == len(decoder_blocks):
            raise UserError("channel_multipliers, encoder_blocks and decoder_blocks need one entry for each level.")
        widths = [channels] + [channels * multiplier for multiplier in channel_multipliers]
        self.encoder = Encoder(widths, encoder_blocks, bits, norm_groups, patch_size)
        self.decoder = Decoder(widths, decoder_blocks, bits, norm_groups, patch_size)
        self.quantize = LookupFreeQuantizer(bits)

    @property
    def downsampling(self) -> int:
        """Side of the square of pixels that one code stands for."""
        return self.config.patch_size * 2 ** (len(self.config.channel_multipliers) - 1)

    @property
    def codebook_size(self) -> int:
        return 2**self.config.bits

    @apply_forward_hook
    def encode_latents(self, pixels: torch.Tensor) -> torch.Tensor:
        """Latents `(B, bits, h, w)` before quantization of pixels `(B, 3, H, W)` in [-1, 1].

        Raises UserError where a side of the image is no multiple of `downsampling`.
        """
        if any(side % self.downsampling for side in pixels.shape[2:]):
            raise UserError(
                f"An image of {pixels.shape[3]} x {pixels.shape[2]} pixels cannot be tokenized: "
                f"resize it so that both sides are multiples of {self.downsampling}."
            )
        return self.encoder(pixels)

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Codes `(B, h*w)` int64, row by row, of pixels `(B, 3, H, W)` in [-1, 1]."""
        return self.quantize.codes(self.encode_latents(pixels))

    @apply_forward_hook
    def decode(self, codes: torch.Tensor, grid: tuple[int, int] | None = None) -> torch.Tensor:
        """Pixels `(B, 3, H, W)`, about in [-1, 1], of codes `(B, h*w)`; without a grid `(h, w)` it is square.

        Raises UserError where the codes do not fill the grid.
        """
        count = codes.shape[1]
        grid = grid or (math.isqrt(count), math.isqrt(count))
        if grid[0] * grid[1] != count:
            raise UserError(f"{count} codes do not fill a grid of {grid[0]} x {grid[1]}: pass the right `grid`.")
        return self.decoder(self.quantize.corners(codes, grid))

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """For training: reconstruction `(B, 3, H, W)`, latents `(B, bits, h, w)`, codes `(B, h*w)` of the pixels."""
        latents = self.encode_latents(pixels)
        return self.decoder(self.quantize(latents)), latents, self.quantize.codes(latents)

    def images(self, codes: torch.Tensor, grid: tuple[int, int]) -> np.ndarray:
        """Images `(B, H, W, 3)` uint8 of codes `(B, h*w)`, decoded in halves where memory does not suffice for all."""
        return self.to_uint8(halving(lambda part: self.decode(part, grid), codes))

    @staticmethod
    def to_uint8(pixels: torch.Tensor) -> np.ndarray:
        """Images `(B, H, W, 3)` uint8 of pixels `(B, 3, H, W)`; truncated, not rounded, as Show-o does."""
        scaled = ((pixels.detach().float() + 1) / 2).clamp(0, 1) * 255
        return scaled.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def _norm(channels: int, groups: int) -> nn.GroupNorm:
    return nn.GroupNorm(groups, channels, eps=1e-6)

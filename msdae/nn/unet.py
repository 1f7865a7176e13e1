"""The 1D U-Net of the denoiser, with codes injected into its decoder."""

import torch
import torch.nn as nn

from msdae.nn.layers import NoiseEmbedding, ResBlock, group_norm, stretch, zero_init
from msdae.nn.tokens import CrossAttention


class UNet(nn.Module):
    """F(c_in x; c_noise, codes): time is halved on the way from each depth to the next, and back.

    Depth d has the rate of the latent divided by 2 ** d. A code that enters at depth d is stretched to the
    length of the features there, and a convolution of it is added to them. That is what concatenation and a
    convolution would do. Written as a sum, a level that does not exist yet costs nothing, and a level that is
    added starts at zero and leaves the trained network as it was.

    Args:
        channels: channels of the latent.
        widths: number of features at each depth, the outermost first.
        code_channels: channels of each level's code, from coarse to fine.
        inject: depth at which each level enters, from coarse to fine (0 is the rate of the output).
        pooled: for each level, whether its code is a single frame. Such a code also scales and shifts the
            features at every depth, with the noise level, through the adaptive normalisation.
        at_input: whether codes that are not pooled also join the input, for the whole network to work on.
        tokens: channels of the tokens that features attend to in the decoder; 0: there are no tokens.
        attend: the depths at which they attend. heads: number of attention heads.
        embedding: width of the embedding of the noise level.
    """

    def __init__(
        self,
        channels: int,
        widths: tuple[int, ...],
        code_channels: tuple[int, ...],
        inject: tuple[int, ...],
        pooled: tuple[bool, ...] = (),
        at_input: bool = False,
        tokens: int = 0,
        attend: tuple[int, ...] = (),
        heads: int = 4,
        embedding: int = 256,
    ):
        super().__init__()
        self.inject = inject
        self.embedding = embedding
        self.pooled = pooled or (False,) * len(inject)
        self.embed = NoiseEmbedding(embedding)
        self.conv_in = nn.Conv1d(channels, widths[0], 3, padding=1)
        steps = list(zip(widths[:-1], widths[1:], strict=True))  # (outer, inner) features
        self.down_blocks = nn.ModuleList(ResBlock(outer, outer, embedding) for outer, _ in steps)
        self.downsamples = nn.ModuleList(
            nn.Conv1d(outer, inner, 4, stride=2, padding=1) for outer, inner in steps
        )
        self.middle = ResBlock(widths[-1], widths[-1], embedding)
        self.up_blocks = nn.ModuleList(ResBlock(outer + inner, outer, embedding) for outer, inner in steps)
        self.last = ResBlock(widths[0], widths[0], embedding)
        self.code_convs = nn.ModuleList(
            zero_init(nn.Conv1d(c, widths[depth], 1)) for c, depth in zip(code_channels, inject, strict=True)
        )
        self.input_convs = nn.ModuleList(
            zero_init(nn.Conv1d(c, widths[0], 3, padding=1))
            for c, pooled in zip(code_channels, self.pooled, strict=True)
            if at_input and not pooled
        )
        self.modulations = nn.ModuleList(
            nn.Sequential(nn.Linear(c, embedding), nn.SiLU(), zero_init(nn.Linear(embedding, embedding)))
            for c, pooled in zip(code_channels, self.pooled, strict=True)
            if pooled
        )
        self.blend = nn.Sequential(nn.Linear(embedding, embedding), nn.SiLU()) if any(self.pooled) else None
        self.attentions = nn.ModuleDict(
            {str(depth): CrossAttention(widths[depth], tokens, heads) for depth in attend if tokens}
        )
        self.head = nn.Sequential(
            group_norm(widths[0]), nn.SiLU(), zero_init(nn.Conv1d(widths[0], channels, 3, padding=1))
        )

    def forward(
        self,
        x: torch.Tensor,
        c_noise: torch.Tensor,
        codes: list[torch.Tensor],
        tokens: tuple[torch.Tensor, torch.Tensor] | None = None,
        control: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """x: (batch, channels, frames), any number of frames; c_noise: (batch,) -> (batch, channels, frames)

        codes: one for each level, (batch, code_channels, any). tokens: if there are any, their values (batch,
        channels, any) and the bias of the attention to each, (batch, any). control: (batch, embedding), added
        to the embedding of the noise level.
        """
        embedding = self.embed(c_noise) if control is None else self.embed(c_noise) + control
        pooled_codes = [code for code, pooled in zip(codes, self.pooled, strict=True) if pooled]
        timed_codes = [code for code, pooled in zip(codes, self.pooled, strict=True) if not pooled]
        for code, modulation in zip(pooled_codes, self.modulations, strict=True):
            embedding = embedding + modulation(code.mean(dim=-1))
        if self.blend is not None:  # what a timbre does to the features may depend on the noise level
            embedding = self.blend(embedding)
        frames = x.shape[-1]
        x = self.conv_in(x)
        for code, conv in zip(timed_codes, self.input_convs, strict=False):  # none without `at_input`
            x = x + conv(stretch(code, frames))
        skips = []
        for block, downsample in zip(self.down_blocks, self.downsamples, strict=True):
            x = block(x, embedding)
            skips.append(x)
            x = downsample(_at_least_two(x))
        x = self.middle(x, embedding)
        for depth in range(len(skips), 0, -1):
            x = self._join(x, codes, depth, tokens)
            skip = skips[depth - 1]
            x = torch.cat([skip, _repeat(x, skip.shape[-1])], dim=1)
            x = self.up_blocks[depth - 1](x, embedding)
        x = self.last(self._join(x, codes, 0, tokens), embedding)
        return self.head(x)

    def _join(
        self,
        x: torch.Tensor,
        codes: list[torch.Tensor],
        depth: int,
        tokens: tuple[torch.Tensor, torch.Tensor] | None,
    ) -> torch.Tensor:
        for code, conv, entry in zip(codes, self.code_convs, self.inject, strict=True):
            if entry == depth:
                x = x + conv(stretch(code, x.shape[-1]))
        if str(depth) in self.attentions:
            x = self.attentions[str(depth)](x, *tokens)
        return x


def _at_least_two(x: torch.Tensor) -> torch.Tensor:
    """Repeat a single frame, so that a stride of two still has an output."""
    return x if x.shape[-1] > 1 else x.repeat(1, 1, 2)


def _repeat(x: torch.Tensor, frames: int) -> torch.Tensor:
    """Nearest-neighbour upsampling to the neighbour's length, odd ones too."""
    return nn.functional.interpolate(x, size=frames, mode="nearest")

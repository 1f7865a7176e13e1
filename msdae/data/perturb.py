"""Changes to log-mels that leave one attribute alone and spoil another.

Each clip has a random generator of its own, so that its change does not depend on what is beside it.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

ENVELOPE = 17  # bands over which a spectral envelope is smooth
FLOOR = 1e-2  # of the mel magnitude, before logarithms
FRAMES = 8  # over which an envelope is constant


def scramble(
    mel: torch.Tensor,
    generators: Sequence[torch.Generator],
    blocks: int = 6,
    bands: int = 4,
    tempo: float = 0.25,
) -> torch.Tensor:
    """The same timbre, another melody: faster or slower, blocks of time shuffled, moved along the bands.

    mel: (batch, bands, frames) log-mel. generators: of each clip. blocks: of time that are shuffled;
    bands: of shift either way, at most; tempo: change either way, at most. Returns as `mel`.
    """
    _, bands_in, frames = mel.shape
    shifts = torch.stack([torch.randint(-bands, bands + 1, (1,), generator=g) for g in generators])
    places = torch.stack([_shuffled_time(frames, blocks, tempo, g) for g in generators])
    mel = mel.gather(2, places[:, None].expand(-1, bands_in, -1))
    rows = torch.arange(bands_in) - shifts
    inside = ((rows >= 0) & (rows < bands_in)).to(mel.dtype)
    rows = rows.clamp(0, bands_in - 1)
    return mel.gather(1, rows[..., None].expand(-1, -1, frames)) * inside[..., None]


def recolour(
    mel: torch.Tensor, generators: Sequence[torch.Generator], strength: float, gain: float
) -> torch.Tensor:
    """The same notes, another timbre: the spectral envelope is warped, tilted and bent, noise is laid below.

    mel: (batch, bands, frames), log1p(gain * magnitude). generators: of each clip.
    strength: 0 changes nothing, 1 much. Returns as `mel`; pitches and onsets stay where they are.
    """
    _, bands, frames = mel.shape
    magnitude = torch.expm1(mel) / gain
    envelope = _smooth(torch.log(F.avg_pool1d(magnitude, FRAMES, ceil_mode=True) + FLOOR))
    place = torch.linspace(-1, 1, bands)
    warp = 1 + 0.1 * strength * _normal(generators, 1)
    move = 0.05 * strength * _normal(generators, 1)
    change = _read(envelope, place[None] * warp + move) - envelope
    knots = 0.8 * strength * _normal(generators, 6)  # nepers: about 7 dB
    curve = F.interpolate(knots[:, None], size=bands, mode="linear", align_corners=True)[:, 0]
    change = (change + curve[..., None]).exp()
    noise = torch.stack([torch.rand(1, 1, generator=g) for g in generators]) * 0.01 * strength
    magnitude = magnitude * change.repeat_interleave(FRAMES, dim=-1)[..., :frames]
    return torch.log1p(gain * (magnitude + noise))


def _smooth(level: torch.Tensor) -> torch.Tensor:
    """(batch, bands, frames) averaged over neighbouring bands."""
    padded = F.pad(level.transpose(1, 2), (ENVELOPE // 2, ENVELOPE // 2), mode="replicate")
    return F.avg_pool1d(padded, ENVELOPE, stride=1).transpose(1, 2)


def _read(envelope: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """envelope: (batch, bands, frames) read at `places` (batch, bands), -1 to 1 over the bands."""
    frames = envelope.shape[-1]
    grid = torch.stack(
        [
            torch.linspace(-1, 1, frames).expand(*places.shape, frames),
            places[..., None].expand(*places.shape, frames),
        ],
        dim=-1,
    )
    return F.grid_sample(envelope[:, None], grid, padding_mode="border", align_corners=True)[:, 0]


def _shuffled_time(frames: int, blocks: int, tempo: float, generator: torch.Generator) -> torch.Tensor:
    """(frames,), which frame to take for each: at another tempo, repeated from the start, in other order."""
    rate = 1 + tempo * (2 * torch.rand((), generator=generator) - 1)
    places = (torch.arange(frames) * rate).long() % frames
    pieces = places.tensor_split(blocks)
    return torch.cat([pieces[i] for i in torch.randperm(blocks, generator=generator).tolist()])


def _normal(generators: Sequence[torch.Generator], count: int) -> torch.Tensor:
    """(clips, count)"""
    return torch.stack([torch.randn(count, generator=g) for g in generators])

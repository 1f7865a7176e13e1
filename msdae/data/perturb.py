"""Changes to log-mels that leave one attribute alone and spoil another, of whole batches at once.

Each clip has draws of its own, so that its change does not depend on what is beside it.
"""

import math

import torch
import torch.nn.functional as F

from msdae.data.draws import Draws

ENVELOPE = 17  # bands over which a spectral envelope is smooth
FLOOR = 1e-2  # of the mel magnitude, before logarithms
BLOCKS = 6  # of time that are shuffled
FRAMES = 8  # over which an envelope is constant
LOUDER, GLIDE = 10.0, 6.0  # dB by which a whole clip, and its glides, are louder or softer, at most
RIDE = 9  # places in a clip between which its level glides
DEEPEST = 0.4  # bands by which a vibrato swings either way, at most
WAVES = (0.02, 0.045)  # slowest and fastest vibrato, in waves a mel frame: 3.4 to 7.8 Hz at a hop of 256


def scramble(mel: torch.Tensor, draws: Draws, bands: int = 4, tempo: float = 0.25) -> torch.Tensor:
    """The same timbre, another melody: faster or slower, blocks of time shuffled, moved along the bands.

    mel: (batch, bands, frames) log-mel. draws: of its clips. bands: of shift either way, at most; tempo:
    change either way, at most. Returns as `mel`.
    """
    _, bands_in, frames = mel.shape
    shifts = (draws.uniform(1) * (2 * bands + 1)).long().clamp(max=2 * bands) - bands
    places = _shuffled_time(frames, tempo, draws)
    mel = mel.gather(2, places[:, None].expand(-1, bands_in, -1))
    rows = torch.arange(bands_in, device=mel.device) - shifts
    inside = ((rows >= 0) & (rows < bands_in)).to(mel.dtype)
    rows = rows.clamp(0, bands_in - 1)
    return mel.gather(1, rows[..., None].expand(-1, -1, frames)) * inside[..., None]


def recolour(mel: torch.Tensor, draws: Draws, gain: float) -> torch.Tensor:
    """The same notes, another timbre: the spectral envelope is warped, tilted and bent, noise is laid below.

    mel: (batch, bands, frames), log1p(gain * magnitude). draws: of its clips. Returns as `mel`; pitches and
    onsets stay where they are.
    """
    _, bands, frames = mel.shape
    magnitude = torch.expm1(mel) / gain
    envelope = _smooth(torch.log(F.avg_pool1d(magnitude, FRAMES, ceil_mode=True) + FLOOR))
    place = torch.linspace(-1, 1, bands, device=mel.device)
    warp = 1 + 0.1 * draws.normal(1)
    move = 0.05 * draws.normal(1)
    change = _read(envelope, place[None] * warp + move) - envelope
    knots = 0.8 * draws.normal(6)  # nepers: about 7 dB
    curve = F.interpolate(knots[:, None], size=bands, mode="linear", align_corners=True)[:, 0]
    change = (change + curve[..., None]).exp()
    noise = draws.uniform(1, 1) * 0.01
    magnitude = magnitude * change.repeat_interleave(FRAMES, dim=-1)[..., :frames]
    return torch.log1p(gain * (magnitude + noise))


def loudness(mel: torch.Tensor, draws: Draws) -> torch.Tensor:
    """The same notes, other dynamics: louder or softer as a whole, and gliding up and down in time.

    mel: (batch, bands, frames), log1p of magnitudes, whatever their gain. draws: of its clips. Returns as
    `mel`.
    """
    level = (2 * draws.uniform(1, 1) - 1) * LOUDER
    knots = (2 * draws.uniform(1, RIDE) - 1) * GLIDE
    level = level + F.interpolate(knots, size=mel.shape[-1], mode="linear", align_corners=True)
    return torch.log1p(torch.expm1(mel) * 10 ** (level / 20))


def vibrato(mel: torch.Tensor, draws: Draws) -> torch.Tensor:
    """The same notes, other vibrato: each frame moved along the bands by a wave of its clip's own speed.

    mel: (batch, bands, frames) log-mel. draws: of its clips. Returns as `mel`.
    """
    deep, speed, phase = draws.uniform(3, 1, 1).unbind(1)
    time = torch.arange(mel.shape[-1], device=mel.device)
    waves = phase + (WAVES[0] + (WAVES[1] - WAVES[0]) * speed) * time
    shift = DEEPEST * deep * torch.sin(2 * math.pi * waves)
    up, down = (torch.cat(parts, dim=1) for parts in ([mel[:, 1:], mel[:, -1:]], [mel[:, :1], mel[:, :-1]]))
    return torch.lerp(mel, torch.where(shift > 0, up, down), shift.abs())


def _smooth(level: torch.Tensor) -> torch.Tensor:
    """(batch, bands, frames) averaged over neighbouring bands."""
    padded = F.pad(level.transpose(1, 2), (ENVELOPE // 2, ENVELOPE // 2), mode="replicate")
    return F.avg_pool1d(padded, ENVELOPE, stride=1).transpose(1, 2)


def _read(envelope: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """envelope: (batch, bands, frames) read at `places` (batch, bands), -1 to 1 over the bands."""
    frames = envelope.shape[-1]
    grid = torch.stack(
        [
            torch.linspace(-1, 1, frames, device=places.device).expand(*places.shape, frames),
            places[..., None].expand(*places.shape, frames),
        ],
        dim=-1,
    )
    return F.grid_sample(envelope[:, None], grid, padding_mode="border", align_corners=True)[:, 0]


def _shuffled_time(frames: int, tempo: float, draws: Draws) -> torch.Tensor:
    """For each frame the number of the frame to take, (batch, frames): at another tempo, from the start again
    at the end, in blocks of another order."""
    rate = 1 + tempo * (2 * draws.uniform(1) - 1)
    order = draws.uniform(BLOCKS).argsort(dim=1)
    time = torch.arange(frames, device=rate.device)
    edges = torch.arange(BLOCKS + 1, device=rate.device) * frames // BLOCKS  # of the blocks, in the clip
    first, sizes = edges[:-1], edges.diff()[order]
    ends = sizes.cumsum(dim=1)
    block = torch.searchsorted(ends, time.expand(len(ends), -1).contiguous(), right=True)
    shift = first[order] - (ends - sizes)  # of each block, from where it is put to where it is taken
    return ((time + shift.gather(1, block)) * rate).long() % frames

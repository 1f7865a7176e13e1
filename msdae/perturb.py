"""Changes to log-mels that leave one attribute alone and spoil another; each clip draws its own."""

import torch
import torch.nn.functional as F

from msdae.nn.layers import stretch

ENVELOPE = 17  # bands over which a spectral envelope is smooth
FLOOR = 1e-2  # of the mel magnitude, before logarithms


def scramble(
    mel: torch.Tensor, generator: torch.Generator, blocks: int = 6, bands: int = 4, tempo: float = 0.25
) -> torch.Tensor:
    """The same timbre, another melody: faster or slower, blocks of time shuffled, moved along the bands.

    mel: (batch, bands, frames) log-mel. blocks: of time that are shuffled; bands: of shift either way, at
    most; tempo: change either way, at most. Returns as `mel`.
    """
    batch, _, frames = mel.shape
    out = []
    for clip in mel:
        rate = 1 + tempo * (2 * _uniform(generator) - 1)
        length = max(blocks, round(frames / rate))
        clip = stretch(clip[None], length)[0]
        clip = clip.repeat(1, -(-frames // length))[:, :frames]
        pieces = torch.tensor_split(clip, blocks, dim=1)
        clip = torch.cat([pieces[i] for i in torch.randperm(blocks, generator=generator)], dim=1)
        shift = int(torch.randint(-bands, bands + 1, (), generator=generator))
        out.append(_shifted(clip, shift))
    return torch.stack(out)


def recolour(mel: torch.Tensor, generator: torch.Generator, strength: float, gain: float) -> torch.Tensor:
    """The same notes, another timbre: the spectral envelope is warped, tilted and bent, noise is laid below.

    mel: (batch, bands, frames), log1p(gain * magnitude). strength: 0 changes nothing, 1 much.
    Returns as `mel`; pitches and onsets stay where they are.
    """
    batch, bands, _ = mel.shape
    level = torch.log(torch.expm1(mel) / gain + FLOOR)
    envelope = _smooth(level)
    fine = level - envelope
    place = torch.linspace(-1, 1, bands)
    warp = 1 + 0.1 * strength * _normal(generator, batch, 1)
    move = 0.05 * strength * _normal(generator, batch, 1)
    envelope = _read(envelope, place[None] * warp + move)
    knots = 0.8 * strength * _normal(generator, batch, 6)  # nepers: about 7 dB
    curve = F.interpolate(knots[:, None], size=bands, mode="linear", align_corners=True)[:, 0]
    level = fine + envelope + curve[..., None]
    noise = torch.rand(batch, 1, 1, generator=generator) * 0.01 * strength
    return torch.log1p(gain * ((torch.exp(level) - FLOOR).clamp_min(0) + noise))


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


def _shifted(clip: torch.Tensor, shift: int) -> torch.Tensor:
    """(bands, frames) moved up by `shift` bands; silence comes in."""
    if shift == 0:
        return clip
    moved = torch.zeros_like(clip)
    if shift > 0:
        moved[shift:] = clip[:-shift]
    else:
        moved[:shift] = clip[-shift:]
    return moved


def _uniform(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator))


def _normal(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=generator)

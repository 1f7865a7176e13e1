"""Phases for a magnitude spectrogram in one pass through time, then a few rounds of Griffin and Lim."""

import math

import torch

MOMENTUM = 0.99  # of the fast Griffin-Lim algorithm (Perraudin et al. 2013)


def accumulated(magnitude: torch.Tensor, hop: int, start: torch.Tensor | None = None) -> torch.Tensor:
    """Phases of sinusoids that go on from frame to frame: (batch, bins, frames), in (-pi, pi].

    Each peak of a frame is taken for a sinusoid of the frequency that a parabola through its log-magnitude
    finds; its phase goes on from the frame before, and the bins around a peak move with it.

    magnitude: (batch, bins, frames) of a centred STFT, Hann window of 2 * (bins - 1) samples, `hop` apart.
    start: (batch, bins), phases of the frame before the first; 0 by default. So a long spectrogram may be
        done in parts.

    Source: Beauregard, Harish and Wyse 2015, "Single pass spectrogram inversion".
    """
    owner, advance = _sinusoids(magnitude, hop)
    bins = torch.arange(magnitude.shape[1], device=magnitude.device)
    alternation = math.pi * ((bins - owner) % 2)  # of a Hann window's main lobe about its peak
    before = magnitude.new_zeros(magnitude.shape[:2]) if start is None else start
    phases = []
    for place, moved, turned in zip(owner.unbind(1), advance.unbind(1), alternation.unbind(1), strict=True):
        before = _wrapped(before.gather(1, place) + moved + turned)
        phases.append(before)
    return torch.stack(phases, dim=-1)


def _wrapped(phase: torch.Tensor) -> torch.Tensor:
    """Phases in (-pi, pi]. The remainder is taken in doubles, where it is exact and fast."""
    turn = torch.tensor(2 * math.pi, dtype=phase.dtype).item()
    turned = (phase + math.pi).double()
    return (turned - torch.floor(turned / turn) * turn).to(phase.dtype) - math.pi


def griffin_lim(
    magnitude: torch.Tensor, phase: torch.Tensor, window: torch.Tensor, hop: int, rounds: int
) -> torch.Tensor:
    """The waveform of `magnitude` whose phases are made consistent from `phase` on: (batch, samples).

    magnitude, phase: (batch, bins, frames) -> samples = (frames - 1) * hop. rounds: 0 keeps the phases.

    Source: Griffin and Lim 1984; with momentum, Perraudin et al. 2013.
    """
    settings = {"n_fft": len(window), "hop_length": hop, "window": window}
    length = (magnitude.shape[-1] - 1) * hop
    spectrum, before = torch.polar(magnitude, phase), torch.zeros(())
    for _ in range(rounds):
        waveform = torch.istft(spectrum, **settings, length=length)
        rebuilt = torch.stft(waveform, **settings, pad_mode="constant", return_complex=True)
        direction = rebuilt - MOMENTUM / (1 + MOMENTUM) * before
        spectrum, before = torch.polar(magnitude, direction.angle()), rebuilt
    return torch.istft(spectrum, **settings, length=length)


def _sinusoids(magnitude: torch.Tensor, hop: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Each bin's nearest peak and that sinusoid's phase advance over a hop: (batch, frames, bins) both."""
    bins = magnitude.shape[1]
    level = magnitude.transpose(1, 2).clamp_min(1e-7).log()
    below = torch.cat([level[..., :1], level[..., :-1]], dim=-1)
    above = torch.cat([level[..., 1:], level[..., -1:]], dim=-1)
    peak = (level >= below) & (level > above)
    offset = (0.5 * (below - above) / (below - 2 * level + above).clamp(max=-1e-6)).clamp(-0.5, 0.5)
    index = torch.arange(bins, device=magnitude.device, dtype=torch.int32)
    far = 2 * bins
    lower = torch.where(peak, index, -far).cummax(dim=-1).values
    upper = torch.where(peak, index, far).flip(-1).cummin(dim=-1).values.flip(-1)
    owner = torch.where(index - lower <= upper - index, lower, upper)
    owner = torch.where((owner < 0) | (owner >= bins), index, owner).long()  # a frame without peaks: itself
    advance = (math.pi * hop / (bins - 1)) * (index + offset)
    return owner, advance.gather(-1, owner)

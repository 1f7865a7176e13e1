"""Finds phases for a magnitude spectrogram in one pass through time, then in a few rounds of Griffin-Lim.

If a recording of the same notes is given, low bins take its phases, because decoded magnitudes do not
determine low frequencies exactly, and cannot separate neighbouring partials.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F

MOMENTUM = 0.99  # of the fast Griffin-Lim algorithm (Perraudin et al. 2013)
TINY = 1e-30  # power below which a bin has no phase
GOLDEN = (math.sqrt(5) - 1) / 2
HARMONICS = 6  # harmonics that locate a partial, including itself
DECAY = 0.8  # ratio of a harmonic's weight to that of the one below
STEP, REACH = 0.25, 3  # bins between candidates for a partial's frequency; number of them to either side
STIFFNESS = 2.0  # penalty, in nats, on a candidate one bin away from the parabola's peak
DEPTH = 8.0  # nats below a frame's loudest bin at which levels are clipped
LOW = 1000.0  # Hz up to which a melody source's phases are taken
BESIDE = 2  # bins to either side of a partial that take its phase
WEAK = 10 ** (-30 / 20)  # of the rendering's magnitude; a weaker peak of the melody source is no partial
ALONE, VALLEY = 10 ** (18 / 20), 4  # an isolated partial exceeds the bins `VALLEY` to either side by `ALONE`


class Followed(NamedTuple):
    """The phases that a rendering takes from its melody source; both (batch, low bins, frames).

    phases: those of the melody source, in radians. kept: where the rendering takes them, bool.
    """

    phases: torch.Tensor
    kept: torch.Tensor


def followed(magnitude: torch.Tensor, spectrum: torch.Tensor, sample_rate: int) -> Followed:
    """The phases of a recording's partials below `LOW`, for a rendering of the same notes.

    An isolated partial of the rendering keeps its own frequency and phase.

    magnitude: of the rendering, (batch, bins, frames). spectrum: of the recording, complex, the same shape.
    """
    last = int(magnitude.shape[1]) - 1  # a shape is a tensor in tracing
    low = min(max(1, round(2 * LOW / sample_rate * last)), last - VALLEY)
    wanted, own = magnitude[:, : low + VALLEY], spectrum[:, : low + 1].abs()
    partial = _peaks(own) & (own[:, :-1] > WEAK * wanted[:, :low])
    lower = F.pad(wanted[:, :-VALLEY], (0, 0, VALLEY, 0))[:, :low]
    alone = _peaks(wanted)[:, :low] & (wanted[:, :low] > ALONE * lower.maximum(wanted[:, VALLEY:]))
    kept = _widened(partial, BESIDE) & ~_widened(alone, VALLEY)
    return Followed(spectrum[:, :low].angle(), kept)


def _peaks(magnitude: torch.Tensor) -> torch.Tensor:
    """Which bins are peaks, except for the last bin: (batch, bins, frames) -> (batch, bins - 1, frames)"""
    rise = F.pad(magnitude.diff(dim=1), (0, 0, 1, 0))
    return (rise[:, :-1] >= 0) & (rise[:, 1:] < 0)


def _widened(marks: torch.Tensor, reach: int) -> torch.Tensor:
    """Marked bins, and `reach` bins to either side of them: (batch, bins, frames) both."""
    return F.max_pool2d(marks.float(), (2 * reach + 1, 1), 1, (reach, 0)) > 0


def accumulated(
    magnitude: torch.Tensor,
    hop: int,
    start: torch.Tensor | None = None,
    known: Followed | None = None,
) -> torch.Tensor:
    """Phases of sinusoids that continue from frame to frame: (batch, bins, frames), in (-pi, pi].

    Each peak of a frame is taken for a sinusoid. Its frequency is the peak of a parabola through the
    log-magnitudes; a low one is refined by the levels at its harmonics, as decoded magnitudes locate low
    frequencies badly. Its phase continues that of the frame before, and so do the bins around it.

    magnitude: (batch, bins, frames) of a centred STFT with a Hann window of 2 * (bins - 1) samples.
    hop: samples between frames.
    start: phases of the frame before the first, (batch, bins), by which a long spectrogram can be done in
        parts; by default `scattered`.
    known: phases of low bins that are adopted, from `followed`.

    Source: Beauregard, Harish and Wyse 2015, "Single pass spectrogram inversion".
    """
    owner, advance = _sinusoids(magnitude, hop)
    bins = torch.arange(magnitude.shape[1], device=magnitude.device)
    alternation = math.pi * ((bins - owner) % 2)  # signs in the main lobe of a Hann window
    moved = (advance + alternation).double()  # doubles, as the phases of an hour grow large
    before = scattered(len(bins), bins.device).expand_as(moved[:, 0]) if start is None else start.double()
    phases = torch.empty_like(moved)
    for frame, place in enumerate(owner.unbind(1)):
        before = torch.add(before.gather(1, place), moved[:, frame], out=phases[:, frame])
        if known is not None:
            kept, own = known.kept[..., frame], known.phases[..., frame].double()
            before[:, : kept.shape[1]] = torch.where(kept, own, before[:, : kept.shape[1]])
    turns = torch.round(phases / (2 * math.pi))
    return (phases - 2 * math.pi * turns).to(magnitude.dtype).transpose(1, 2)


def scattered(bins: int, device: torch.device | None = None) -> torch.Tensor:
    """Fixed, irregular phases for a sound to begin with: float64, (bins,)

    Equal phases would make an impulse, whose peak is many times that of noise with the same magnitudes.
    Phases that grow with the square of the bin let each bin sound at another time (Schroeder 1970); the
    golden ratio spreads these times evenly.
    """
    squares = torch.arange(bins, dtype=torch.float64, device=device).square()
    return 2 * math.pi * (GOLDEN * squares % 1)


def with_doubles(magnitude: torch.Tensor) -> torch.Tensor:
    """The magnitudes on a device that supports float64: moved from MPS, which does not, to the CPU."""
    return magnitude.cpu() if magnitude.device.type == "mps" else magnitude


def griffin_lim(
    magnitude: torch.Tensor,
    phase: torch.Tensor,
    window: torch.Tensor,
    hop: int,
    rounds: int,
    kept: torch.Tensor | None = None,
) -> torch.Tensor:
    """The waveform with these magnitudes, and with phases made consistent by Griffin-Lim: (batch, samples)

    samples = (frames - 1) * hop.

    magnitude, phase: (batch, bins, frames); `phase` is where the algorithm begins. window: that of the STFT.
    rounds: number of iterations; 0 keeps the phases. kept: which phases of low bins are not changed, bool,
    (batch, low bins, frames).

    Source: Griffin and Lim 1984; with momentum, Perraudin et al. 2013.
    """
    settings = {"n_fft": len(window), "hop_length": hop, "window": window, "pad_mode": "constant"}
    length = (magnitude.shape[-1] - 1) * hop
    weight = _overlapped(window.square().expand(1, magnitude.shape[-1], -1), hop, length)
    momentum = MOMENTUM / (1 + MOMENTUM)
    wanted = magnitude.transpose(1, 2).contiguous()  # frames before bins, as FFTs take them

    def waveform(spectrum: torch.Tensor) -> torch.Tensor:
        return _overlapped(torch.fft.irfft(spectrum, len(window)) * window, hop, length) / weight

    first = spectrum = torch.polar(wanted, phase.transpose(1, 2))
    before, low = None, 0 if kept is None else kept.shape[1]
    for _ in range(rounds):
        rebuilt = torch.stft(waveform(spectrum), **settings, return_complex=True).transpose(1, 2)
        direction = rebuilt if before is None else torch.sub(rebuilt, before, alpha=momentum)
        power = direction.real.square() + direction.imag.square()
        spectrum, before = direction * (wanted * power.clamp_(min=TINY).rsqrt_()), rebuilt
        if kept is not None:
            spectrum[..., :low] = torch.where(kept.transpose(1, 2), first[..., :low], spectrum[..., :low])
    return waveform(spectrum)


def _overlapped(frames: torch.Tensor, hop: int, length: int) -> torch.Tensor:
    """The overlap-add of frames `hop` apart: (batch, frames, samples) -> (batch, length).

    It begins in the middle of the first frame. It gives the result of `torch.istft` (tested) in a third of
    the time.
    """
    batch, count, size = frames.shape
    parts = -(-size // hop)
    rest = parts * hop - size
    pieces = (F.pad(frames, (0, rest)) if rest else frames).view(batch, count, parts, hop)
    total = frames.new_zeros(batch, count + parts - 1, hop)
    for part in range(parts):
        total[:, part : part + count] += pieces[:, :, part]
    return total.flatten(1)[:, size // 2 : size // 2 + length]


def _sinusoids(magnitude: torch.Tensor, hop: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Each bin's nearest peak, and its sinusoid's phase advance over a hop: (batch, frames, bins) both."""
    bins = magnitude.shape[1]
    level = magnitude.transpose(1, 2).contiguous().clamp_min(1e-7).log_()
    rise = F.pad(level[..., 1:] - level[..., :-1], (1, 1))  # from the bin below to each bin; 0 at both ends
    before, after = rise[..., :-1], rise[..., 1:]
    peak = (before >= 0) & (after < 0)
    offset = _vertex(before, after).clamp_(-0.5, 0.5)
    _harmonise(offset, peak, level)
    index = torch.arange(bins, device=magnitude.device, dtype=torch.int32)
    far = 2 * bins
    lower = torch.where(peak, index, -far).cummax(dim=-1).values
    upper = torch.where(peak, index, far).flip(-1).cummin(dim=-1).values.flip(-1)
    owner = torch.where(index - lower <= upper - index, lower, upper)
    owner = torch.where((owner < 0) | (owner >= bins), index, owner).long()  # without peaks, each bin itself
    advance = offset.add_(index).mul_(math.pi * hop / (bins - 1))
    return owner, advance.gather(-1, owner)


def _harmonise(offset: torch.Tensor, peak: torch.Tensor, level: torch.Tensor) -> None:
    """Refine, in place, the `offset` of each low peak, so that its harmonics are at loud places, too.

    The sixth partial of a note locates its pitch six times as exactly as the first. All arguments are
    (batch, frames, bins).
    """
    low = level.shape[-1] // (HARMONICS + 2)  # highest bin whose harmonics all lie in the spectrum
    item, frame, place = peak[..., 2:low].nonzero(as_tuple=True)
    at = item, frame, place + 2
    shift = STEP * torch.arange(-REACH, REACH + 1, device=level.device)
    partial = (at[2] + offset[at])[:, None] + shift
    start = ((item * level.shape[1] + frame) * level.shape[2])[:, None]
    level = level.maximum(level.amax(dim=-1, keepdim=True) - DEPTH)
    score = torch.zeros_like(partial) - STIFFNESS * shift.square()
    weights = DECAY ** torch.arange(HARMONICS - 1.0)
    for number, weight in enumerate((weights / weights.sum()).tolist(), start=2):
        harmonic = number * partial
        below = harmonic.long()
        share, below = harmonic - below, below + start
        score += weight * torch.lerp(level.take(below), level.take(below + 1), share)
    best = score.argmax(dim=1, keepdim=True).clamp(1, 2 * REACH - 1)
    rise = score.diff(dim=1)
    between = _vertex(rise.gather(1, best - 1), rise.gather(1, best)).clamp_(-1, 1)
    offset[at] = (offset[at] + (shift[best] + STEP * between)[:, 0]).clamp_(-0.5, 0.5)


def _vertex(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """The peak of a parabola through three levels, in steps from the middle one.

    before, after: the rise to the middle level, and the rise from it.
    """
    return (before + after).div_((before - after).clamp_(min=1e-6)).mul_(0.5)

"""Excerpts of a few recordings of one sound, transposed: what the sound is learnt from."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, repeat
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F

from msdae import limits
from msdae.audio import formants, resample
from msdae.audio.mel import LogMel
from msdae.audio.windows import Source, batched, cut, parts, starts
from msdae.codecs.base import Codec
from msdae.data import order, perturb
from msdae.data.cache import Batch
from msdae.data.draws import Draws
from msdae.errors import UserError, printable
from msdae.limits import COUNT, SHORTEST_SOUND, Range, Share
from msdae.progress import Progress, silent

QUIET = 1e-3  # share of the power of the loudest excerpt, below which one is left out
SILENT = 1e-4  # peak of recordings in which nothing can be heard
LONG_ENOUGH = 4  # clips that a recording lasts at least for its end to be held out
PIECES = 48  # places that excerpts are taken from
PARTS = 16  # of a clip, in which silence is looked for
FADE = 256  # samples; at both ends of a piece that is repeated
TOGETHER = 8  # excerpts that are encoded at once
Stretch = tuple[int, int, int]  # number of a source; where the stretch starts and ends in it, samples


@dataclass(frozen=True)
class ExcerptConfig:
    """Which excerpts are made.

    excerpts: how many. semitones: of transposition at most, either way.
    formants: share of the excerpts that are transposed with their spectral envelope left in place.
    held_out: share of what can be heard of each recording, its end, from which the held-out excerpts come;
        a short one has none.
    """

    excerpts: Annotated[int, COUNT] = 96
    semitones: Annotated[float, Range(0, 24, reason="no instrument sounds the same so far away")] = 5.0
    formants: Share = 0.5
    held_out: Annotated[float, Range(0, 0.5)] = 0.2

    def __post_init__(self):
        limits.check(self)


class Excerpts:
    """Excerpts of one clip each, from which the batches of a training are drawn.

    z: latents (excerpts, channels, frames).
    mel: log-mels (excerpts, bands, mel frames). gain: the gain of log-mels.
    timbre: log-mels of excerpts that are not transposed, (any, bands, mel frames). Level 1 reads one of
        these, as in a swap; levels 2 and 3 read the excerpt itself, bent by `perturb.recolour`.
    seconds: how much can be heard of the recordings that they were taken from.
    """

    def __init__(self, z: torch.Tensor, mel: torch.Tensor, gain: float, timbre: torch.Tensor, seconds: float):
        self.z, self.mel, self.gain, self.timbre, self.seconds = z, mel, gain, timbre, seconds

    @property
    def key(self) -> str:
        """Hash of the excerpts."""
        return hashlib.sha256(self.z.numpy().tobytes()).hexdigest()

    def batches(
        self, batch_size: int, seed: int = 0, start: int = 0, rank: int = 0, world: int = 1
    ) -> Iterator[Batch]:
        """Endless batches from step `start`; excerpts and bends depend on seed, step and place alone."""
        places = order.positions(0, batch_size, rank, world)
        for step, _ in enumerate(repeat(None), start):
            yield self._batch(Draws((seed, step), batch_size, slice(places.start, places.stop)))

    def _batch(self, draws: Draws) -> Batch:
        choices = draws.uniform(2)
        indices, others = (
            (choices[:, number] * len(options)).long().clamp(max=len(options) - 1)
            for number, options in enumerate((self.z, self.timbre))
        )
        mel = self.mel[indices].float()
        content = perturb.recolour(mel, draws, self.gain)
        same, unknown = torch.zeros(len(indices), dtype=torch.long), torch.full((len(indices), 1), -1)
        names = [f"excerpt {index}" for index in indices.tolist()]
        timbre = self.timbre[others].float()
        return Batch(self.z[indices], mel, timbre, content, same, same, unknown, names, indices.tolist())


def excerpts(
    sources: Sequence[Source],
    codec: Codec,
    log_mel: LogMel,
    config: ExcerptConfig,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[Excerpts, Excerpts | None]:
    """Excerpts of recordings at the codec's rate: transposed ones to learn from, and those of the ends that
    are held out, if there are any.

    Recordings of any length are read twice, block by block; nothing is taken from silence.

    Raises:
        UserError: the recordings are silent or shorter than `SHORTEST_SOUND`; as their `blocks`.
    """
    names = printable(", ".join(str(getattr(source, "path", "the recording")) for source in sources))
    if sum(source.samples for source in sources) < SHORTEST_SOUND * codec.sample_rate:
        raise UserError(f"{names}: shorter than {SHORTEST_SOUND} s; give one note of the sound at least")
    rng, ratio = np.random.default_rng([seed, 2]), 2 ** (config.semitones / 12)
    room = math.ceil(codec.clip_samples * ratio) + 1
    pieces, held_out, heard = _pieces(sources, room, codec.clip_samples, config.held_out)
    if not pieces:
        raise UserError(f"{names}: nothing can be heard there; give a recording of the sound to learn")

    def mels(waveforms: list[torch.Tensor]) -> torch.Tensor:
        return log_mel(torch.stack(waveforms).to(log_mel.window.device)).half().cpu()

    def encoded(waveforms: Iterator[torch.Tensor]) -> Excerpts:
        z, mel = [], []
        for group in batched(waveforms, TOGETHER):
            z.append(codec.encode(torch.stack(group).to(log_mel.window.device)).cpu())
            mel.append(mels(group))
            bar.update(len(group))
        seconds = heard / codec.sample_rate
        return Excerpts(torch.cat(z), torch.cat(mel), log_mel.config.gain, timbre, seconds)

    def clips(waveforms: list[torch.Tensor]) -> Iterator[torch.Tensor]:
        return (_looped(piece, codec.clip_samples)[: codec.clip_samples] for piece in waveforms)

    total = config.excerpts + len(held_out)
    with torch.no_grad(), progress(total=total, desc="excerpts", unit="excerpt") as bar:
        timbre = torch.cat([mels(group) for group in batched(clips(pieces), TOGETHER)])
        transposed = (
            _excerpt(pieces[index % len(pieces)], codec, config, rng) for index in range(config.excerpts)
        )
        return encoded(transposed), encoded(clips(held_out)) if held_out else None


def _pieces(
    sources: Sequence[Source], room: int, clip: int, share: float
) -> tuple[list[torch.Tensor], list[torch.Tensor], int]:
    """Audible pieces of at most `room` samples, and held-out ones of at most `clip`, about `PIECES` in all;
    and how many samples can be heard."""
    stretches, loudest = _audible(sources, clip)
    heard = sum(end - start for _, start, end in stretches)
    stretches = _thinned(stretches)
    stride = max(clip // 2, sum(end - start for _, start, end in stretches) // PIECES)
    pieces: tuple[list[torch.Tensor], list[torch.Tensor]] = ([], [])
    for number, group in groupby(stretches, key=lambda stretch: stretch[0]):
        own = [(start, end) for _, start, end in group]
        windows = sorted(
            (start + first, min(size, end - start - first), held)
            for held, (size, part) in enumerate(zip((room, clip), _split(own, clip, share), strict=True))
            for start, end in part
            for first in starts(end - start, size, stride)
        )
        cuts = cut(sources[number].blocks(), [window[0] for window in windows], max(room, clip))
        for (_, samples, held), piece in zip(windows, cuts, strict=True):
            if _power(piece[:samples]) > QUIET * loudest:
                pieces[held].append(piece[:samples].clone())
    learnt, held_out = pieces
    return (learnt, held_out, heard) if learnt else (held_out, [], heard)


def _audible(sources: Sequence[Source], clip: int) -> tuple[list[Stretch], float]:
    """The stretches of the sources without silences as long as a clip, and the power of the loudest clip.

    Shorter rests belong to the music.
    """
    part = max(1, clip // PARTS)
    powers, peaks = zip(*(_measured(source, part) for source in sources), strict=True)
    if max(peaks) < SILENT:
        return [], 0.0
    loudest = max(float(F.avg_pool1d(p[None], min(PARTS, len(p)), 1).max()) for p in powers)
    stretches = []
    for number, (source, power) in enumerate(zip(sources, powers, strict=True)):
        quiet = np.concatenate([[False], (power <= QUIET * loudest).numpy(), [False]])
        begin = 0
        for first, last in np.flatnonzero(quiet[1:] != quiet[:-1]).reshape(-1, 2).tolist():
            if last - first >= min(PARTS, len(power)):
                stretches.append((number, begin * part, first * part))
                begin = last
        stretches.append((number, begin * part, source.samples))
    return [stretch for stretch in stretches if stretch[1] < stretch[2]], loudest


def _measured(source: Source, size: int) -> tuple[torch.Tensor, float]:
    """The powers of the source's parts of `size` samples, (parts,), and its peak."""
    powers: list[float] = []  # no tensors: between the blocks they would keep the memory in pieces
    peak = 0.0
    for part in parts(source, size):
        peak = max(peak, float(part.abs().max()))
        powers.append(_power(part))
    return torch.tensor(powers), peak


def _thinned(stretches: list[Stretch]) -> list[Stretch]:
    """At most `PIECES` of the stretches, evenly spread over what can be heard."""
    if len(stretches) <= PIECES:
        return stretches
    ends = np.cumsum([end - start for _, start, end in stretches])
    places = (np.arange(PIECES) + 0.5) * ends[-1] / PIECES
    return [stretches[index] for index in np.unique(np.searchsorted(ends, places))]


def _split(stretches: Sequence[tuple[int, int]], clip: int, share: float) -> tuple[list, list]:
    """The stretches (start, end) of one recording to learn from, and the last share of them, held out."""
    samples = sum(end - start for start, end in stretches)
    left = round(share * samples) if samples >= LONG_ENOUGH * clip else 0
    learnt, held_out, least = [], [], clip // PARTS
    for start, end in reversed(stretches):
        place = max(start, end - left)
        if end - place < least:  # less than a part is too short to be a piece
            place = end
        elif place - start < least:
            place = start
        left = max(0, left - (end - place))
        learnt += [(start, place)] if start < place else []
        held_out += [(place, end)] if place < end else []
    return learnt, held_out


def _power(waveform: torch.Tensor) -> float:
    return float(waveform.square().mean())


def _excerpt(
    piece: torch.Tensor, codec: Codec, config: ExcerptConfig, rng: np.random.Generator
) -> torch.Tensor:
    """A clip of the piece, transposed at random, (samples,)."""
    semitones, place, choice = rng.uniform(-config.semitones, config.semitones), rng.random(), rng.random()
    rate = round(codec.sample_rate * 2 ** (semitones / 12))
    samples = codec.clip_samples * rate // codec.sample_rate + 1
    waveform = _looped(piece, samples)
    start = int(place * (len(waveform) - samples + 1))
    part = waveform[start : start + samples]
    part = torch.cat(list(resample.resample([part], rate, codec.sample_rate)))
    part = F.pad(part, (0, 1))[: codec.clip_samples]
    return formants.kept(part, rate / codec.sample_rate) if choice < config.formants else part


def _looped(waveform: torch.Tensor, samples: int) -> torch.Tensor:
    """The waveform, repeated without clicks until it has at least `samples` samples."""
    if len(waveform) >= samples:
        return waveform
    index = torch.arange(len(waveform))
    ramp = (torch.minimum(index, index.flip(0)) / FADE).clamp(max=1)
    return (waveform * ramp).repeat(-(-samples // len(waveform)))

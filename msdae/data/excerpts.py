"""Excerpts of a few recordings of one sound, transposed: what the sound is learnt from."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F

from msdae import limits
from msdae.audio import resample
from msdae.audio.mel import LogMel
from msdae.audio.windows import Source, batched, cut, starts
from msdae.codecs.base import Codec
from msdae.data import order, perturb
from msdae.data.cache import Batch
from msdae.data.draws import Draws
from msdae.errors import UserError, printable
from msdae.limits import COUNT, SHARE, SHORTEST_SOUND, Range
from msdae.progress import Progress, silent

QUIET = 1e-4  # of the power of the loudest excerpt: below, one is left out
SILENT = 1e-4  # peak of recordings in which nothing can be heard
HELD_OUT = 4  # clips that a recording lasts at least where its end is held out
PIECES = 48  # places that excerpts are taken from
FADE = 256  # samples; at both ends of a piece that is repeated
TOGETHER = 8  # excerpts that are encoded at once
ENVELOPE_FFT, ENVELOPE = 2048, 41  # samples; bins over which a spectral envelope is smooth


@dataclass(frozen=True)
class ExcerptConfig:
    """Which excerpts are made.

    excerpts: how many. semitones: of transposition at most, either way.
    formants: share of the excerpts that are transposed with their spectral envelope left in place.
    held_out: share of each recording, its end, from which the held-out excerpts come; a short one has none.
    """

    excerpts: Annotated[int, COUNT] = 96
    semitones: Annotated[float, Range(0, 24, reason="no instrument sounds the same so far away")] = 5.0
    formants: Annotated[float, SHARE] = 0.5
    held_out: Annotated[float, Range(0, 0.5)] = 0.2

    def __post_init__(self):
        limits.check(self)


class Excerpts:
    """Excerpts of one clip each, from which the batches of a training are drawn.

    z: latents (excerpts, channels, frames). mel: x3 (excerpts, bands, mel frames); gain: of it.
    timbre: x3 of excerpts that are not transposed, (any, bands, mel frames).
    Level 1 reads one of these, as in a swap; levels 2 and 3 read the excerpt bent by `perturb.recolour`.
    """

    def __init__(self, z: torch.Tensor, mel: torch.Tensor, gain: float, timbre: torch.Tensor):
        self.z, self.mel, self.gain, self.timbre = z, mel, gain, timbre

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
        content = perturb.recolour(mel, draws, strength=1.0, gain=self.gain)
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

    Recordings of any length are read once, block by block; of silence nothing is taken.

    Raises:
        UserError: the recordings are silent or shorter than `SHORTEST_SOUND`; as their `blocks`.
    """
    names = printable(", ".join(str(getattr(source, "path", "the recording")) for source in sources))
    if sum(source.samples for source in sources) < SHORTEST_SOUND * codec.sample_rate:
        raise UserError(f"{names}: shorter than {SHORTEST_SOUND} s; give one note of the sound at least")
    rng, ratio = np.random.default_rng([seed, 2]), 2 ** (config.semitones / 12)
    room = math.ceil(codec.clip_samples * ratio) + 1
    pieces, held_out = _pieces(sources, room, codec.clip_samples, config.held_out)
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
        return Excerpts(torch.cat(z), torch.cat(mel), log_mel.config.gain, timbre)

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
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Audible pieces of at most `room` samples, held-out ones of at most `clip`; about `PIECES` in all."""
    sources = sources[:: -(-len(sources) // PIECES) or 1]
    total = sum(source.samples for source in sources)
    stride = max(clip // 2, total // PIECES)
    pieces: list[torch.Tensor] = []
    held_out: list[torch.Tensor] = []
    for source in sources:
        end = source.samples
        if source.samples >= HELD_OUT * clip:
            end -= round(share * source.samples)
        first = starts(end, room, stride)
        last = [end + start for start in starts(source.samples - end, clip, stride)]
        for start, piece in zip(
            [*first, *last], cut(source.blocks(), [*first, *last], max(room, clip)), strict=True
        ):
            kept = piece[: min(room, end - start)] if start < end else piece[:clip]
            if len(kept):
                (pieces if start < end else held_out).append(kept.clone())
    if max((piece.abs().max() for piece in pieces), default=0) < SILENT:
        return [], []
    loudest = max(_power(piece) for piece in pieces)
    audible = [[p for p in group if _power(p) > QUIET * loudest] for group in (pieces, held_out)]
    return audible[0], audible[1]


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
    return _formants_kept(part, rate / codec.sample_rate) if choice < config.formants else part


def _looped(waveform: torch.Tensor, samples: int) -> torch.Tensor:
    """The waveform, where it is shorter than `samples` repeated until it is not, without clicks."""
    if len(waveform) >= samples:
        return waveform
    index = torch.arange(len(waveform))
    ramp = (torch.minimum(index, index.flip(0)) / FADE).clamp(max=1)
    return (waveform * ramp).repeat(-(-samples // len(waveform)))


def _formants_kept(waveform: torch.Tensor, ratio: float) -> torch.Tensor:
    """A waveform whose pitches were raised by `ratio`, with the spectral envelope that it had before."""
    window = torch.hann_window(ENVELOPE_FFT)
    spectrum = torch.stft(waveform, ENVELOPE_FFT, window=window, return_complex=True)
    level = spectrum.abs().square().mean(dim=1).add(1e-10).log()
    smooth = F.avg_pool1d(F.pad(level[None], (ENVELOPE // 2, ENVELOPE // 2), mode="replicate"), ENVELOPE, 1)[
        0
    ]
    bins = np.arange(len(smooth))
    before = torch.from_numpy(np.interp(bins * ratio, bins, smooth.numpy())).float()
    gain = ((before - smooth) / 2).clamp(-2.5, 2.5).exp()
    return torch.istft(spectrum * gain[:, None], ENVELOPE_FFT, window=window, length=len(waveform))

"""Codecs compared on SwapBench's recordings: how well a round trip preserves notes, timbre and spectrum."""

import functools
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F

from msdae.audio.files import SAMPLE_RATE
from msdae.audio.resample import resampled
from msdae.codecs import Codec
from msdae.codecs import pca as spectral
from msdae.errors import UserError
from msdae.evaluation import opus
from msdae.evaluation.metrics import embeddings, mfcc
from msdae.evaluation.metrics.distance import log_mel_distance, si_sdr
from msdae.evaluation.metrics.frechet import fad
from msdae.evaluation.metrics.kernel import kad
from msdae.evaluation.swapbench import real, tables
from msdae.evaluation.swapbench.cases import Case, counts, plan
from msdae.evaluation.swapbench.real import Library
from msdae.evaluation.swapbench.run import batches
from msdae.evaluation.swapbench.scores import melody_and_timbre
from msdae.evaluation.swapbench.sounds import play
from msdae.evaluation.tables import EMPTY, Cell, Table, Value, counted, mean_cell
from msdae.progress import Progress, silent

logger = logging.getLogger(__name__)
ORIGINAL, UNCODED = RESERVED = "original", "mel + Griffin-Lim"  # rows whose names no codec may have
UNSEEN = "unseen"
NOTE_F1, TOP1, LOG_MEL = "note F1 ↑", "timbre top-1 ↑", "log-mel dB ↓"
F1_SHARE, TOP1_SHARE, MFCC = "share of note F1 ↑", "share of top-1 ↑", "MFCC cosine ↑"
HEADER = ("codec", NOTE_F1, F1_SHARE, TOP1, TOP1_SHARE, MFCC, LOG_MEL, "SI-SDR dB ↑", "FAD ↓", "KAD ↓")
YARDSTICKS = (16, 32)  # bit rates of the Opus rows, in kbit/s
ONE_LINE, CHORDS = "monophonic melodies", "melodies of two voices and more"
GROUPS = {ONE_LINE: ("monophonic",), CHORDS: ("two voices", "polyphonic")}  # {group: textures}
FEWEST = 2  # recordings that KAD, and so a table, needs
SPEED_SECONDS = 30  # length of the sound on which speed is measured
RoundTrip = Callable[[torch.Tensor], torch.Tensor]


@dataclass
class Remains:
    """How well one round trip preserved the recordings of a group.

    rows: for each recording, its note F1, timbre top-1, MFCC cosine, log-mel distance and SI-SDR.
    points: for each batch, the embeddings of its recordings, (batch, dim).
    """

    rows: list[tuple[float, ...]] = field(default_factory=list)
    points: list[np.ndarray] = field(default_factory=list)


def compare(
    codecs: Mapping[str, Codec],
    cases: int = 200,
    seed: int = 0,
    split: str = "test",
    command: str = "",
    progress: Progress = silent,
    library: Library | None = None,
) -> list[Table]:
    """A table for each pair of a split (`split` and "unseen") and a group of `GROUPS`; one of speed and size.

    codecs: {name of the row: codec}.
    cases: about how many SwapBench cases are drawn; the truths of their melodies are what is coded.
    split: if it is "unseen" or "real", it is the only split.
    library: as in `sounds.play`.

    Raises:
        UserError: too few cases, or as `plan`.
    """
    trips: dict[str, RoundTrip] = {ORIGINAL: lambda x: x}
    if (pca := next((c for c in codecs.values() if isinstance(c, spectral.SpectralCodec)), None)) is not None:
        trips[UNCODED] = _at_rate(
            pca.sample_rate, lambda x: pca.vocode(torch.cat(list(pca.blocks(x)), dim=1))
        )
    if opus.is_here():
        for rate in YARDSTICKS:
            trips[f"Opus, {rate} kbit/s"] = functools.partial(
                opus.round_trip, sample_rate=SAMPLE_RATE, kilobits=rate
            )
    else:
        logger.info("no rows of Opus: libsndfile here cannot write it")
    for name, codec in codecs.items():
        trips[name] = _at_rate(codec.sample_rate, lambda x, codec=codec: codec.decode(codec.encode(x)))
    splits = (split,) if split in (UNSEEN, real.SPLIT) else (split, UNSEEN)
    drawn = {
        f"{name} split, {group}": plan(name, seed, {texture: sizes[texture] for texture in textures})
        for name, sizes in counts(splits, cases).items()
        for group, textures in GROUPS.items()
    }
    if min(map(len, drawn.values())) < FEWEST:
        raise UserError(
            f"--cases {cases}: leaves a table with one recording, too few for KAD; give 20 or more"
        )
    quality = [_quality(title, trips, some, command, progress, library) for title, some in drawn.items()]
    return [*quality, _costs(codecs, command)]


def _at_rate(rate: int, trip: RoundTrip) -> RoundTrip:
    """A round trip of SwapBench's recordings, (batch, samples), through `trip`, which works at `rate` Hz."""

    def there_and_back(sounds: torch.Tensor) -> torch.Tensor:
        there = torch.stack([resampled(sound, SAMPLE_RATE, rate) for sound in sounds])
        back = torch.stack([resampled(sound, rate, SAMPLE_RATE) for sound in trip(there)])
        return F.pad(back, (0, max(0, sounds.shape[1] - back.shape[1])))

    return there_and_back


def _quality(
    title: str,
    trips: Mapping[str, RoundTrip],
    cases: Sequence[Case],
    command: str,
    progress: Progress,
    library: Library | None,
) -> Table:
    remains = _remains(title, trips, cases, progress, library)
    original = np.concatenate(remains[ORIGINAL].points)
    untouched = np.array(remains[ORIGINAL].rows)
    pieces = [case.melody.piece for case in cases]
    rows = []
    with tables.Remarks() as remarks:
        for name, remain in remains.items():
            f1, top1, *others = np.array(remain.rows).T
            shares = (_share(values, untouched[:, place]) for place, values in enumerate((f1, top1)))
            pairs = zip((f1, top1), shares, strict=True)
            cells = [cell for values, share in pairs for cell in (mean_cell(values, pieces), share)]
            points = np.concatenate(remain.points)
            distances = Value(fad(original, points)), Value(kad(original, points, paired=True), digits=2)
            rows.append((name, *cells, *(mean_cell(values, pieces) for values in others), *distances))
    note = (
        f"{counted(len(cases), 'recording')} of 3 s. Means with bootstrap 95 % intervals over pieces; note "
        "F1 against the score, onsets within 50 ms; shares of what the untouched recordings reach; FAD and "
        f"KAD of msdae's own embedding; in KAD no recording is compared with its own round trip.{remarks}"
    )
    return Table(f"Codecs: {title}", HEADER, tuple(rows), note, command)


def _remains(
    title: str,
    trips: Mapping[str, RoundTrip],
    cases: Sequence[Case],
    progress: Progress,
    library: Library | None,
) -> dict[str, Remains]:
    embedding = embeddings.load()
    remains = {name: Remains() for name in trips}
    for some in progress(list(batches(cases)), desc=title, unit="batch"):
        truth = torch.stack([play(case.truth, library) for case in some])
        for name, trip in trips.items():
            with torch.no_grad():
                waveforms = trip(truth)[:, : truth.shape[1]]
            notes = melody_and_timbre(some, waveforms, library)
            for (f1, top1, _), before, after in zip(notes, truth, waveforms, strict=True):
                alike = mfcc.similarity(after, before, SAMPLE_RATE)
                distance = log_mel_distance(before, after, SAMPLE_RATE)
                remains[name].rows.append((f1, top1, alike, distance, si_sdr(before, after)))
            remains[name].points.append(embedding.embed(waveforms, SAMPLE_RATE).numpy())
    return remains


def _share(values: np.ndarray, untouched: np.ndarray) -> Cell:
    return Value(values.mean() / untouched.mean(), digits=2) if untouched.any() else EMPTY


def _costs(codecs: Mapping[str, Codec], command: str) -> Table:
    seconds = {name: [math.inf, math.inf] for name in codecs}
    for _ in range(3):  # codecs take turns, so that other load on the machine slows all of them
        for name, codec in codecs.items():
            rng = torch.Generator().manual_seed(0)
            waveform = 0.1 * torch.randn(1, SPEED_SECONDS * codec.sample_rate, generator=rng)
            latents, encoding = _timed(codec.encode, waveform)
            _, decoding = _timed(codec.decode, latents)
            seconds[name] = [*map(min, seconds[name], (encoding, decoding))]
    rows = []
    for name, codec in codecs.items():
        size = 2e-6 * sum(tensor.numel() for tensor in codec.state_dict().values())
        speed = (Value(SPEED_SECONDS / best, digits=0) for best in seconds[name])
        rows.append((name, *speed, Value(size, digits=1)))
    note = f"{torch.get_num_threads()} threads; the best of three runs over {SPEED_SECONDS} s of sound."
    header = ("codec", "encoding, times real time ↑", "decoding, times real time ↑", "MB at half precision ↓")
    return Table("Codecs: speed and size", header, tuple(rows), note, command)


def _timed(work: Callable[[torch.Tensor], torch.Tensor], tensor: torch.Tensor) -> tuple[torch.Tensor, float]:
    """The result of `work(tensor)` and the seconds it took."""
    start = time.perf_counter()
    return work(tensor), time.perf_counter() - start

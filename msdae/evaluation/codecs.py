"""Codecs side by side on SwapBench's recordings: what a round trip leaves of notes, timbre and spectrum."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from tqdm import tqdm

from msdae.audio.files import SAMPLE_RATE
from msdae.codecs import Codec
from msdae.codecs import pca as spectral
from msdae.evaluation.metrics import embeddings
from msdae.evaluation.metrics.bootstrap import interval
from msdae.evaluation.metrics.distance import log_mel_distance, si_sdr
from msdae.evaluation.metrics.frechet import fad
from msdae.evaluation.metrics.kernel import kad
from msdae.evaluation.swapbench import tables
from msdae.evaluation.swapbench.cases import Case, counts, plan
from msdae.evaluation.swapbench.run import batches
from msdae.evaluation.swapbench.scores import melody_and_timbre
from msdae.evaluation.swapbench.sounds import play
from msdae.evaluation.tables import Table

ORIGINAL, UNCODED = "original", "mel + Griffin-Lim"
UNSEEN = "unseen"
GROUPS = {group: textures for group, textures in tables.GROUPS.items() if group != "notes"}
HEADER = ("codec", "note F1 ↑", "timbre top-1 ↑", "log-mel dB ↓", "SI-SDR dB ↑", "FAD ↓", "KAD ↓")
RoundTrip = Callable[[torch.Tensor], torch.Tensor]


@dataclass
class Heard:
    """What one round trip left of the recordings of a group, a row each."""

    rows: list[tuple[float, ...]] = field(default_factory=list)
    points: list[np.ndarray] = field(default_factory=list)


def compare(
    codecs: Mapping[str, Codec], cases: int = 200, seed: int = 0, split: str = "test", command: str = ""
) -> list[Table]:
    """A table for each of `GROUPS` and of `split` and "unseen", and one of speed and size.

    codecs: by the name of their rows. cases: of SwapBench, whose melodies' right answers are what is coded.
    """
    trips: dict[str, RoundTrip] = {ORIGINAL: lambda x: x}
    if (pca := next((c for c in codecs.values() if isinstance(c, spectral.SpectralCodec)), None)) is not None:
        trips[UNCODED] = lambda x: pca.vocode(torch.cat(list(pca.blocks(x)), dim=1))
    trips |= {name: lambda x, codec=codec: codec.decode(codec.encode(x)) for name, codec in codecs.items()}
    found = []
    for own, shares in counts((split, UNSEEN), cases).items():
        for group, textures in GROUPS.items():
            drawn = plan(own, seed, {texture: shares[texture] for texture in textures})
            found.append(_quality(f"{own} split, {group}", trips, drawn, command))
    return [*found, _costs(codecs, command)]


def _quality(title: str, trips: Mapping[str, RoundTrip], cases: Sequence[Case], command: str) -> Table:
    embedding = embeddings.load()
    heard = {name: Heard() for name in trips}
    for chosen in tqdm(list(batches(cases)), desc=title, unit="batch"):
        truth = torch.stack([play(case.truth) for case in chosen])
        for name, trip in trips.items():
            with torch.no_grad():
                waveforms = trip(truth)[:, : truth.shape[1]]
            notes = melody_and_timbre(chosen, waveforms)
            for (f1, top1, _), before, after in zip(notes, truth, waveforms, strict=True):
                distance = log_mel_distance(before, after, SAMPLE_RATE)
                heard[name].rows.append((f1, top1, distance, si_sdr(before, after)))
            heard[name].points.append(embedding.embed(waveforms, SAMPLE_RATE).numpy())
    original = np.concatenate(heard[ORIGINAL].points)
    pieces = [case.melody.piece for case in cases]
    rows = []
    for name, own in heard.items():
        cells = [_cell(values, pieces) for values in np.array(own.rows).T]
        points = np.concatenate(own.points)
        rows.append((name, *cells, f"{fad(original, points):.3f}", f"{kad(original, points):.2f}"))
    note = (
        f"{len(cases)} recordings of 3 s. Means with bootstrap 95 % intervals over pieces; note F1 against "
        "the score, onsets within 50 ms; FAD and KAD of msdae's own embedding, biased for so few recordings."
    )
    return Table(f"Codecs: {title}", HEADER, tuple(rows), note, command)


def _cell(values: np.ndarray, pieces: Sequence[str]) -> str:
    if not np.isfinite(values).all():
        return "-"
    low, high = interval(values, pieces)
    return f"{values.mean():.2f} [{low:.2f}, {high:.2f}]"


def _costs(codecs: Mapping[str, Codec], command: str) -> Table:
    seconds = 30
    rng = torch.Generator().manual_seed(0)
    waveform = 0.1 * torch.randn(1, seconds * SAMPLE_RATE, generator=rng)
    rows = []
    for name, codec in codecs.items():
        latents, encoding = _timed(codec.encode, waveform)
        _, decoding = _timed(codec.decode, latents)
        size = 2e-6 * sum(tensor.numel() for tensor in codec.state_dict().values())
        rows.append((name, f"{seconds / encoding:.0f}", f"{seconds / decoding:.0f}", f"{size:.1f}"))
    note = f"{torch.get_num_threads()} threads; the best of three runs over {seconds} s of sound."
    header = ("codec", "encoding, times real time ↑", "decoding, times real time ↑", "MB at half precision ↓")
    return Table("Codecs: speed and size", header, tuple(rows), note, command)


def _timed(work: Callable[[torch.Tensor], torch.Tensor], given: torch.Tensor) -> tuple[torch.Tensor, float]:
    """What `work` makes of `given`, and the seconds it takes."""
    times = []
    for _ in range(3):
        started = time.perf_counter()
        made = work(given)
        times.append(time.perf_counter() - started)
    return made, min(times)

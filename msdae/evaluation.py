"""What a model keeps of held-out clips when it takes them apart and puts them together again."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from tqdm import tqdm

from msdae import codecs, samplers
from msdae.data import ClipCache
from msdae.errors import UserError
from msdae.metrics.bootstrap import interval
from msdae.metrics.distance import log_mel_distance
from msdae.metrics.melody import note_f1, transcribe
from msdae.models import Autoencoder
from msdae.training import Draws

BATCH = 16


@dataclass(frozen=True)
class Score:
    """Mean of a metric over clips, with its bootstrap 95 % interval."""

    row: str
    metric: str
    mean: float
    low: float
    high: float
    clips: int


def reconstruction(
    models: dict[str, Autoencoder], cache: ClipCache, clips: int, device: torch.device, seed: int = 0
) -> list[Score]:
    """Rows "original", "codec" and one a model, on `clips` melody clips spread over the pieces of `cache`.

    Metrics: note F1 of Basic Pitch's transcription against the notes that were played, the same against the
    transcription of the original (which takes the transcriber's own errors out), and the multi-resolution
    log-mel distance to the original in dB.

    Raises:
        UserError: the cache was made with another codec than a model's, or has no clips with notes.
    """
    codec = codecs.load(cache.manifest["codec"]["name"], str(device))
    for name, model in models.items():
        try:
            cache.require(model.config.codec, model.config.mel)
        except UserError as error:
            raise UserError(f"{name}: cannot be scored on this data: {error}") from error
    indices = _melodies(cache, clips)
    rows: dict[str, Callable[[list[int]], torch.Tensor]] = {
        "original": lambda part: torch.stack([cache.waveform(index) for index in part]),
        "codec": lambda part: codec.decode(cache.batch(part).z.to(device)).cpu(),
    }
    for name, model in models.items():
        rows[name] = lambda part, model=model: _reconstructed(model.to(device), codec, cache, part, seed)
    groups = [cache.clips[index]["piece"] for index in indices]
    references: list[tuple[torch.Tensor, np.ndarray]] = []
    scores = []
    for row, render in rows.items():
        values: dict[str, list[float]] = {"F1 of played notes": [], "F1 of heard notes": [], "log-mel dB": []}
        waveforms = _waveforms(render, indices, row)
        for place, (index, waveform) in enumerate(zip(indices, waveforms, strict=True)):
            heard = transcribe(waveform, codec.sample_rate)
            if row == "original":
                references.append((waveform, heard))
            original, heard_there = references[place]
            played = np.array([note[:3] for note in cache.clips[index]["notes"]])
            values["F1 of played notes"].append(note_f1(played, heard))
            values["F1 of heard notes"].append(note_f1(heard_there, heard))
            values["log-mel dB"].append(log_mel_distance(original, waveform, codec.sample_rate))
        for metric, found in values.items():
            low, high = interval(np.array(found), groups)
            scores.append(Score(row, metric, float(np.mean(found)), low, high, len(found)))
    return scores


def _melodies(cache: ClipCache, clips: int) -> list[int]:
    """At most `clips` melody clips with known notes, evenly spread over the cache."""
    melodies = [i for i, clip in enumerate(cache.clips) if clip["dataset"] == "slakh" and clip.get("notes")]
    if not melodies:
        raise UserError(f"{cache.path}: has no melody clips with notes")
    chosen = np.linspace(0, len(melodies) - 1, min(clips, len(melodies))).round().astype(int)
    return [melodies[place] for place in chosen]


def _waveforms(render: Callable, indices: list[int], row: str) -> Iterator[torch.Tensor]:
    with tqdm(total=len(indices), desc=row, unit="clip", leave=False) as bar:
        for start in range(0, len(indices), BATCH):
            for waveform in render(indices[start : start + BATCH]):
                yield waveform
                bar.update()


@torch.no_grad()
def _reconstructed(
    model: Autoencoder, codec: codecs.Codec, cache: ClipCache, part: list[int], seed: int
) -> torch.Tensor:
    batch, device = cache.batch(part), model.latent_mean.device
    codes = model.encode(batch.z.to(device), batch.mel.to(device))
    draws = [Draws.of((seed, index), 1, tuple(batch.z.shape[1:]), 1, 0.0).noise for index in part]
    z = samplers.sample(model.denoiser(codes), torch.cat(draws).to(device))
    return codec.decode(z).cpu()

"""The sounds that are measured: excerpts of recordings, and samples of priors."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch

from msdae.data.sources import ClipLength, SourceFile
from msdae.errors import UserError
from msdae.inference.audible import AUDIBLE
from msdae.inference.generation import Generator
from msdae.inference.mels import MelGenerator
from msdae.inference.pieces import sound
from msdae.inference.pipeline import Pipeline

PEAK = 0.5  # of every sample
TOGETHER = 16  # pieces drawn at once
Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class Samples:
    """The sounds of one system.

    waveforms: (samples, any), with the peak `PEAK`.
    speed: seconds of music that the system made per second; 0 if it made none.
    labels: what is known of each sample; empty if nothing is.
    """

    name: str
    waveforms: torch.Tensor
    speed: float = 0.0
    labels: Sequence[dict[str, Any]] = field(default_factory=list)


def excerpts(
    name: str, files: Sequence[SourceFile], seconds: float, rate: int, most: int, clip: ClipLength
) -> Samples:
    """At most `most` excerpts, taken evenly from all recordings; silent ones are left out.

    seconds: of an excerpt. rate: sample rate in Hz. clip: length of the clips that `files` are counted in.

    Raises:
        UserError: the recordings hold fewer than two.
    """
    size, chosen = round(seconds * rate), _evenly(files, most)
    found = []
    for file in chosen:
        parts = [part for part in sound(file, clip, rate).split(size) if len(part) == size]
        parts = [part for part in parts if part.abs().max() > AUDIBLE]
        # Copies, because a view of a part would keep the whole recording in memory.
        found += [(part.clone(), file.labels) for part in _evenly(parts, -(-most // len(chosen)))]
    if len(found) < 2:
        raise UserError(f"fewer than two excerpts of {seconds:g} s in the recordings; give longer ones")
    found = _evenly(found, most)
    waveforms = levelled(torch.stack([part for part, _ in found]))
    return Samples(name, waveforms, 0.0, [labels for _, labels in found])


def _evenly(items: Sequence[Item], most: int) -> list[Item]:
    places = torch.linspace(0, len(items) - 1, min(most, len(items))).round().long().tolist()
    return [items[place] for place in places]


def through_codec(name: str, samples: Samples, pipeline: Pipeline) -> Samples:
    """The samples after a round trip through the model's codec, the best that a system with it can reach."""
    size, codec = samples.waveforms.shape[1], pipeline.codec
    made = [
        codec.decode(codec.encode(w[None].to(pipeline.device)))[0, :size].cpu() for w in samples.waveforms
    ]
    return Samples(name, levelled(torch.stack(made)), 0.0, samples.labels)


def through_model(name: str, samples: Samples, pipeline: Pipeline) -> Samples:
    """The samples rendered from their codes by the model, the best that a prior of codes can reach."""
    began, waveforms = time.perf_counter(), samples.waveforms
    made = torch.stack([pipeline.reconstruct(waveform) for waveform in waveforms])
    speed = waveforms.numel() / pipeline.codec.sample_rate / (time.perf_counter() - began)
    return Samples(name, levelled(made), speed, samples.labels)


def drawn(
    name: str,
    generator: Generator | MelGenerator,
    count: int,
    seconds: float,
    seed: int,
    texts: torch.Tensor | None = None,
    advance: Any = lambda samples: None,
) -> Samples:
    """Draw `count` samples of a prior, of so many seconds each.

    texts: embedding of the text for each sample, (count, dim). advance: is called with the number of samples
    that are done.
    """
    parts, began = [], time.perf_counter()
    for number, places in enumerate(_batches(count)):
        text = None if texts is None else texts[places]
        parts.append(generator.many(len(places), seconds, seed * 1000 + number, text))
        advance(len(places))
    speed = count * seconds / (time.perf_counter() - began)
    return Samples(name, levelled(torch.cat(parts)), speed)


def _batches(count: int) -> Iterator[range]:
    return (range(first, min(count, first + TOGETHER)) for first in range(0, count, TOGETHER))


def levelled(waveforms: torch.Tensor) -> torch.Tensor:
    """Waveforms (samples, any) scaled to the peak `PEAK`; silence stays silent."""
    return PEAK * waveforms / waveforms.abs().amax(dim=1, keepdim=True).clamp_min(1e-6)

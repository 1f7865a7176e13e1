"""Cases from prepared recordings, whose truth nobody knows: the thesis's own way to score transfer."""

import random
from collections.abc import Sequence

import torch

from msdae.audio.files import SAMPLE_RATE
from msdae.data import ClipCache
from msdae.data.labels import KINDS
from msdae.errors import UserError
from msdae.evaluation.swapbench.cases import Case, Performance

SPLIT = "data"
KNOWN = ("notes", "instrument", "piece")  # labels that clips of a pair have


class Pairs:
    """Pairs of clips of one cache: other piece, other instrument, both of known notes.

    Args:
        cache: of its clips those that have `notes`, `instrument` and `piece` are taken.
        count: pairs of each set that the cache has clips of, at most one a clip.
        seed: of the choice.

    Attributes:
        cases: without truth, of the split "data".

    Raises:
        UserError: no two clips make a pair.
    """

    def __init__(self, cache: ClipCache, count: int, seed: int = 0):
        self.cache, self.cases = cache, []
        self._clips: dict[str, tuple[int, int]] = {}
        for kind, label in KINDS.items():
            usable = [
                index
                for index, clip in enumerate(cache.clips)
                if clip.get("kind") == label and all(clip.get(known) for known in KNOWN)
            ]
            rng = random.Random(f"swapbench/pairs/{seed}/{kind}")
            melodies = rng.sample(usable, min(count, len(usable)))
            deck = rng.sample(usable, len(usable))  # of timbre sources; one that is drawn goes below it
            for number, melody in enumerate(melodies):
                timbre = next((i for i in deck if self._differ(i, melody)), None)
                if timbre is None:
                    continue
                deck.remove(timbre)
                deck.append(timbre)
                name = f"{SPLIT}-{kind}-{number:03d}"
                self._clips[name] = timbre, melody
                sources = (self._source(index) for index in self._clips[name])
                self.cases.append(Case(name, kind, "recording", SPLIT, *sources))
        if not self.cases:
            raise UserError(
                f"{cache.path}: has no two clips of known notes of different pieces and "
                "instruments; prepare NSynth or Slakh2100 with prepare_data.py"
            )

    def __call__(self, cases: Sequence[Case]) -> tuple[torch.Tensor, torch.Tensor, None]:
        """Timbre sources and melody sources, (cases, samples) each at 44.1 kHz, and no truth."""
        timbre, melody = zip(*(self._clips[case.id] for case in cases), strict=True)
        return self._waveforms(timbre), self._waveforms(melody), None

    def _waveforms(self, indices: Sequence[int]) -> torch.Tensor:
        return torch.stack([self.cache.waveform(index, SAMPLE_RATE) for index in indices])

    def _differ(self, one: int, other: int) -> bool:
        clips = self.cache.clips[one], self.cache.clips[other]
        return all(clips[0][label] != clips[1][label] for label in ("piece", "instrument")) and (
            clips[0].get("pitch") is None or clips[0]["pitch"] != clips[1]["pitch"]
        )

    def _source(self, index: int) -> Performance:
        clip = self.cache.clips[index]
        notes = tuple(tuple(note) for note in clip["notes"])
        return Performance(clip["instrument"], clip.get("program") or 0, "", clip["piece"], notes)

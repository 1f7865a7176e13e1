"""Cases from prepared recordings, without a known truth: the way in which the thesis scores transfer."""

import random
from collections.abc import Sequence

import torch

from msdae.audio.files import SAMPLE_RATE
from msdae.data import ClipCache
from msdae.data.labels import KINDS
from msdae.errors import UserError
from msdae.evaluation.swapbench.cases import Case, Performance

SPLIT = "data"
KNOWN = ("notes", "instrument", "piece")  # labels that the clips of a pair need


class Pairs:
    """Pairs of clips of one cache, with different pieces and instruments, and notes that are known.

    Args:
        cache: only its clips with the labels `KNOWN` are used.
        count: most pairs of each set; each clip is the melody source of at most one pair.
        seed: of the choice.

    Attributes:
        cases: the pairs as cases of the split "data"; their `truth` has no recording.

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
            deck = rng.sample(usable, len(usable))  # timbre sources; one that is drawn goes to its end
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
        """Timbre sources and melody sources, (cases, samples) each at 44.1 kHz, and None for the truth."""
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

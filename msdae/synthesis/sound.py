"""What plays: voices of SoundFonts, a formula or recorded samples, dry or through effects."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import torch

from msdae.limits import SHARE, check
from msdae.symbolic.instruments import POLYPHONIC, Voice
from msdae.symbolic.notes import Note
from msdae.synthesis import effects, procedural, sampler, soundfont
from msdae.synthesis.effects import EffectsConfig
from msdae.synthesis.procedural import PatchConfig
from msdae.synthesis.sampler import SampledInstrument

RANGE = (36, 96)  # MIDI pitches that a formula plays
DRY = "soundfont "  # beginning of the names of voices without effects: the same name, the same sound
SAMPLES = "samples "  # the same of recorded samples


@dataclass(frozen=True)
class SoundConfig:
    """What sounds are drawn from.

    formulas: share of the sounds that come from formulas, the others are of SoundFonts.
    processed: share of the sounds that go through effects.
    layered: share of the SoundFonts' sounds that are two voices at once.
    patch: what the parameters of formulas are drawn from.
    effects: which effects there are, and what their parameters are drawn from.
    """

    formulas: Annotated[float, SHARE] = 0.25
    processed: Annotated[float, SHARE] = 0.3
    layered: Annotated[float, SHARE] = 0.1
    patch: PatchConfig = field(default_factory=PatchConfig)
    effects: EffectsConfig = field(default_factory=EffectsConfig)

    def __post_init__(self):
        check(self)


@dataclass(frozen=True)
class Sound:
    """What plays: voices of SoundFonts at once, a formula or recorded samples, through effects or dry.

    Attributes:
        name: equal for all that is played by exactly this.
        voices: of SoundFonts; none for a formula and for samples.
        patch: the formula.
        sampled: what recorded samples play.
        seed: of the effects; None for a dry sound.
        effects: what the effects are drawn from.
    """

    name: str
    voices: tuple[Voice, ...] = ()
    patch: procedural.Patch | None = None
    seed: str | None = None
    effects: EffectsConfig = EffectsConfig()
    sampled: SampledInstrument | None = None

    @property
    def low(self) -> int:
        """The lowest MIDI pitch of the sound."""
        if self.sampled is not None:
            return self.sampled.low
        return max((voice.instrument.low for voice in self.voices), default=RANGE[0])

    @property
    def high(self) -> int:
        """The highest MIDI pitch of the sound."""
        if self.sampled is not None:
            return self.sampled.high
        return min((voice.instrument.high for voice in self.voices), default=RANGE[1])

    @property
    def polyphonic(self) -> bool:
        """Whether the sound may play several notes at once."""
        if self.sampled is not None:
            return self.sampled.polyphonic
        return all(voice.instrument.family in POLYPHONIC for voice in self.voices)

    def play(self, notes: Sequence[Note], samples: int) -> np.ndarray:
        """(samples,), float32, at 44.1 kHz; of no particular level."""
        if self.sampled is not None:
            waveform = sampler.render(notes, self.sampled, samples, self.name)
        elif self.patch is not None:
            waveform = procedural.render(notes, self.patch, samples)
        else:
            layers = [
                soundfont.render(notes, voice.soundfont, voice.instrument.program, samples)
                for voice in self.voices
            ]
            waveform = torch.stack(layers).sum(dim=0).numpy()
        return waveform if self.seed is None else effects.process(waveform, notes, self.seed, self.effects)

    @staticmethod
    def draw(
        voices: Sequence[Voice], rng: random.Random, name: str, config: SoundConfig = SoundConfig()
    ) -> "Sound":
        """A formula, or one voice of a family at random; a dry voice is named after itself, others `name`."""
        if rng.random() < config.formulas:
            patch = procedural.Patch.draw(rng, config.patch)
            return Sound(name, (), patch, _seed(name, rng, config), config.effects)
        families = sorted({voice.instrument.family for voice in voices})
        family = rng.choice(families)
        layers = [rng.choice([voice for voice in voices if voice.instrument.family == family])]
        if rng.random() < config.layered:
            layers.append(rng.choice(voices))
        seed = _seed(name, rng, config)
        if seed is None and len(layers) == 1:
            name = voice_name(layers[0])
        return Sound(name, tuple(layers), None, seed, config.effects)

    @staticmethod
    def draw_sampled(
        instruments: Sequence[SampledInstrument],
        rng: random.Random,
        name: str,
        config: SoundConfig = SoundConfig(),
    ) -> "Sound":
        """One of the instruments at random; a dry one is named after its samples, others `name`."""
        instrument = rng.choice(instruments)
        seed = _seed(name, rng, config)
        if seed is None:
            name = f"{SAMPLES}{instrument.fingerprint}"
        return Sound(name, (), None, seed, config.effects, instrument)


def voice_name(voice: Voice) -> str:
    """The name of a dry voice: the same wherever the same bytes of a SoundFont play the same program."""
    return f"{DRY}{soundfont.fingerprint(voice.soundfont)}/{voice.instrument.program}"


def _seed(name: str, rng: random.Random, config: SoundConfig) -> str | None:
    return name if rng.random() < config.processed else None

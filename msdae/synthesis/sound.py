"""Sounds: voices of SoundFonts, recorded samples, formulas or synthesizers, dry or through effects."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

import numpy as np
import soxr

from msdae.config import require_ranges
from msdae.limits import Range, Share, check
from msdae.symbolic.instruments import POLYPHONIC, Voice
from msdae.symbolic.notes import Note
from msdae.synthesis import effects, plugins, procedural, recording, sampler, soundfont
from msdae.synthesis.effects import EffectsConfig
from msdae.synthesis.playing import Player, PlayingConfig
from msdae.synthesis.plugin_presets import Preset
from msdae.synthesis.procedural import PatchConfig
from msdae.synthesis.recording import RecordingConfig
from msdae.synthesis.sampler import SampledInstrument
from msdae.synthesis.soundfont import SAMPLE_RATE, SILENCE

RANGE = (36, 96)  # MIDI pitches of a formula
KEYS = (12, 120)  # lowest and highest key that any sound is played on
# How the names of dry sounds begin; equal names mean equal sounds.
DRY = "soundfont "
SAMPLES = "samples "
PRESET = "preset "


@dataclass(frozen=True)
class SoundConfig:
    """The distributions that sounds are drawn from; a pair is a range (from, to).

    formulas: share of the sounds that are formulas; the others are voices of SoundFonts.
    processed: share of the sounds that go through effects.
    layered: share of the sounds of SoundFonts and samples that are layered with a second voice.
    moved: share with shifted formants and attacks: played on other keys and resampled to the right pitch.
    played: share with the expression of a player, see `PlayingConfig`.
    recorded: share with the traces of a recording, see `RecordingConfig`.
    balance: loudness of the second layer, as a share of the first one's.
    move_semitones: distance of the keys that a moved sound is played on, up or down.
    patch: distributions of the parameters of formulas.
    effects: shares of the effects, and the ranges of their parameters.
    playing: distributions of the habits of players.
    recording: shares of the traces of a recording, and the ranges of their parameters.
    """

    formulas: Share = 0.25
    processed: Share = 0.3
    layered: Share = 0.1
    moved: Share = 0.25
    played: Share = 0.5
    recorded: Share = 0.3
    balance: tuple[Annotated[float, Range(0.01, 1)], ...] = (0.2, 1)
    move_semitones: tuple[Annotated[float, Range(0, 24, reason="two octaves")], ...] = (1, 9)
    patch: PatchConfig = field(default_factory=PatchConfig)
    effects: EffectsConfig = field(default_factory=EffectsConfig)
    playing: PlayingConfig = field(default_factory=PlayingConfig)
    recording: RecordingConfig = field(default_factory=RecordingConfig)

    def __post_init__(self):
        check(self)
        require_ranges(self, "balance", "move_semitones")


@dataclass(frozen=True)
class Sound:
    """A sound: layered voices of SoundFonts and recorded samples, or a formula, or a synthesizer's preset.

    Attributes:
        name: its identity; two sounds of one name are the same.
        voices: layers from SoundFonts.
        patch: a formula.
        seed: seed of the effects; None for no effects.
        effects: shares of the effects, and the ranges of their parameters.
        sampled: a layer of recorded samples.
        move: semitones from the notes to the keys that are played; resampling restores the pitch.
        balance: loudness of the second layer, as a share of the first one's.
        player: the player whose habits the notes have; None to play them as written.
        recording: shares and ranges of the traces of a recording; None for no traces.
        preset: a preset of another package's synthesizer.
    """

    name: str
    voices: tuple[Voice, ...] = ()
    patch: procedural.Patch | None = None
    seed: str | None = None
    effects: EffectsConfig = EffectsConfig()
    sampled: SampledInstrument | None = None
    move: float = 0.0
    balance: float = 1.0
    player: Player | None = None
    recording: RecordingConfig | None = None
    preset: Preset | None = None

    @property
    def low(self) -> int:
        """The lowest MIDI pitch of the sound."""
        return math.ceil(max(max(low for low, _ in self._ranges()), KEYS[0]) - self.move)

    @property
    def high(self) -> int:
        """The highest MIDI pitch of the sound."""
        return math.floor(min(min(high for _, high in self._ranges()), KEYS[1]) - self.move)

    @property
    def polyphonic(self) -> bool:
        """Whether the sound may play several notes at once."""
        voices = all(voice.instrument.family in POLYPHONIC for voice in self.voices)
        return voices and all(layer is None or layer.polyphonic for layer in (self.sampled, self.preset))

    def play(self, notes: Sequence[Note], samples: int) -> np.ndarray:
        """The sound of `notes`: float32, (samples,), mono at 44 100 Hz; its level is not normalised."""
        touched = self.player.touch(notes) if self.player else notes
        waveform = self._moved(touched, samples) if self.move else self._layers(touched, samples)
        if self.player:
            waveform = self.player.express(waveform, notes)
        if self.seed is not None:
            waveform = effects.process(waveform, notes, self.seed, self.effects)
        if self.recording is not None:
            seed = f"{self.name}/recording"
            waveform = effects.process(waveform, notes, seed, self.recording, recording.CHAIN)
        return waveform

    def _ranges(self) -> list[tuple[int, int]]:
        """The lowest and highest key of each layer."""
        ranges = [(voice.instrument.low, voice.instrument.high) for voice in self.voices]
        ranges += [(layer.low, layer.high) for layer in (self.sampled, self.preset) if layer is not None]
        return ranges + [RANGE] * (self.patch is not None or not ranges)

    def _moved(self, notes: Sequence[Note], samples: int) -> np.ndarray:
        """The notes, played `move` semitones away at another tempo and resampled to their pitch and tempo."""
        speed = 2 ** (self.move / 12)
        keys = [Note(on / speed, off / speed, pitch + self.move, v) for on, off, pitch, v in notes]
        waveform = self._layers(keys, math.ceil(samples / speed) + 8)
        turned = soxr.resample(waveform, SAMPLE_RATE / speed, SAMPLE_RATE)
        return np.pad(turned, (0, max(0, samples - len(turned))))[:samples]

    def _layers(self, notes: Sequence[Note], samples: int) -> np.ndarray:
        """The sum of all layers. Each of several layers is scaled by its `level`, whatever its notes are."""
        layers, levels = [], []
        for font, program, middle in (
            (v.soundfont, v.instrument.program, (v.instrument.low + v.instrument.high) // 2)
            for v in self.voices
        ):
            layers.append(soundfont.render(notes, font, program, samples).numpy())
            levels.append((soundfont.level, (font, program, middle)))
        if self.sampled is not None:
            layers.append(sampler.render(notes, self.sampled, samples, self.name))
            levels.append((sampler.level, (self.sampled,)))
        if self.patch is not None:
            return procedural.render(notes, self.patch, samples)
        if self.preset is not None:
            return plugins.render(notes, self.preset, samples)
        if len(layers) == 1:
            return layers[0]
        peaks = [max(measure(*of), SILENCE) for measure, of in levels]
        balance = [1.0, *[self.balance] * (len(layers) - 1)]
        weighted = zip(layers, balance, peaks, strict=True)
        return sum(np.float32(share / peak) * layer for layer, share, peak in weighted)

    @staticmethod
    def draw(
        voices: Sequence[Voice],
        rng: random.Random,
        name: str,
        config: SoundConfig = SoundConfig(),
    ) -> "Sound":
        """A random formula, or a random voice of a random family of instruments.

        A dry voice alone is named by `voice_name`; any other sound gets `name`.
        """
        if rng.random() < config.formulas:
            patch = procedural.Patch.draw(rng, config.patch)
            return _dressed(Sound(name, patch=patch), rng, config)
        families = sorted({voice.instrument.family for voice in voices})
        family = rng.choice(families)
        layers = [rng.choice([voice for voice in voices if voice.instrument.family == family])]
        if rng.random() < config.layered:
            layers.append(rng.choice(voices))
        sound = _dressed(Sound(name, tuple(layers)), rng, config)
        return replace(sound, name=voice_name(layers[0])) if len(layers) == 1 and sound.is_dry else sound

    @staticmethod
    def draw_sampled(
        instruments: Sequence[SampledInstrument],
        rng: random.Random,
        name: str,
        config: SoundConfig = SoundConfig(),
        voices: Sequence[Voice] = (),
    ) -> "Sound":
        """A random one of the instruments.

        If it is dry and not layered, it is named by its samples; otherwise it gets `name`.

        voices: those of which one may be layered with it.
        """
        instrument = rng.choice(instruments)
        layers = (rng.choice(voices),) if voices and rng.random() < config.layered else ()
        sound = _dressed(Sound(name, layers, sampled=instrument), rng, config)
        if not layers and sound.is_dry:
            return replace(sound, name=f"{SAMPLES}{instrument.fingerprint}")
        return sound

    @staticmethod
    def draw_synthesized(
        synthesizers: Sequence[str],
        rng: random.Random,
        name: str,
        config: SoundConfig = SoundConfig(),
        banks: Sequence[str] = (),
    ) -> "Sound":
        """A random preset of one of the synthesizers.

        If it is dry, it is named by its settings; otherwise it gets `name`.

        banks: banks of DX7 voices, see `plugins.draw`.
        """
        preset = plugins.draw(rng.choice(synthesizers), random.Random(f"{name}/preset"), banks)
        sound = _dressed(Sound(name, preset=preset), rng, config)
        return replace(sound, name=f"{PRESET}{preset.fingerprint}") if sound.is_dry else sound

    @property
    def is_dry(self) -> bool:
        """Whether the sound has no effects, no player, no recording and no move to other keys."""
        return not self.move and self.seed is None and self.player is None and self.recording is None


def voice_name(voice: Voice) -> str:
    """The name of a dry voice, which depends only on the content of its SoundFont and on its program."""
    return f"{DRY}{soundfont.fingerprint(voice.soundfont)}/{voice.instrument.program}"


def _dressed(sound: Sound, rng: random.Random, config: SoundConfig) -> Sound:
    """`sound` with effects, a move, a player and a recording, each drawn with its share in `config`."""
    processed, moved, played, recorded = (
        rng.random() < share for share in (config.processed, config.moved, config.played, config.recorded)
    )
    move = rng.choice((-1, 1)) * rng.uniform(*config.move_semitones)
    return replace(
        sound,
        seed=sound.name if processed else None,
        effects=config.effects,
        move=round(move, 2) if moved else 0.0,
        balance=rng.uniform(*config.balance),
        player=Player.draw(f"{sound.name}/player", config.playing) if played else None,
        recording=config.recording if recorded else None,
    )

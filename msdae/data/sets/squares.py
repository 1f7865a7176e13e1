"""Squares: two excerpts, each played by the same two sounds. Four clips, and each is the answer to a swap.

    excerpt X by sound P  |  excerpt X by sound Q
    excerpt Y by sound P  |  excerpt Y by sound Q

The clip "X by P" is what a swap should give of the timbre source "Y by P" and the melody source "X by Q".
On disk: `SPLIT/Square00000/{XP,XQ,YP,YQ}.flac` and `square.json`.
"""

import json
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch

from msdae import audio
from msdae.config import require_ranges
from msdae.data import parts
from msdae.data.labels import MELODY, NOTE
from msdae.data.rendering import CLIPS, RenderConfig, scan_splits
from msdae.data.sets import DATASETS, DataSet
from msdae.data.sources import ClipLength, SourceFile
from msdae.data.tally import Tally
from msdae.errors import UserError
from msdae.files import atomic_folder
from msdae.limits import POSITIVE, Choice, Range, Share
from msdae.progress import Progress, silent
from msdae.symbolic import corpus, textures
from msdae.symbolic.arrange import excerpt, loosen, perform, without_unisons
from msdae.symbolic.instruments import Voice, reserved
from msdae.symbolic.instruments import voices as voices_of
from msdae.symbolic.notes import Note, ScoreNote
from msdae.symbolic.textures import TextureConfig
from msdae.synthesis import plugins, sampler, soundfont
from msdae.synthesis.plugin_presets import SYNTHESIZERS
from msdae.synthesis.sampler import SampledInstrument
from msdae.synthesis.sound import Sound, SoundConfig
from msdae.synthesis.soundfont import SAMPLE_RATE, SILENCE

LABELS = "square.json"
FOLDERS = {"train": "train", "validation": "valid", "test": "test", "unseen": "unseen"}
UNSEEN = "unseen"  # the split of the instruments that are held out, where there are any
logger = logging.getLogger(__name__)
ATTEMPTS = 200
PIECES = 6  # pieces that are tried for a pair of sounds

Excerpts = list[tuple[str, list[Note]]]  # name of the piece, notes


@dataclass(frozen=True)
class SquaresConfig(RenderConfig):
    """What squares are drawn from: the recipe of the training data.

    clips: for training, four a square; each other split has a twentieth of them.
    sound: what the sounds are drawn from.
    without: General MIDI programs that no SoundFont plays.
    samples: libraries of recorded samples that play too: folders with SFZ files or folders of samples.
    unseen_samples: libraries whose instruments play in no split but "unseen", where nothing else plays.
    left_out: names of instruments of `samples` that play nowhere, and none does that shares recordings with
        them.
    sampled: share of the sounds that are of `samples`, where there are any.
    synthesizers: that play too, of other packages: "dx7", "faust", "vita".
    synthesized: share of the sounds that are of `synthesizers`, where there are any.
    banks: of DX7 voices, files or folders; none: those of Debian's package hexter, where it is installed.
    single_notes: share of the squares whose excerpts are one note each.
    mixed: share of the squares with one excerpt of one note and one of several.
    textures: share of the other excerpts that are chords, arpeggios, runs or long notes, not of a piece.
    texture: what those are drawn from.
    polyphonic: share of the squares whose sounds are drawn again until both can play several notes at once,
        where such are found.
    several_lines: share of the excerpts of pieces that have two parts or more, where the piece and the sounds
        allow it.
    timing: seconds by which notes begin early or late, drawn for each excerpt.
    shared_range: semitones that both sounds of a square reach, at least.
    least_notes: notes of a part in an excerpt, at least.
    shortest_note: seconds that a single note is held, at least.
    velocities: MIDI velocities of single notes.
    peak: highest sample of a clip.
    """

    clips: Annotated[int, CLIPS] = 3000
    sound: SoundConfig = field(default_factory=SoundConfig)
    without: tuple[Annotated[int, Range(0, 127)], ...] = ()
    samples: tuple[str, ...] = ()
    unseen_samples: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    sampled: Share = 0.5
    synthesizers: tuple[Annotated[str, Choice(SYNTHESIZERS)], ...] = ()
    synthesized: Share = 0.3
    banks: tuple[str, ...] = ()
    single_notes: Share = 0.3
    mixed: Share = 0.1
    textures: Share = 0.3
    texture: TextureConfig = field(default_factory=TextureConfig)
    polyphonic: Share = 0.3
    several_lines: Share = 0.4
    timing: tuple[Annotated[float, Range(0, 0.1, reason="more is out of time")], ...] = (0, 0.012)
    shared_range: Annotated[int, Range(1, 60, reason="formulas play five octaves")] = 12
    least_notes: Annotated[int, Range(1, 100, reason="no excerpt has more")] = 4
    shortest_note: Annotated[float, POSITIVE] = 0.8
    velocities: tuple[Annotated[int, Range(1, 127)], ...] = (25, 127)
    peak: tuple[Annotated[float, Range(0, 1, above=True)], ...] = (0.25, 0.9)

    def __post_init__(self):
        super().__post_init__()
        require_ranges(self, "velocities", "peak", "timing")
        if self.unseen_soundfonts:
            raise UserError("unseen_soundfonts: squares have no unseen split; leave it out")

    def record(self) -> dict[str, Any]:
        """See `RenderConfig.record`; samples and synthesizers are left out if there are none."""
        record = super().record()
        for name in ("without", "left_out"):
            if not getattr(self, name):
                del record[name]
        for name in ("samples", "unseen_samples"):
            libraries = getattr(self, name)
            record[name] = [[Path(p).resolve().name, sampler.fingerprint(p)] for p in libraries]
        if not self.samples and not self.unseen_samples:
            for name in ("samples", "unseen_samples", "sampled"):
                del record[name]
        if self.synthesizers:
            return record | plugins.record(self.synthesizers, self.banks)
        for name in ("synthesizers", "synthesized", "banks"):
            del record[name]
        return record

    def instruments(self) -> tuple[list[SampledInstrument], list[SampledInstrument]]:
        """The instruments of `samples` that are not held out or left out, and those of `unseen_samples`.

        Raises:
            UserError: a library cannot be read, or none of its instruments has the range.
        """
        unseen = _wide(self.unseen_samples, self.shared_range)
        seen = _wide(self.samples, self.shared_range)
        others = unseen + [one for one in seen if one.name in self.left_out]
        return [one for one in seen if not any(sampler.shared(one, other) for other in others)], unseen


@dataclass(frozen=True)
class Square:
    """Square `index` of a split; everything about it follows from these."""

    split: str
    index: int
    config: SquaresConfig
    voices: tuple[Voice, ...]
    clip: ClipLength = ClipLength()
    instruments: tuple[SampledInstrument, ...] = ()

    @property
    def name(self) -> str:
        return f"Square{self.index:05d}"


def work(config: SquaresConfig, folder: Path, clip: ClipLength) -> list[parts.Part]:
    """See `DataSet.work`."""
    voices, _ = voices_of(config.fonts(), ())
    voices = soundfont.able([one for one in voices if one.instrument.program not in config.without])
    plugins.require(config.synthesizers)
    seen, unseen = config.instruments()
    every = []
    for name, split in FOLDERS.items():
        if name == UNSEEN and not unseen:
            continue
        instruments = unseen if name == UNSEEN else seen
        squares = plan(name, config.size(split), voices, config, clip, instruments)
        every += [parts.Part(render_square, square, folder / name / square.name, 4) for square in squares]
    return every


def plan(
    split: str,
    clips: int,
    voices: Sequence[Voice],
    config: SquaresConfig,
    clip: ClipLength = ClipLength(),
    instruments: Sequence[SampledInstrument] = (),
) -> list[Square]:
    """As many squares as give `clips` clips. split: the name of its folder."""
    shared = tuple(voices), clip, tuple(instruments)
    return [Square(split, index, config, *shared) for index in range(-(-clips // 4))]


def render_square(square: Square, folder: Path) -> None:
    """Write the square's folder, complete or not at all."""
    rng = random.Random(f"squares/{square.config.seed}/{square.split}/{square.index}")
    cells = _cells(square, rng)
    with atomic_folder(folder) as temporary:
        labels = {}
        for cell, (waveform, piece, notes, sound) in cells.items():
            waveform = waveform * (rng.uniform(*square.config.peak) / float(waveform.abs().max()))
            audio.write(temporary / f"{cell}.flac", waveform, subtype="PCM_16")
            labels[cell] = _labels(f"{square.name}/{cell[0]}", piece, notes, sound)
        (temporary / LABELS).write_text(json.dumps(labels))


def _cells(square: Square, rng: random.Random) -> dict[str, tuple[torch.Tensor, str, list[Note], Sound]]:
    """{cell: (waveform, name of the piece, notes, sound)}; drawn again where one is silent or crashes.

    Raises:
        UserError: as `compose`, or everything is silent or crashes.
    """
    samples = square.clip.at(SAMPLE_RATE)
    for _ in range(PIECES):
        sounds, excerpts = compose(square, rng)
        try:
            cells = {
                letter + role: (
                    torch.from_numpy(sound.play(notes, samples)).nan_to_num(),
                    piece,
                    notes,
                    sound,
                )
                for letter, (piece, notes) in zip("XY", excerpts, strict=True)
                for role, sound in zip("PQ", sounds, strict=True)
            }
        except plugins.Crash:
            continue
        if all(float(cell[0].abs().max()) > SILENCE for cell in cells.values()):
            return cells
    raise UserError(f"{square.name}: its instruments are silent or crash; use other SoundFonts or samples")


def compose(square: Square, rng: random.Random) -> tuple[list[Sound], Excerpts]:
    """The two sounds and the two excerpts of a square.

    Raises:
        UserError: nothing suits the sounds that were drawn.
    """
    config, pieces = square.config, corpus.pieces(square.split)
    polyphonic = rng.random() < config.polyphonic
    for attempt in range(ATTEMPTS):
        names = [f"{config.seed}/{square.split}{square.index}.{attempt}{role}" for role in "PQ"]
        sounds = [_sound(square, rng, name) for name in names]
        low, high = max(s.low for s in sounds), min(s.high for s in sounds)
        if high - low < config.shared_range or sounds[0].name == sounds[1].name:
            continue
        if polyphonic and attempt < ATTEMPTS // 2 and not all(sound.polyphonic for sound in sounds):
            continue
        kind, excerpts = rng.random(), []
        if kind < config.single_notes + config.mixed:
            excerpts = _single_notes(_free_pitches(sounds, low, high), square, rng)
        if kind >= config.single_notes:
            excerpts = excerpts[:1] + _phrases(pieces, sounds, low, high, square, rng)
            rng.shuffle(excerpts := excerpts[:2])
        if len(excerpts) == 2:
            return sounds, excerpts
    raise UserError(f"{square.name}: no pieces of the corpus suit these sounds; use another --seed")


def _sound(square: Square, rng: random.Random, name: str) -> Sound:
    """A sound of a synthesizer, a library or any other kind; in the unseen split one of its own libraries."""
    config = square.config
    if config.synthesizers and square.split != UNSEEN and rng.random() < config.synthesized:
        return Sound.draw_synthesized(config.synthesizers, rng, name, config.sound, config.banks)
    share = 1.0 if square.split == UNSEEN else config.sampled
    if square.instruments and rng.random() < share:
        voices = () if square.split == UNSEEN else square.voices
        return Sound.draw_sampled(square.instruments, rng, name, config.sound, voices)
    return Sound.draw(square.voices, rng, name, config.sound)


def _wide(libraries: Sequence[str], semitones: int) -> list[SampledInstrument]:
    """The instruments of libraries that reach so many semitones."""
    every = [instrument for library in libraries for instrument in sampler.instruments(library)]
    wide = [instrument for instrument in every if instrument.high - instrument.low >= semitones]
    if every and not wide:
        raise UserError(
            f"{libraries[0]}: no instrument reaches {semitones} semitones; give others or lower shared_range"
        )
    if len(wide) < len(every):
        logger.info(
            "%d of %d instruments reach less than %d semitones", len(every) - len(wide), len(every), semitones
        )
    return wide


def scan(
    root: Path, tally: Tally, clip: ClipLength = ClipLength(), progress: Progress = silent
) -> dict[str, list[SourceFile]]:
    """The clips of each split that is there."""
    return scan_splits(root, FOLDERS, "Square*", LABELS, tally, _source)


@DATASETS.register("squares")
class Squares(DataSet):
    """Squares of two excerpts and two sounds, rendered: what the model that ships is trained on."""

    holds, config, version, seconds = "train/Square*", SquaresConfig, 6, 0.1
    scan, work = staticmethod(scan), staticmethod(work)


def _source(split: str, square: Path, cell: str, labels: dict[str, Any]) -> SourceFile:
    labels = {"dataset": "squares", "split": split, "stem": f"{square.name}/{cell}", **labels}
    return SourceFile(f"{square.name}_{cell}", square / f"{cell}.flac", 1, labels)


def _labels(score: str, piece: str, notes: Sequence[Note], sound: Sound) -> dict:
    kind = sound.voices[0].instrument if sound.voices and sound.sampled is None else None
    return {
        "kind": NOTE if piece.startswith("note ") else MELODY,
        "piece": piece,
        "score": score,
        "sound": sound.name,
        "instrument": named.name if (named := sound.sampled or sound.preset or kind) else "procedural",
        **({"family": kind.family, "program": kind.program} if kind else {}),
        "notes": [[round(n[0], 4), round(n[1], 4), n[2], n[3]] for n in notes],
    }


def _free_pitches(sounds: Sequence[Sound], low: int, high: int) -> list[int]:
    """The pitches from `low` to `high` that SwapBench keeps for none of the voices."""
    programs = {voice.instrument.program for sound in sounds for voice in sound.voices}
    pitches = range(low, high + 1)
    return [pitch for pitch in pitches if not any(reserved(program, pitch) for program in programs)]


def _single_notes(pitches: Sequence[int], square: Square, rng: random.Random) -> Excerpts:
    """Two notes; empty where there are too few pitches."""
    if len(pitches) < 2:
        return []
    config, excerpts = square.config, []
    for pitch in rng.sample(pitches, 2):
        shortest = min(config.shortest_note, square.clip.seconds)
        offset = rng.uniform(shortest, square.clip.seconds)
        excerpts.append((f"note {pitch}", [Note(0.0, offset, pitch, rng.randint(*config.velocities))]))
    return excerpts


def _phrases(
    pieces: Sequence[str], sounds: Sequence[Sound], low: int, high: int, square: Square, rng: random.Random
) -> Excerpts:
    """Two excerpts of several notes in the range, of two pieces or textures; fewer where fewer pieces fit."""
    polyphonic = all(sound.polyphonic for sound in sounds)
    config, seconds, left = square.config, square.clip.seconds, rng.sample(pieces, PIECES)
    excerpts: dict[str, list[Note]] = {}
    while len(excerpts) < 2:
        if rng.random() < config.textures:
            name, notes = textures.draw(low, high, polyphonic, seconds, rng, config.texture)
        elif not left:
            break
        else:
            name = left.pop()
            notes = _melody(name, low, high, polyphonic, square, rng)
        if notes:
            excerpts[name] = loosen(notes, seconds, rng.uniform(*config.timing), rng)
    return list(excerpts.items())


def _melody(
    piece: str, low: int, high: int, polyphonic: bool, square: Square, rng: random.Random
) -> list[Note]:
    """An excerpt of one part of the piece, or of several, in the range; empty where nothing fits."""
    config, seconds = square.config, square.clip.seconds
    lines = excerpt(corpus.parts(piece), seconds, rng, config.least_notes)
    if not lines:
        return []
    several = polyphonic and len(lines) > 1 and rng.random() < config.several_lines
    count = rng.randint(2, len(lines)) if several else 1
    notes = sorted(note for line in rng.sample(lines, count) for note in line)
    bottom, top = min(note.pitch for note in notes), max(note.pitch for note in notes)
    shifts = range(low - bottom, high - top + 1)
    if not shifts:
        return []
    shift = rng.choice(shifts)
    line = [ScoreNote(note.onset, note.duration, note.pitch + shift) for note in notes]
    return perform(without_unisons(line), seconds, rng)

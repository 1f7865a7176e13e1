"""The splits of recorded samples: "real", on which nothing was trained, and "real-valid", to rank recipes."""

import functools
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from msdae import folders
from msdae.errors import UserError, printable
from msdae.symbolic.instruments import Instrument
from msdae.symbolic.notes import Note
from msdae.synthesis import effects, sample_folder, sampler
from msdae.synthesis.effects import EffectsConfig
from msdae.synthesis.sampler import SampledInstrument

SPLIT, VALID = "real", "real-valid"
SAMPLES = "recorded samples"  # stands in place of a SoundFont's name
SITES = "github.com/skratchdot/philharmonia-samples and github.com/sfzinstruments/Discord-SFZ-GM-Bank"
ROOM = EffectsConfig(room_seconds=(0.3, 1.2), room_hertz=(2000, 9000), room_level=(0.2, 0.6))

# {instrument: pattern of its name in libraries}, numbered apart, because General MIDI has no mandolin.
_NAMES = {
    Instrument(0, "Bassoon", "reed", "acoustic", 34, 70): r"(?<!contra)bassoon",
    Instrument(1, "Cor Anglais", "reed", "acoustic", 52, 81): r"(english.?horn|cor.?anglais)",
    Instrument(2, "Trombone", "brass", "acoustic", 40, 72): r"(?<!bass.)trombone",
    Instrument(3, "Mandolin", "guitar", "acoustic", 55, 88): r"mandolin",
    Instrument(4, "Banjo", "guitar", "acoustic", 48, 84): r"banjo",
    Instrument(5, "Steel Guitar", "guitar", "acoustic", 40, 84): r"guitar.*steel|steel.*guitar",
    Instrument(6, "Bright Grand Piano", "keyboard", "acoustic", 28, 100): r"bright.*piano",
    Instrument(7, "Pizzicato Strings", "string", "acoustic", 36, 84): r"pizzicato.*strings|strings.*pizz",
}
_VALID_NAMES = {
    Instrument(8, "Oboe", "reed", "acoustic", 58, 88): r"oboe",
    Instrument(9, "Saxophone", "reed", "acoustic", 50, 80): r"saxophone",
    Instrument(10, "Flute", "flute", "acoustic", 60, 93): r"flute",
    Instrument(11, "Cello", "string", "acoustic", 36, 76): r"(?<!violon)cello",
    Instrument(12, "Guitar", "guitar", "acoustic", 40, 82): r"(?<!steel.)(?<!electric.)guitar(?!.*steel)",
    Instrument(13, "Electric Grand Piano", "keyboard", "electronic", 28, 100): r"electric.grand",
}
_NAMES_OF = {SPLIT: _NAMES, VALID: _VALID_NAMES}
SPLITS = tuple(_NAMES_OF)
INSTRUMENTS = {split: tuple(names) for split, names in _NAMES_OF.items()}
CHORDS = (*INSTRUMENTS[SPLIT][3:], *INSTRUMENTS[VALID][4:])  # instruments that play several notes at once


@dataclass(frozen=True)
class Library:
    """The samples of the instruments of some splits.

    players: the instruments. numbers: the number of each, which stands in place of a program.
    fingerprint: hash of the samples and SFZ files; if it is the same, cases sound the same.
    """

    players: tuple[SampledInstrument, ...]
    numbers: tuple[int, ...]
    fingerprint: str

    def play(self, program: int, notes: Sequence[Note], samples: int, room: str = "") -> np.ndarray:
        """The instrument with the number `program` plays `notes`: (samples,), float32, at 44.1 kHz.

        The level is not normalised.

        room: name that determines the reverberation; "" for none.
        """
        waveform = sampler.render(notes, self.players[self.numbers.index(program)], samples)
        return effects.room(waveform, notes, random.Random(room), ROOM) if room else waveform


@functools.cache
def library(places: tuple[Path, ...] = (), splits: tuple[str, ...] = (SPLIT,)) -> Library:
    """The samples for `splits`.

    places: folders and SFZ files; by default the folder `samples` of the data folder.

    Raises:
        UserError: an instrument is in none of them, or as `sampler.instruments`.
    """
    places = places or tuple(place for place in [folders.data() / "samples"] if place.is_dir())
    every = [instrument for place in places for instrument in sampler.instruments(place)]
    names = {kind: pattern for split in splits for kind, pattern in _NAMES_OF[split].items()}
    players = {kind: _player(pattern, every) for kind, pattern in names.items()}
    if missing := [kind.name.lower() for kind, player in players.items() if player is None]:
        raise UserError(
            f"split {' and '.join(splits)}: no samples of {', '.join(missing)}; get {SITES} (terms: "
            f"docs/swapbench.md) into {printable(folders.data() / 'samples')}, or name their folders with "
            "--samples"
        )
    texts = [Path(player.path) for player in players.values() if player.path.lower().endswith(".sfz")]
    sounds = [region.sample for player in players.values() for region in sampler.regions_of(player)]
    numbers = tuple(kind.program for kind in players)
    return Library(tuple(players.values()), numbers, sample_folder.fingerprint([*sounds, *texts]))


def split_of(number: int) -> str:
    """The split that has the instrument with this number."""
    return next(split for split, kinds in INSTRUMENTS.items() if number in {kind.program for kind in kinds})


def is_held_out(name: str) -> bool:
    """Whether an instrument is one of the split "real", by its name in a library, "LIBRARY/INSTRUMENT"."""
    return any(_named(pattern, [name]) for pattern in _NAMES.values())


def _named(pattern: str, names: Sequence[str]) -> list[str]:
    """The names whose last part matches or, if there are none, whose whole name without the library does."""
    by_last = [name for name in names if re.search(pattern, name.rpartition("/")[2].lower())]
    return by_last or [name for name in names if re.search(pattern, "/".join(name.lower().split("/")[1:]))]


def _player(pattern: str, instruments: Sequence[SampledInstrument]) -> SampledInstrument | None:
    """The instrument whose name matches; of several, that of normal articulation, or else of most samples."""
    names = _named(pattern, [one.name for one in instruments])
    able = [one for one in instruments if one.name in names]
    return max(
        able, key=lambda one: ("normal" in one.articulation, len(sampler.regions_of(one))), default=None
    )

"""The instruments of the split "real": samples of real instruments that nothing was trained on."""

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

SPLIT = "real"
SAMPLES = "recorded samples"  # what stands for the name of a SoundFont
SITES = "github.com/skratchdot/philharmonia-samples and github.com/sfzinstruments/Discord-SFZ-GM-Bank"
ROOM = EffectsConfig(room_seconds=(0.3, 1.2), room_hertz=(2000, 9000), room_level=(0.2, 0.6))

# Numbered from 0, because General MIDI has no mandolin; each with what its name in a library looks like.
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
INSTRUMENTS = tuple(_NAMES)
CHORDS = INSTRUMENTS[3:]  # that can play several notes at once


@dataclass(frozen=True)
class Library:
    """The samples of all of `INSTRUMENTS`, in their order.

    fingerprint: of the samples and SFZ files; cases sound alike where it is the same.
    """

    players: tuple[SampledInstrument, ...]
    fingerprint: str

    def play(self, program: int, notes: Sequence[Note], samples: int, room: str = "") -> np.ndarray:
        """The instrument of a number plays `notes`: (samples,), float32, at 44.1 kHz, of no particular level.

        room: of the reverberation, which follows from it; "" for none.
        """
        waveform = sampler.render(notes, self.players[program], samples)
        return effects.room(waveform, notes, random.Random(room), ROOM) if room else waveform


@functools.cache
def library(places: tuple[Path, ...] = ()) -> Library:
    """The samples in folders and SFZ files; by default in the folder `samples` of the data folder.

    Raises:
        UserError: an instrument is in none of them; as `sampler.instruments`.
    """
    places = places or tuple(place for place in [folders.data() / "samples"] if place.is_dir())
    every = [instrument for place in places for instrument in sampler.instruments(place)]
    players = {kind: _player(pattern, every) for kind, pattern in _NAMES.items()}
    if missing := [kind.name.lower() for kind, player in players.items() if player is None]:
        raise UserError(
            f"split real: no samples of {', '.join(missing)}; get {SITES} (terms: docs/swapbench.md) into "
            f"{printable(folders.data() / 'samples')}, or name their folders with --samples"
        )
    texts = [Path(player.path) for player in players.values() if player.path.lower().endswith(".sfz")]
    sounds = [region.sample for player in players.values() for region in sampler.regions_of(player)]
    return Library(tuple(players.values()), sample_folder.fingerprint([*sounds, *texts]))


def _player(pattern: str, instruments: Sequence[SampledInstrument]) -> SampledInstrument | None:
    """The instrument whose name fits: of several articulations the normal one, or that of most samples."""
    able = [one for one in instruments if re.search(pattern, one.name.rpartition("/")[2].lower())]
    if not able:
        able = [one for one in instruments if re.search(pattern, "/".join(one.name.lower().split("/")[1:]))]
    return max(
        able, key=lambda one: ("normal" in one.articulation, len(sampler.regions_of(one))), default=None
    )

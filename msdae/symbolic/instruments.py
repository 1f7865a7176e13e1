"""The pitched General MIDI instruments, with NSynth families and the ranges in which they sound natural."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

# Order and spelling of NSynth's `instrument_family` (Engel et al. 2017, table 2) and `instrument_source`.
FAMILIES = (
    "bass",
    "brass",
    "flute",
    "guitar",
    "keyboard",
    "mallet",
    "organ",
    "reed",
    "string",
    "synth_lead",
    "vocal",
)
SOURCES = ("acoustic", "electronic", "synthetic")

# One program of each family that only the unseen split has: fretless bass, French horn, pan flute, jazz
# guitar, harpsichord, vibraphone, church organ, oboe, cello, calliope lead, voice oohs.
HELD_OUT = (35, 60, 75, 26, 6, 11, 19, 68, 42, 82, 53)

# Families whose instruments may play several notes at once.
POLYPHONIC = ("guitar", "keyboard", "mallet", "organ")


PROGRAMS = 128  # General MIDI programs; sounds that have no program are numbered from here
VELOCITIES = (25, 50, 75, 100, 127)  # the velocities of NSynth, used for single notes
ONE_IN = 8  # neighbouring pitches of which one is reserved


@dataclass(frozen=True)
class Instrument:
    """A General MIDI program (0-127) whose range is the MIDI pitches `low` to `high`, both included."""

    program: int
    name: str
    family: str
    source: str
    low: int
    high: int


# Left out are drums and effects, programs that sound several pitches or another pitch than the note's (guitar
# harmonics, orchestra hit, fifths lead, timpani), and all pads but the choir, as NSynth has no pad family.
INSTRUMENTS = tuple(
    Instrument(*row)
    for row in (
        (0, "Acoustic Grand Piano", "keyboard", "acoustic", 21, 108),
        (1, "Bright Acoustic Piano", "keyboard", "acoustic", 21, 108),
        (2, "Electric Grand Piano", "keyboard", "electronic", 21, 108),
        (3, "Honky-tonk Piano", "keyboard", "acoustic", 21, 108),
        (4, "Electric Piano 1", "keyboard", "electronic", 28, 103),
        (5, "Electric Piano 2", "keyboard", "electronic", 28, 103),
        (6, "Harpsichord", "keyboard", "acoustic", 29, 89),
        (7, "Clavinet", "keyboard", "electronic", 36, 96),
        (8, "Celesta", "mallet", "acoustic", 60, 108),
        (9, "Glockenspiel", "mallet", "acoustic", 72, 108),
        (10, "Music Box", "mallet", "acoustic", 60, 84),
        (11, "Vibraphone", "mallet", "acoustic", 53, 89),
        (12, "Marimba", "mallet", "acoustic", 48, 84),
        (13, "Xylophone", "mallet", "acoustic", 65, 96),
        (14, "Tubular Bells", "mallet", "acoustic", 60, 77),
        (15, "Dulcimer", "mallet", "acoustic", 60, 84),
        (16, "Drawbar Organ", "organ", "electronic", 36, 96),
        (17, "Percussive Organ", "organ", "electronic", 36, 96),
        (18, "Rock Organ", "organ", "electronic", 36, 96),
        (19, "Church Organ", "organ", "acoustic", 21, 108),
        (20, "Reed Organ", "organ", "acoustic", 36, 96),
        (21, "Accordion", "reed", "acoustic", 53, 89),
        (22, "Harmonica", "reed", "acoustic", 60, 84),
        (23, "Tango Accordion", "reed", "acoustic", 53, 89),
        (24, "Acoustic Guitar (nylon)", "guitar", "acoustic", 40, 84),
        (25, "Acoustic Guitar (steel)", "guitar", "acoustic", 40, 84),
        (26, "Electric Guitar (jazz)", "guitar", "electronic", 40, 86),
        (27, "Electric Guitar (clean)", "guitar", "electronic", 40, 86),
        (28, "Electric Guitar (muted)", "guitar", "electronic", 40, 86),
        (29, "Overdriven Guitar", "guitar", "electronic", 40, 86),
        (30, "Distortion Guitar", "guitar", "electronic", 40, 86),
        (32, "Acoustic Bass", "bass", "acoustic", 28, 55),
        (33, "Electric Bass (finger)", "bass", "electronic", 28, 55),
        (34, "Electric Bass (pick)", "bass", "electronic", 28, 55),
        (35, "Fretless Bass", "bass", "electronic", 28, 55),
        (36, "Slap Bass 1", "bass", "electronic", 28, 55),
        (37, "Slap Bass 2", "bass", "electronic", 28, 55),
        (38, "Synth Bass 1", "bass", "synthetic", 28, 60),
        (39, "Synth Bass 2", "bass", "synthetic", 28, 60),
        (40, "Violin", "string", "acoustic", 55, 96),
        (41, "Viola", "string", "acoustic", 48, 88),
        (42, "Cello", "string", "acoustic", 36, 76),
        (43, "Contrabass", "string", "acoustic", 28, 60),
        (44, "Tremolo Strings", "string", "acoustic", 36, 96),
        (45, "Pizzicato Strings", "string", "acoustic", 36, 96),
        (46, "Orchestral Harp", "string", "acoustic", 24, 103),
        (48, "String Ensemble 1", "string", "acoustic", 36, 96),
        (49, "String Ensemble 2", "string", "acoustic", 36, 96),
        (50, "Synth Strings 1", "string", "synthetic", 36, 96),
        (51, "Synth Strings 2", "string", "synthetic", 36, 96),
        (52, "Choir Aahs", "vocal", "acoustic", 48, 79),
        (53, "Voice Oohs", "vocal", "acoustic", 48, 79),
        (54, "Synth Choir", "vocal", "synthetic", 48, 84),
        (56, "Trumpet", "brass", "acoustic", 55, 84),
        (57, "Trombone", "brass", "acoustic", 40, 72),
        (58, "Tuba", "brass", "acoustic", 28, 58),
        (59, "Muted Trumpet", "brass", "acoustic", 55, 82),
        (60, "French Horn", "brass", "acoustic", 41, 77),
        (61, "Brass Section", "brass", "acoustic", 36, 84),
        (62, "Synth Brass 1", "brass", "synthetic", 36, 96),
        (63, "Synth Brass 2", "brass", "synthetic", 36, 96),
        (64, "Soprano Sax", "reed", "acoustic", 56, 87),
        (65, "Alto Sax", "reed", "acoustic", 49, 80),
        (66, "Tenor Sax", "reed", "acoustic", 44, 75),
        (67, "Baritone Sax", "reed", "acoustic", 36, 68),
        (68, "Oboe", "reed", "acoustic", 58, 91),
        (69, "English Horn", "reed", "acoustic", 52, 81),
        (70, "Bassoon", "reed", "acoustic", 34, 70),
        (71, "Clarinet", "reed", "acoustic", 50, 91),
        (72, "Piccolo", "flute", "acoustic", 74, 108),
        (73, "Flute", "flute", "acoustic", 60, 96),
        (74, "Recorder", "flute", "acoustic", 60, 96),
        (75, "Pan Flute", "flute", "acoustic", 60, 96),
        (76, "Blown Bottle", "flute", "acoustic", 60, 96),
        (77, "Shakuhachi", "flute", "acoustic", 55, 84),
        (78, "Whistle", "flute", "acoustic", 60, 96),
        (79, "Ocarina", "flute", "acoustic", 60, 84),
        (80, "Lead 1 (square)", "synth_lead", "synthetic", 36, 96),
        (81, "Lead 2 (sawtooth)", "synth_lead", "synthetic", 36, 96),
        (82, "Lead 3 (calliope)", "synth_lead", "synthetic", 36, 96),
        (83, "Lead 4 (chiff)", "synth_lead", "synthetic", 36, 96),
        (84, "Lead 5 (charang)", "synth_lead", "synthetic", 36, 96),
        (85, "Lead 6 (voice)", "vocal", "synthetic", 48, 84),
        (87, "Lead 8 (bass + lead)", "synth_lead", "synthetic", 28, 84),
        (91, "Pad 4 (choir)", "vocal", "synthetic", 48, 84),
        (104, "Sitar", "guitar", "acoustic", 48, 77),
        (105, "Banjo", "guitar", "acoustic", 48, 84),
        (106, "Shamisen", "guitar", "acoustic", 50, 79),
        (107, "Koto", "guitar", "acoustic", 55, 84),
        (108, "Kalimba", "mallet", "acoustic", 48, 79),
        (109, "Bagpipe", "reed", "acoustic", 48, 77),
        (110, "Fiddle", "string", "acoustic", 55, 96),
        (111, "Shanai", "reed", "acoustic", 48, 72),
        (114, "Steel Drums", "mallet", "acoustic", 52, 76),
    )
)

_FAMILY_OF_PROGRAM = {instrument.program: instrument.family for instrument in INSTRUMENTS}


def family(program: int) -> str | None:
    """The NSynth family of a General MIDI program (0-127); None if the program is not in `INSTRUMENTS`."""
    return _FAMILY_OF_PROGRAM.get(program)


def reserved(program: int, pitch: int) -> bool:
    """Whether single notes of this General MIDI program and MIDI pitch are reserved for SwapBench.

    Training data has no such single notes. One in every `ONE_IN` neighbouring pitches is reserved; a hash of
    the program and of the group of neighbours decides which.
    """
    block, place = divmod(pitch, ONE_IN)
    digest = hashlib.sha256(f"reserved/{program}/{block}".encode()).digest()
    return digest[0] % ONE_IN == place


def seen() -> tuple[Instrument, ...]:
    """The instruments of the training, validation and test splits."""
    return tuple(instrument for instrument in INSTRUMENTS if instrument.program not in HELD_OUT)


def unseen() -> tuple[Instrument, ...]:
    """The held-out instruments, which only the unseen split has."""
    return tuple(instrument for instrument in INSTRUMENTS if instrument.program in HELD_OUT)


@dataclass(frozen=True)
class Voice:
    """An instrument of one SoundFont.

    Attributes:
        soundfont: path of the file.
        index: its number among all voices of a data set.
        number: its number within its family and source, as in NSynth's names.
    """

    soundfont: str
    instrument: Instrument
    index: int
    number: int

    @property
    def name(self) -> str:
        return f"{self.instrument.family}_{self.instrument.source}_{self.number:03d}"


def voices(soundfonts: Sequence[str], unseen_soundfonts: Sequence[str]) -> tuple[list[Voice], list[Voice]]:
    """All voices of the training, validation and test splits, and all voices of the unseen split.

    Each is a pair of a SoundFont and an instrument; the two lists share neither indices nor names.
    """
    counts: Counter = Counter()
    groups: tuple[list[Voice], list[Voice]] = ([], [])
    sources = ((soundfonts, seen()), (unseen_soundfonts, unseen()))
    for group, (fonts, kinds) in zip(groups, sources, strict=True):
        for font in fonts:
            for kind in kinds:
                key = (kind.family, kind.source)
                group.append(Voice(str(font), kind, counts.total(), counts[key]))
                counts[key] += 1
    return groups

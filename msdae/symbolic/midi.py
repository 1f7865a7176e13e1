"""Reads MIDI files, as played notes or as a score, and writes them."""

import io
import math
import re
from bisect import bisect_left, bisect_right
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, NamedTuple

from msdae.errors import UserError, printable, required
from msdae.files import reading
from msdae.symbolic.notes import Note, Score, ScoreNote, Tempos, check_tempos, clock
from msdae.symbolic.pedals import ends

LARGEST = 1 << 20  # bytes of a MIDI file; a long piece for piano has a third of that
LONGEST = 86_400.0  # seconds, a day
UNENDING = re.compile(rb"[\x80-\xff]{1024}")  # an unterminated number, on which the parser would spend hours
KEY_SIGNATURE = re.compile(rb"\xff\x59\x02..", re.DOTALL)  # not needed, and mido refuses unusual ones
FIX = "give a standard MIDI file"
TEMPO = 120.0  # quarter notes a minute, the default of a file without a tempo
SUSTAIN, SOSTENUTO = 64, 66  # controller numbers of the pedals
DOWN = 64  # least value of a pedal that is down
DRUMS = 9  # channel of the drums, counted from 0
BEND_RANGE = 2.0  # semitones of a full pitch bend, unless the file sets another range
LEAST_BEND = 0.1  # semitones; a note that is bent less keeps the pitch of its key
MOST_CHANGES = 500  # changes of pitch bend or volume that are considered during one note
# Controllers that select a registered and a non-registered parameter, and the number that selects none.
SELECT, OTHERS, NOTHING = (101, 100), (99, 98), (127, 127)
VALUE, FINE = 6, 38  # data entry, coarse and fine: semitones and cents for parameter (0, 0), the bend range
RESET = 121  # resets all controllers
SOUNDS_OFF, NOTES_OFF = 120, 123  # end all sounds, and all notes, of a channel
VOLUME, EXPRESSION = 7, 11  # controller numbers
REST = {VOLUME: 100, EXPRESSION: 127}  # their values until a file changes them
CHANNELS = [number for number in range(16) if number != DRUMS]
TICKS = 960  # per quarter note in written files; at 120 quarter notes a minute a tick is 0.5 ms
Channel = tuple[int, int]  # port and number
Key = tuple[Channel, int]  # and its MIDI pitch


class _Stroke(NamedTuple):
    """A note from key down to key up; times in ticks."""

    onset: int
    offset: int
    pitch: int
    velocity: int


class _Keys:
    """The keys of a track: while they are down, and the strokes that have ended.

    Of several strokes on one key the first ends first. A stroke without an end lasts to the last end on its
    key, to where all notes of its channel end, or to the end of the track.

    Attributes:
        parts: the strokes of each channel and program.
    """

    def __init__(self):
        self.parts: dict[tuple[Channel, int], list[_Stroke]] = defaultdict(list)
        self._down: dict[Key, deque[tuple[int, int, int]]] = defaultdict(deque)  # onset, velocity, program
        self._lifted: dict[Key, int] = {}  # when each key was lifted last

    def press(self, key: Key, tick: int, velocity: int, program: int) -> None:
        self._down[key].append((tick, velocity, program))

    def lift(self, key: Key, tick: int) -> None:
        if self._down[key]:
            self._end(key, tick)
            self._lifted[key] = tick

    def lift_all(self, channel: Channel, tick: int) -> None:
        for key, strokes in self._down.items():
            while strokes and key[0] == channel:
                self._end(key, tick)

    def close(self, tick: int) -> None:
        """End what is still down at the end of the track, `tick`."""
        for key, strokes in self._down.items():
            while strokes:
                last = self._lifted.get(key, 0)
                self._end(key, last if last > strokes[0][0] else tick)

    def _end(self, key: Key, tick: int) -> None:
        channel, pitch = key
        onset, velocity, program = self._down[key].popleft()
        if tick > onset:
            self.parts[channel, program].append(_Stroke(onset, tick, pitch, velocity))


class _Song:
    """The notes, controllers and tempos of all tracks of a file; times in ticks.

    Attributes:
        resolution: ticks per quarter note.
        parts: the strokes of each (track, channel, program).
        controls: the pitch bends and controller changes of each channel, as (time, mido's message).
        tempos: (place in quarter lengths, quarter notes a minute) of each tempo, the first at 0.
    """

    def __init__(self, resolution: int, tracks: Iterable[Any]):
        self.resolution = resolution
        self.parts: dict[tuple[int, Channel, int], list[_Stroke]] = defaultdict(list)
        self.controls: dict[Channel, list[tuple[int, Any]]] = defaultdict(list)
        changes: list[tuple[int, int]] = []  # ticks, microseconds per quarter note
        for number, track in enumerate(tracks):
            changes += self._add(number, track)
        tempos = {0: TEMPO}
        for tick, microseconds in sorted(changes, key=lambda change: change[0]):
            tempos[tick] = 6e7 / microseconds if microseconds else 0.0
        places = [(tick / resolution, tempo) for tick, tempo in tempos.items()]
        self.tempos: Tempos = places[:1] + [new for old, new in pairwise(places) if new[1] != old[1]]
        check_tempos(self.tempos)
        for events in self.controls.values():
            events.sort(key=lambda event: event[0])

    def _add(self, number: int, track: Iterable[Any]) -> list[tuple[int, int]]:
        """Add the events of mido's track; return its tempo changes, as ticks and microseconds per quarter."""
        tick = port = 0
        programs: dict[int, int] = defaultdict(int)
        keys, changes = _Keys(), []
        for message in track:
            tick += message.time
            if message.type == "set_tempo":
                changes.append((tick, message.tempo))
            elif message.type == "midi_port":
                port = message.port
            elif message.type == "program_change":
                programs[message.channel] = message.program
            elif message.type in ("pitchwheel", "control_change"):
                self.controls[port, message.channel].append((tick, message))
                if message.is_cc() and message.control in (SOUNDS_OFF, NOTES_OFF):
                    keys.lift_all((port, message.channel), tick)
            elif message.type in ("note_on", "note_off"):
                key = (port, message.channel), message.note
                if message.type == "note_on" and message.velocity:
                    keys.press(key, tick, message.velocity, programs[message.channel])
                else:
                    keys.lift(key, tick)
        keys.close(tick)
        for (channel, program), strokes in keys.parts.items():
            self.parts[number, channel, program] = strokes
        return changes


def read_midi(
    path: str | Path, drums: bool = True, pedal: bool = False, controls: bool = False
) -> list[Note]:
    """The notes of a MIDI file, in order of onset.

    drums: whether to include the notes of the drum channel. pedal: whether the sustain and sostenuto pedals
        prolong notes.
    controls: whether pitch bends change the pitches, which may then have fractions, and the channels' volume
        and expression change the velocities. A note takes the median of the values while its key is down.

    Raises:
        UserError: the file is not readable as MIDI, has an impossible tempo, or is larger than `LARGEST` or
            longer than `LONGEST`; mido is not installed.
    """
    song = _read(path)
    time = clock(song.tempos)

    def seconds(tick: int) -> float:
        return round(time(tick / song.resolution), 4)

    played = []
    for (_, channel, _), strokes in song.parts.items():
        if channel[1] == DRUMS and not drums:
            continue
        offsets = _ends(strokes, song.controls[channel] if pedal else [])
        events = song.controls[channel] if controls else []
        bends, gains = _typical(strokes, *_wheel(events)), _typical(strokes, *_volume(events))
        played += zip(strokes, offsets, bends, gains, strict=True)
    loudest = max((gain for *_, gain in played), default=1.0)  # dividing by it keeps velocities <= 127
    notes = []
    for stroke, end, bend, gain in played:
        if gain == 0:
            continue  # muted
        pitch = min(127, max(0, stroke.pitch + round(bend, 2))) if abs(bend) >= LEAST_BEND else stroke.pitch
        velocity = max(1, round(stroke.velocity * gain / max(1.0, loudest)))
        notes.append(Note(seconds(stroke.onset), seconds(end), pitch, velocity))
    return sorted(notes)


def read_midi_score(path: str | Path) -> Score:
    """The pitched notes of a MIDI file in quarter lengths, and all of its tempos.

    Each track, channel and program makes one part. Raises the errors of `read_midi`.
    """
    song = _read(path)
    parts = tuple(
        sorted(
            ScoreNote(s.onset / song.resolution, (s.offset - s.onset) / song.resolution, s.pitch, s.velocity)
            for s in strokes
        )
        for (_, channel, _), strokes in song.parts.items()
        if channel[1] != DRUMS
    )
    (_, tempo), *changes = song.tempos
    return Score(parts, tempo, tuple(changes))


def _read(path: str | Path) -> _Song:
    mido = _mido()
    path = Path(path)
    with reading(path):
        data = path.read_bytes() if path.stat().st_size <= LARGEST else None
    if data is None or UNENDING.search(data):
        raise UserError(f"{printable(path)}: not a readable MIDI file (larger than music is); {FIX}")
    try:
        file = mido.MidiFile(file=io.BytesIO(KEY_SIGNATURE.sub(b"\xff\x59\x02\0\0", data)))
        if file.ticks_per_beat <= 0:
            raise ValueError("no beats")
        song = _Song(file.ticks_per_beat, file.tracks)
        last = max((stroke.offset for strokes in song.parts.values() for stroke in strokes), default=0)
        if clock(song.tempos)(last / song.resolution) > LONGEST:
            raise ValueError("notes outside of a day")
    except Exception as error:  # mido's errors have no common class
        reason = " ".join(printable(error).split())[:100] or type(error).__name__
        raise UserError(f"{printable(path)}: not a readable MIDI file ({reason}); {FIX}") from error
    return song


def _ends(strokes: Sequence[_Stroke], events: Sequence[tuple[int, Any]]) -> list[int]:
    """The ticks at which the strokes of a part stop sounding, with the pedals and silences of its channel."""
    changes = [(tick, message) for tick, message in events if message.is_cc()]

    def moves(pedal: int) -> list[tuple[int, bool]]:
        return [
            (tick, message.control == pedal and message.value >= DOWN)
            for tick, message in changes
            if message.control in (pedal, RESET)
        ]

    silences = [tick for tick, message in changes if message.control == SOUNDS_OFF]
    return ends([stroke[:3] for stroke in strokes], moves(SUSTAIN), moves(SOSTENUTO), silences)


def _typical(strokes: Sequence[_Stroke], times: Sequence[int], values: Sequence[float]) -> list[float]:
    """The median value during each stroke, weighted by time; each value holds from its time to the next."""
    medians = []
    for onset, offset, *_ in strokes:
        first = bisect_right(times, onset) - 1
        last = min(bisect_left(times, offset), first + MOST_CHANGES)
        edges = [onset, *times[first + 1 : last], min([offset, *times[last : last + 1]])]
        spans = sorted(zip(values[first:last], (b - a for a, b in pairwise(edges)), strict=True))
        past = list(accumulate(span for _, span in spans))
        medians.append(spans[bisect_left(past, past[-1] / 2)][0])
    return medians


def _wheel(events: Sequence[tuple[int, Any]]) -> tuple[list[int], list[float]]:
    """The ticks at which the pitch bend of a channel changes, the first one 0, and the bends in semitones."""
    times, bends = [0], [0.0]
    selected, place = list(NOTHING), 0.0
    reach = {VALUE: BEND_RANGE, FINE: 0.0}
    for tick, message in events:
        if message.type == "pitchwheel":
            place = message.pitch / 8192
        elif message.control in SELECT:
            selected[SELECT.index(message.control)] = message.value
        elif message.control in OTHERS:
            selected = list(NOTHING)
        elif message.control in reach and not any(selected):
            reach[message.control] = message.value
        elif message.control == RESET:
            selected, place = list(NOTHING), 0.0
        bend = place * (reach[VALUE] + reach[FINE] / 100)
        if bend != bends[-1]:
            times.append(tick)
            bends.append(bend)
    return times, bends


def _volume(events: Sequence[tuple[int, Any]]) -> tuple[list[int], list[float]]:
    """The ticks at which the gain of a channel changes, the first one 0, and the factors for velocities."""
    times, gains = [0], [1.0]
    places = dict(REST)
    for tick, message in events:
        if message.type == "pitchwheel":
            continue
        if message.control in places:
            places[message.control] = message.value
        elif message.control == RESET:
            places[EXPRESSION] = REST[EXPRESSION]
        gain = math.prod(place / REST[pedal] for pedal, place in places.items())
        if gain != gains[-1]:
            times.append(tick)
            gains.append(gain)
    return times, gains


def write_midi(path: str | Path, notes: Iterable[Note], program: int, name: str = "") -> None:
    """Write `notes` as one track, played by the General MIDI program (0-127)."""
    ticks = TICKS * TEMPO / 60  # per second
    strokes = [_Stroke(round(n.onset * ticks), round(n.offset * ticks), n.pitch, n.velocity) for n in notes]
    _write(path, {name: strokes}, program, [(0.0, TEMPO)])


def write_midi_score(path: str | Path, score: Score, program: int = 0) -> None:
    """Write the score with its tempos, one track per part; all play the General MIDI program (0-127)."""
    tracks = {}
    for number, part in enumerate(score.parts, start=1):
        tracks[f"part {number}"] = [
            _Stroke(round(n.onset * TICKS), round((n.onset + n.duration) * TICKS), n.pitch, n.velocity)
            for n in part
        ]
    _write(path, tracks, program, [(0.0, score.tempo), *score.changes])


def _write(path: str | Path, tracks: Mapping[str, Iterable[_Stroke]], program: int, tempos: Tempos) -> None:
    mido = _mido()
    file = mido.MidiFile(ticks_per_beat=TICKS)
    changes = [(place, mido.MetaMessage("set_tempo", tempo=round(6e7 / tempo))) for place, tempo in tempos]
    file.tracks.append(_track((round(place * TICKS), change) for place, change in changes))
    for number, (name, strokes) in enumerate(tracks.items()):
        channel = CHANNELS[number % len(CHANNELS)]
        messages = [
            (0, mido.MetaMessage("track_name", name=name)),
            (0, mido.Message("program_change", channel=channel, program=program)),
        ]
        for onset, offset, pitch, velocity in strokes:
            stroke = {"channel": channel, "note": pitch}
            messages.append((onset, mido.Message("note_on", velocity=velocity, **stroke)))
            messages.append((max(onset + 1, offset), mido.Message("note_off", velocity=0, **stroke)))
        file.tracks.append(_track(messages))
    file.save(str(path))


def _track(messages: Iterable[tuple[int, Any]]) -> Any:
    """A mido track of (tick, message) pairs; at equal ticks, note-ons come last."""
    mido = _mido()
    track, now = mido.MidiTrack(), 0
    for tick, message in sorted(messages, key=lambda pair: (pair[0], pair[1].type == "note_on")):
        track.append(message.copy(time=tick - now))
        now = tick
    return track


def _mido() -> Any:
    return required("mido", "MIDI files need mido: pip install mido")

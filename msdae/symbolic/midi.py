"""MIDI files: read as they are played or as a score, and written."""

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

LARGEST = 1 << 20  # bytes of a MIDI file; a long piece for piano has a third of it
LONGEST = 86_400.0  # seconds, a day
UNENDING = re.compile(rb"[\x80-\xff]{1024}")  # a number without an end, which takes the parser hours
KEY_SIGNATURE = re.compile(rb"\xff\x59\x02..", re.DOTALL)  # of no use here, and mido refuses odd ones
FIX = "give a standard MIDI file"
TEMPO = 120.0  # quarter notes a minute where a file says none
SUSTAIN = 64  # MIDI's number of the pedal
DRUMS = 9  # their channel, counted from 0
BEND_RANGE = 2.0  # semitones that the pitch wheel reaches where a file does not say it
LEAST_BEND = 0.1  # semitones; a wheel that says less leaves a note on its key
MOST_CHANGES = 500  # of the wheel or of volume during one note that are looked at, the first ones
SELECT, OTHERS, NOTHING = (101, 100), (99, 98), (127, 127)  # select a parameter; one of no standard; none
VALUE, FINE = 6, 38  # of the parameter that is selected: of (0, 0) the wheel's semitones, and cents
RESET = 121  # puts all controllers at rest
VOLUME, EXPRESSION = 7, 11
REST = {VOLUME: 100, EXPRESSION: 127}  # where these pedals are until a file moves them
CHANNELS = [number for number in range(16) if number != DRUMS]
TICKS = 960  # a quarter note in the files that are written; at 120 a minute one tick is 0.5 ms
Channel = tuple[int, int]  # port and number
Key = tuple[Channel, int]  # and its MIDI pitch


class _Stroke(NamedTuple):
    """A key while it is down; times in ticks."""

    onset: int
    offset: int
    pitch: int
    velocity: int


class _Keys:
    """The keys of a track: while they are down, and the strokes that have ended.

    Of several strokes on one key the first ends first. A stroke without an end lasts to the last end on its
    key, or to the end of the track.

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
    """What the tracks of a file play together; times in ticks.

    Attributes:
        resolution: ticks of a quarter note.
        parts: the strokes of each track, channel and program.
        pedals: when the pedal of each channel goes down (True) or up.
        controls: what each channel is told of its pitch wheel and other controllers, as mido's messages, and
            when.
        tempos: where each tempo begins in quarter lengths, the first at 0, and quarter notes a minute.
    """

    def __init__(self, resolution: int, tracks: Iterable[Any]):
        self.resolution = resolution
        self.parts: dict[tuple[int, Channel, int], list[_Stroke]] = defaultdict(list)
        self.pedals: dict[Channel, list[tuple[int, bool]]] = defaultdict(list)
        self.controls: dict[Channel, list[tuple[int, Any]]] = defaultdict(list)
        changes: list[tuple[int, int]] = []  # ticks, and microseconds of a quarter note
        for number, track in enumerate(tracks):
            changes += self._add(number, track)
        tempos = {0: TEMPO}
        for tick, microseconds in sorted(changes, key=lambda change: change[0]):
            tempos[tick] = 6e7 / microseconds if microseconds else 0.0
        places = [(tick / resolution, tempo) for tick, tempo in tempos.items()]
        self.tempos: Tempos = places[:1] + [new for old, new in pairwise(places) if new[1] != old[1]]
        check_tempos(self.tempos)
        for events in (*self.pedals.values(), *self.controls.values()):
            events.sort(key=lambda event: event[0])

    def _add(self, number: int, track: Iterable[Any]) -> list[tuple[int, int]]:
        """Add the strokes, pedals and controls of mido's track; return its changes of the tempo."""
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
            elif message.type == "control_change" and message.control == SUSTAIN:
                self.pedals[port, message.channel].append((tick, message.value >= 64))
            elif message.type in ("pitchwheel", "control_change"):
                self.controls[port, message.channel].append((tick, message))
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
    """The notes of a MIDI file, by onset.

    drums: whether notes of the drum channel count too. pedal: whether the sustain pedal holds notes.
    controls: whether the pitch wheel moves notes, and the volume and expression of their channel make them
        softer or louder, each by what they say for most of the time that its key is down; pitches may have
        fractions then.

    Raises:
        UserError: not a readable MIDI file, one with an impossible tempo, or larger or longer than music is.
    """
    song = _read(path)
    time = clock(song.tempos)

    def seconds(tick: int) -> float:
        return round(time(tick / song.resolution), 4)

    played = []
    for (_, channel, _), strokes in song.parts.items():
        if channel[1] == DRUMS and not drums:
            continue
        ends = _ends(strokes, song.pedals[channel] if pedal else [])
        events = song.controls[channel] if controls else []
        bends, gains = _typical(strokes, *_wheel(events)), _typical(strokes, *_volume(events))
        played += zip(strokes, ends, bends, gains, strict=True)
    loudest = max((gain for *_, gain in played), default=1.0)  # what is over 1 would end at velocity 127
    notes = []
    for stroke, end, bend, gain in played:
        pitch = min(127, max(0, stroke.pitch + round(bend, 2))) if abs(bend) >= LEAST_BEND else stroke.pitch
        velocity = max(1, round(stroke.velocity * gain / max(1.0, loudest)))
        notes.append(Note(seconds(stroke.onset), seconds(end), pitch, velocity))
    return sorted(notes)


def read_midi_score(path: str | Path) -> Score:
    """The pitched notes of a MIDI file in quarter lengths, a part for each of its instruments, and all of
    its tempos; raises as `read_midi`."""
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
    except Exception as error:  # what mido raises is of no one family
        reason = " ".join(printable(error).split())[:100] or type(error).__name__
        raise UserError(f"{printable(path)}: not a readable MIDI file ({reason}); {FIX}") from error
    return song


def _ends(strokes: Sequence[_Stroke], pedal: Sequence[tuple[int, bool]]) -> list[int]:
    """When the strokes of a part are no longer heard, in ticks; with the pedal not before it is up or their
    key is struck again, or the last key is up."""
    ends = [stroke.offset for stroke in strokes]
    if not pedal:
        return ends
    times, down = [0], [False]
    for tick, is_down in pedal:
        if is_down != down[-1]:
            times.append(tick)
            down.append(is_down)
    times.append(max(*ends, times[-1]))  # the end of the last hold, where the pedal never goes up
    onsets: dict[int, list[int]] = defaultdict(list)
    for stroke in sorted(strokes):
        onsets[stroke.pitch].append(stroke.onset)
    held = []
    for stroke in strokes:
        index = min(bisect_right(times, stroke.offset), len(down)) - 1
        again = bisect_right(onsets[stroke.pitch], stroke.onset)
        most = min([times[index + 1], *onsets[stroke.pitch][again : again + 1]])
        held.append(max(stroke.offset, most) if down[index] else stroke.offset)
    return held


def _typical(strokes: Sequence[_Stroke], times: Sequence[int], values: Sequence[float]) -> list[float]:
    """The median of values, which hold from their times on, over the time of each stroke of a part."""
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
    """The ticks from which on a channel is bent, the first one 0, and by how many semitones."""
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
    """The ticks from which on a channel is softer or louder, the first one 0, and its velocities' factor."""
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
    """Write `notes` as one track of the General MIDI program (0-127)."""
    ticks = TICKS * TEMPO / 60  # a second
    strokes = [_Stroke(round(n.onset * ticks), round(n.offset * ticks), n.pitch, n.velocity) for n in notes]
    _write(path, {name: strokes}, program, [(0.0, TEMPO)])


def write_midi_score(path: str | Path, score: Score, program: int = 0) -> None:
    """Write the score with its tempos: a track for each part, all of the General MIDI program (0-127)."""
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
    """mido's track of the messages and the ticks at which they come; of one tick, ends of notes first."""
    mido = _mido()
    track, now = mido.MidiTrack(), 0
    for tick, message in sorted(messages, key=lambda pair: (pair[0], pair[1].type == "note_on")):
        track.append(message.copy(time=tick - now))
        now = tick
    return track


def _mido() -> Any:
    return required("mido", "MIDI files need mido: pip install mido")

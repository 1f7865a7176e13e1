"""Small files that cases are made of, by name: sound, whole and broken in every way; see also `trees`."""

import atexit
import functools
import os
import shutil
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

RATE = 44100
MAKERS: dict[str, Callable[[Path], None]] = {}  # by name in the cases: makes the file at a path
BESIDE: dict[str, tuple[str, bytes | None]] = {}  # what lies beside a file: name and bytes, None for a folder
NAMES = {  # what a file is called, where its name in the cases does not say it
    "newline.wav": "a\nb.wav",
    "dollar.wav": "$HOME $x$.wav",
    "percent.wav": "%s%n%d{}.wav",
    "dash.wav": "./-rf.wav",
    "hidden.wav": ".hidden.wav",
    "space.wav": "a b.wav",
    "latin1.wav": os.fsdecode(b"caf\xe9.wav"),
    "unicode.wav": "Ünïcödé 音楽 🎵.wav",
    "long-name.wav": "n" * 251 + ".wav",
    "equals.wav": "a=b.wav",
    "bracket.wav": "[ab]*?.wav",
    "quote.wav": 'it\'s "x".wav',
}


def put(name: str, place: Path) -> str:
    """Put the file or folder `name` into `place`, unless it is there; returns its name there."""
    shown = NAMES.get(name, name)
    path = place / shown
    if not os.path.lexists(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if name in SPECIAL:
            MAKERS[name](path)
        elif (original := _made(name)).is_dir():
            shutil.copytree(original, path, symlinks=True)
        else:
            shutil.copy2(original, path)
        if name in BESIDE:
            beside, data = BESIDE[name]
            (place / beside).mkdir() if data is None else (place / beside).write_bytes(data)
    return shown


@functools.cache
def _shelf() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="msdae-adversary-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def _made(name: str) -> Path:
    """The original of a file, made once a process."""
    path = _shelf() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    MAKERS[name](path)
    return path


def original(name: str) -> Path:
    """The original of a file, to be read only."""
    return _made(name)


def maker(*names: str):
    """Registers a function of (path) for the files `names`, told by the path's name."""

    def register(make: Callable[[Path], None]) -> Callable[[Path], None]:
        MAKERS.update(dict.fromkeys(names, make))
        return make

    return register


def tone(seconds: float = 1.0, rate: int = RATE, channels: int = 1, level: float = 0.3, pitch: float = 220.0):
    """(samples, channels): a few notes."""
    time = np.arange(int(seconds * rate)) / rate
    steps = 2.0 ** (np.floor(time * 4) % 5 / 6)
    wave = level * np.sin(2 * np.pi * pitch * steps * time) * np.exp(-3 * (time % 0.25))
    return np.repeat(wave[:, None], channels, axis=1)


def sound(
    name: str, waveform=None, rate: int = RATE, subtype: str | None = "PCM_16", form: str | None = None
) -> None:
    """A recording `name` of the library."""

    def make(path: Path) -> None:
        wave = tone(1.0, rate) if waveform is None else waveform
        soundfile.write(path, wave, rate, subtype=subtype, format=form or path.suffix[1:].upper())

    MAKERS[name] = make


def content(name: str, data: bytes | str) -> None:
    """A file `name` of the library with these bytes."""
    MAKERS[name] = lambda path: path.write_bytes(data.encode() if isinstance(data, str) else data)


def derived(name: str, source: str, change: Callable[[bytes], bytes]) -> None:
    """A file `name` of the library that is `source` with changed bytes."""
    MAKERS[name] = lambda path: path.write_bytes(change(_made(source).read_bytes()))


# -- whole recordings

sound("a.wav")
sound("b.wav", tone(1.5, pitch=330.0))
sound("b.flac", tone(1.5, pitch=330.0))
sound("a.ogg", subtype="VORBIS")
sound("a.mp3", subtype="MPEG_LAYER_III")
sound("a.aiff")
sound("a.au")
sound("8k.wav", rate=8000)
sound("1k.wav", rate=1000)
sound("192k.wav", rate=192000)
sound("odd-rate.wav", rate=37123)
sound("8-channels.wav", tone(channels=8))
sound("loud.wav", tone(level=8.0), subtype="FLOAT")
sound("double.wav", subtype="DOUBLE")
sound("u8.wav", subtype="PCM_U8")
sound("24-bit.wav", subtype="PCM_24")
sound("32-bit.wav", subtype="PCM_32")
sound("alaw.wav", subtype="ALAW")
sound("ulaw.wav", subtype="ULAW")
sound("adpcm.wav", subtype="IMA_ADPCM")
sound("rf64.wav", form="RF64")
sound("w64.wav", form="W64")
sound("1-sample.wav", np.full((1, 1), 0.5))
sound("2-samples.wav", np.full((2, 1), 0.5))
sound("100-samples.wav", tone(100 / RATE))
sound("silence.wav", np.zeros((RATE, 1)))
sound("dc.wav", np.full((RATE, 1), 0.5))
sound("full-scale.wav", np.sign(tone(1.0)) * 0.999)
sound("quiet.wav", tone(level=1e-4), subtype="FLOAT")
sound("click.wav", np.eye(RATE, 1) * 0.9)
sound("long.wav", tone(7.0))
derived("mp3-named.wav", "a.mp3", bytes)
derived("wav-named.xyz", "a.wav", bytes)
derived("wav-named.mp3", "a.wav", bytes)
derived("no-suffix", "a.wav", bytes)
derived("garbage-after.wav", "a.wav", lambda data: data + os.urandom(333))
derived("A.WAV", "a.wav", bytes)
for _name in NAMES:
    derived(_name, "a.wav", bytes)

# -- broken ones

content("empty.wav", b"")
content("text.wav", "this is no sound\n" * 50)
content("image.wav", b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
content("zeros.wav", bytes(5000))
content("json.wav", '{"a": 1}')
content("raw.raw", bytes(range(256)) * 100)
content("riff-only.wav", b"RIFF\x00\x00\x00\x00WAVE")
content("id3-only.mp3", b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10))
content("ogg-magic.ogg", b"OggS" + bytes(100))
content("flac-magic.flac", b"fLaC" + bytes(100))
content("m4a.m4a", b"\x00\x00\x00\x20ftypM4A \x00\x00\x00\x00M4A mp42isom" + bytes(200))
content(
    "webm.webm",
    b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm" + bytes(200),
)
sound("nan.wav", np.where(np.arange(RATE)[:, None] == 5000, np.nan, tone()), subtype="FLOAT")
sound("inf.wav", np.where(np.arange(RATE)[:, None] == 5000, np.inf, tone()), subtype="FLOAT")
sound("nan-at-end.wav", np.where(np.arange(RATE)[:, None] == RATE - 1, np.nan, tone()), subtype="FLOAT")
sound("0-samples.wav", np.zeros((0, 1)))
sound("0-samples.flac", np.zeros((0, 1)))
for _form in ("wav", "flac", "ogg", "mp3", "aiff"):
    if f"whole.{_form}" not in MAKERS:
        _kind = {"ogg": "VORBIS", "mp3": "MPEG_LAYER_III"}.get(_form, "PCM_16")
        sound(f"whole.{_form}", tone(2.0), subtype=_kind)
    derived(f"cut.{_form}", f"whole.{_form}", lambda data: data[: len(data) * 6 // 10])
    derived(f"header.{_form}", f"whole.{_form}", lambda data: data[:60])
    derived(f"3-bytes.{_form}", f"whole.{_form}", lambda data: data[:3])
    derived(f"headless.{_form}", f"whole.{_form}", lambda data: data[40:])


def field(offset: int, form: str, value: int) -> Callable[[bytes], bytes]:
    """A change of a number in a header."""

    def change(data: bytes) -> bytes:
        changed = bytearray(data)
        struct.pack_into(form, changed, offset, value)
        return bytes(changed)

    return change


derived("0-channels.wav", "a.wav", field(22, "<H", 0))
derived("65535-channels.wav", "a.wav", field(22, "<H", 65535))
derived("0-hertz.wav", "a.wav", field(24, "<I", 0))
derived("4g-hertz.wav", "a.wav", field(24, "<I", 2**32 - 1))
derived("7-hertz.wav", "a.wav", field(24, "<I", 7))
derived("0-bits.wav", "a.wav", field(34, "<H", 0))
derived("codec-9999.wav", "a.wav", field(20, "<H", 9999))
derived("4g-data.wav", "a.wav", field(40, "<I", 2**32 - 2))
derived("4g-format.wav", "a.wav", field(16, "<I", 2**32 - 2))

# -- what is no file with bytes in it

SPECIAL = {
    "folder",
    "folder.wav",
    "fifo",
    "fifo.wav",
    "loop.wav",
    "link.wav",
    "dangling.wav",
    "socket.wav",
    "linked-folder",
}
MAKERS["folder"] = MAKERS["folder.wav"] = Path.mkdir
MAKERS["fifo"] = MAKERS["fifo.wav"] = lambda path: os.mkfifo(path)
MAKERS["loop.wav"] = lambda path: path.symlink_to(path.name)
MAKERS["link.wav"] = lambda path: path.symlink_to(put("a.wav", path.parent))
MAKERS["dangling.wav"] = lambda path: path.symlink_to("nowhere.wav")


@maker("hard.wav")
def _hard(path: Path) -> None:
    os.link(path.parent / put("a.wav", path.parent), path)


@maker("socket.wav")
def _socket(path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as place:
        before = os.getcwd()
        os.chdir(path.parent)
        place.bind(path.name)
        os.chdir(before)


SPECIAL.add("hard.wav")

derived("a.png", "a.wav", bytes)
derived("a.svg", "a.wav", bytes)


def within(*keys: str, value: Any = ...) -> Callable[[Any], None]:
    """A change of a document that sets the value under `keys`, or takes it out."""

    def change(document: Any) -> None:
        *above, last = keys
        for key in above:
            document = document[key]
        if value is ...:
            document.pop(last)
        else:
            document[last] = value

    return change

"""Sound in the formats of the web and of phones, whole and cut, encoded by PyAV where it is installed."""

import importlib.util
from pathlib import Path

import numpy as np
from library import MAKERS, RATE, derived, field, tone

HAS_AV = importlib.util.find_spec("av") is not None
LENGTH = 1.0  # seconds of a recording
ENCODED = {  # name: container and codec of FFmpeg, Hz, options of the container
    "f.m4a": ("ipod", "aac", RATE, {}),
    "f-alac.m4a": ("ipod", "alac", RATE, {}),
    "f-fragments.mp4": ("mp4", "aac", RATE, {"movflags": "frag_keyframe+empty_moov"}),
    "f-fast.mp4": ("mp4", "aac", RATE, {"movflags": "faststart"}),
    "f.aac": ("adts", "aac", RATE, {}),
    "f.webm": ("webm", "libopus", 48000, {}),
    "f.mka": ("matroska", "pcm_s16le", RATE, {}),
    "f.opus": ("ogg", "libopus", 48000, {}),
    "f.mp2": ("mp2", "mp2", RATE, {}),
    "f.wma": ("asf", "wmav2", RATE, {}),
    "f.caf": ("caf", "alac", RATE, {}),
}


def _encode(path: Path) -> None:
    import av

    kind, codec, rate, options = ENCODED[path.name]
    with av.open(str(path), "w", format=kind, options=options) as file:
        stream = file.add_stream(codec, rate=rate, layout="mono", bit_rate=128_000)
        samples = np.round(tone(LENGTH, rate)[:, 0] * 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(format=stream.format, layout="mono", rate=rate)
        for block in resampler.resample(frame):
            file.mux(stream.encode(block))
        file.mux(stream.encode(None))


def _without_total(data: bytes) -> bytes:
    """FLAC whose header does not know its length, as of a pipe."""
    return data[:21] + bytes([data[21] & 0xF0]) + bytes(4) + data[26:]


def _without_header(data: bytes) -> bytes:
    """MP3 without the frame that tells its length."""
    return data[data.index(b"\xff\xfb", data.index(b"Info") if b"Info" in data else data.index(b"Xing")) :]


def _cut(data: bytes) -> bytes:
    return data[: len(data) * 6 // 10]


TAG = b"ID3\x04\x00\x00\x00\x00\x02\x00" + bytes(256)
WHOLE = {  # name: seconds
    "f-headerless.mp3": LENGTH,
    "f-tagged.mp3": LENGTH,
    "f-joined.mp3": 2 * LENGTH,
    "f-unknown.flac": 2 * LENGTH,
    "f-tagged.flac": 2 * LENGTH,
    "f-chained.flac": 4 * LENGTH,
    "f-chained.ogg": 2 * LENGTH,
    "f-pipe.wav": LENGTH,
    "f-unclosed.wav": LENGTH,
}
derived("f-headerless.mp3", "a.mp3", _without_header)
derived("f-tagged.mp3", "a.mp3", lambda data: TAG + data)
derived("f-joined.mp3", "a.mp3", lambda data: data + TAG + data)
derived("f-unknown.flac", "whole.flac", _without_total)
derived("f-tagged.flac", "whole.flac", lambda data: TAG + data)
derived("f-chained.flac", "whole.flac", lambda data: data + data)
derived("f-chained.ogg", "a.ogg", lambda data: data + data)
derived("f-pipe.wav", "a.wav", lambda data: field(40, "<I", 2**32 - 1)(field(4, "<I", 2**32 - 1)(data)))
derived("f-unclosed.wav", "a.wav", lambda data: field(40, "<I", 0)(field(4, "<I", 0)(data)))
CUT = ["f-chained.ogg", "f-unknown.flac", "f-chained.flac"]
if HAS_AV:
    MAKERS |= dict.fromkeys(ENCODED, _encode)
    WHOLE |= dict.fromkeys(ENCODED, LENGTH)
    CUT += ["f.m4a", "f-alac.m4a", "f-fragments.mp4", "f-fast.mp4", "f.webm", "f.mka", "f.opus"]
for _name in WHOLE:
    derived(f"cut-{_name}", _name, _cut)
    derived(f"head-{_name}", _name, lambda data: data[:40])

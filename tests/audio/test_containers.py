"""Lengths of files in chunks: those of 4 GB and more, those that a pipe's writer left open, cut files."""

import os
import struct

import numpy as np
import pytest
import soundfile

from msdae import audio
from msdae.audio import containers
from msdae.errors import UserError

RATE = 44100
LARGE = 5 << 30  # bytes of samples
FORMAT = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
END = np.full(1000, 1 << 14, "<i2").tobytes()  # 0.5


def riff(total: int, samples: int) -> bytes:
    return b"RIFF" + struct.pack("<I", total) + b"WAVE" + FORMAT + b"data" + struct.pack("<I", samples)


def rf64(samples: int, magic: bytes = b"RF64") -> bytes:
    sizes = struct.pack("<4sIQQQI", b"ds64", 28, samples + 72 if samples else 0, samples, samples // 2, 0)
    return magic + b"\xff\xff\xff\xffWAVE" + sizes + FORMAT + b"data\xff\xff\xff\xff"


HEADERS = {
    "wrapped": lambda size: riff((size + 36) % 2**32, size % 2**32),
    "zero": lambda size: riff(0, 0),
    "all bits": lambda size: riff(2**32 - 1, 2**32 - 1),
    "signed": lambda size: riff(2**31 - 1, 2**31 - 4096),
    "RF64": rf64,
    "RF64 left open": lambda size: rf64(0),
    "BW64": lambda size: rf64(size, b"BW64"),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_more_than_four_gigabytes_are_read_to_their_end(tmp_path, kind):
    path = tmp_path / "large.wav"
    with open(path, "wb") as file:  # sparse: takes no space
        file.write(HEADERS[kind](LARGE))
        file.truncate(file.tell() + LARGE - len(END))
        file.seek(0, os.SEEK_END)
        file.write(END)
    recording = audio.open_recording(path)
    assert recording.samples == LARGE // 2
    assert recording.part(recording.samples - 1500, 1500).tolist() == 500 * [0] + 1000 * [0.5]
    assert (next(recording.blocks()) == 0).all()


@pytest.mark.parametrize("kind", [kind for kind in HEADERS if kind != "wrapped"])
def test_a_small_file_whose_length_was_left_open_is_read_whole(tmp_path, kind):
    (tmp_path / "a.wav").write_bytes(HEADERS[kind](len(END)) + END)
    assert audio.read(tmp_path / "a.wav").tolist() == 1000 * [0.5]


def test_all_bits_for_the_samples_alone(tmp_path):
    """The size of the whole is right, that of the samples was left open."""
    (tmp_path / "a.wav").write_bytes(riff(36 + len(END), 2**32 - 1) + END)
    assert audio.read(tmp_path / "a.wav").tolist() == 1000 * [0.5]


def test_chunks_after_the_samples_are_no_samples(tmp_path):
    rest = b"LIST\x04\0\0\0INFO"
    header = riff(36 + len(END) + len(rest), len(END))
    (tmp_path / "a.wav").write_bytes(header + END + rest)
    assert audio.open_recording(tmp_path / "a.wav").samples == 1000


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ((0, 0, 0, 60, 0, 0, 0, 1, 0, 7, 0, 30, 90, 0, 0), (60, (30, 90))),
        ((0, 0, 0, 60, 0, 0, 0, 2, 0, 7, 0, 30, 90, 0, 0, 8, 0, 40, 80, 0, 0), (60, (30, 90))),
        ((0, 0, 0, 48, 1 << 31, 0, 0, 0, 0), (48.5, None)),
        ((0, 0, 0, 60, 0, 0, 0, 1, 0), (60, None)),
        ((0, 0, 0, 60), (None, None)),
    ],
    ids=["one", "first of two", "none", "cut", "cut before"],
)
def test_pitch_and_loop_of_a_wav_are_in_its_chunk_for_samplers(tmp_path, fields, said):
    chunk = struct.pack(f"<4sI{len(fields)}I", b"smpl", 4 * len(fields), *fields)
    path = tmp_path / "a.wav"
    path.write_bytes(riff(36 + len(END) + len(chunk), len(END)) + END + chunk)
    with open(path, "rb") as file:
        assert containers.sampling(file) == said
    path.write_bytes(riff(36 + len(END), len(END)) + END)
    with open(path, "rb") as file:
        assert containers.sampling(file) == (None, None)


@pytest.mark.parametrize("kind", ["WAV", "RF64", "W64", "AIFF", "CAF", "AU", "FLAC", "OGG", "MP3"])
@pytest.mark.parametrize("kept", [0.5, 0.999])
def test_a_file_cut_short_is_refused(tmp_path, kind, kept):
    """Fault F3: half an AIFF was read as a whole."""
    path = tmp_path / "cut"
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 3 * RATE)
    soundfile.write(path, noise, RATE, format=kind)
    assert audio.open_recording(path).samples == len(noise)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(UserError, match="cut short|not a readable recording"):
        audio.read(path)


def test_a_file_that_ends_before_its_samples_is_cut_short(tmp_path):
    (tmp_path / "a.wav").write_bytes(riff(2036, 2000)[:40])
    with pytest.raises(UserError, match="cut short"):
        audio.open_recording(tmp_path / "a.wav")


@pytest.mark.parametrize(("position", "value"), [(22, 0), (22, 0xFFFF), (24, 0), (24, 0xFFFFFFFF), (34, 0)])
def test_a_header_that_cannot_be_true_is_refused(tmp_path, position, value):
    """No channels, too many, no rate, an absurd one, no bits; none of them takes memory."""
    header = bytearray(riff(36 + len(END), len(END)))
    size = 4 if position == 24 else 2
    header[position : position + size] = value.to_bytes(size, "little")
    (tmp_path / "a.wav").write_bytes(header + END)
    with pytest.raises(UserError, match="not a readable recording|sample rate"):
        audio.open_recording(tmp_path / "a.wav")

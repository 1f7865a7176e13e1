"""FLAC whose writer could not tell its length, and joined files."""

import numpy as np
import pytest
import soundfile
import torch

from msdae import audio
from msdae.audio import flac
from msdae.errors import UserError


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    """The bytes of a FLAC file of so many samples of noise."""

    def encode(samples: int, loudness: float = 0.5, rate: int = 44100) -> bytes:
        path = tmp_path_factory.mktemp("flac") / "a.flac"
        soundfile.write(path, np.random.default_rng(0).uniform(-loudness, loudness, samples), rate)
        return path.read_bytes()

    return encode


def open_ended(data: bytes) -> bytes:
    """As FFmpeg writes it to a pipe: no number of samples, no largest frame, no checksum."""
    return data[:12] + bytes(6) + data[18:21] + bytes([data[21] & 0xF0]) + bytes(20) + data[42:]


@pytest.mark.parametrize("samples", [1, 4096, 100_000, 700_000])
def test_a_length_that_the_header_does_not_tell(tmp_path, stream, samples):
    data = stream(samples)
    (tmp_path / "a.flac").write_bytes(data)
    (tmp_path / "piped.flac").write_bytes(open_ended(data) + b"TAG" + bytes(125))
    recording = audio.open_recording(tmp_path / "piped.flac")
    assert recording.samples == samples
    whole = audio.read(tmp_path / "a.flac")
    assert torch.equal(audio.read(tmp_path / "piped.flac"), whole)
    assert torch.equal(recording.part(samples // 2, 1), whole[samples // 2 :][:1])


@pytest.mark.parametrize("change", [lambda data: data, open_ended])
@pytest.mark.parametrize("samples", [50_000, 700_000])
def test_joined_files_are_read_one_after_the_other(tmp_path, stream, samples, change):
    """Fault F3: the second and all others were left out, also where all are of one length."""
    data = change(stream(samples))
    (tmp_path / "a.flac").write_bytes(data)
    (tmp_path / "joined.flac").write_bytes(data + change(stream(1000)) + data)
    (tmp_path / "twice.flac").write_bytes(data + data)
    assert audio.open_recording(tmp_path / "a.flac").samples == samples
    assert audio.open_recording(tmp_path / "twice.flac").samples == 2 * samples
    joined = audio.read(tmp_path / "joined.flac")
    assert len(joined) == 2 * samples + 1000
    assert torch.equal(joined[-samples:], audio.read(tmp_path / "a.flac"))


def test_a_large_file_is_not_searched(tmp_path, stream, monkeypatch):
    """Opening reads its headers and its end only."""
    (tmp_path / "a.flac").write_bytes(stream(700_000))
    monkeypatch.setattr(flac, "_starts", None)
    assert audio.open_recording(tmp_path / "a.flac").samples == 700_000


def test_half_of_an_open_ended_file_is_refused(tmp_path, stream):
    data = open_ended(stream(100_000))
    (tmp_path / "a.flac").write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match="not a readable recording|cut short"):
        audio.read(tmp_path / "a.flac")
    (tmp_path / "a.flac").write_bytes(data[:60])
    with pytest.raises(UserError, match="no complete frame"):
        audio.open_recording(tmp_path / "a.flac")

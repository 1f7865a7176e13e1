"""MP3 without a header, with one, joined: all of it, and no more."""

import numpy as np
import pytest
import soundfile
import torch

from msdae import audio
from msdae.errors import UserError

TAG = b"ID3\x04\0\0\0\0\x02\x01" + bytes(257)


@pytest.fixture(scope="module")
def mp3(tmp_path_factory):
    """(bytes with LAME's header, bytes of its frames of sound alone) by rate."""

    def encode(rate: int, seconds: float = 4, silent: float = 0) -> tuple[bytes, bytes]:
        path = tmp_path_factory.mktemp("mp3") / "a.mp3"
        noise = np.random.default_rng(0).uniform(-0.3, 0.3, round(seconds * rate))
        noise[: round(silent * rate)] = 0
        soundfile.write(path, noise, rate, bitrate_mode="VARIABLE", compression_level=0.3)
        data = path.read_bytes()
        header = min(at for at in (data.find(b"Xing"), data.find(b"Info")) if at >= 0)
        return data, data[data.index(b"\xff\xfb" if rate > 24000 else b"\xff\xf3", header) :]

    return encode


@pytest.mark.parametrize("rate", [44100, 22050])
def test_without_a_header_every_frame_is_read(tmp_path, mp3, rate):
    """Fault F3: the length was estimated from the first frame, which is silent here."""
    whole, bare = mp3(rate, silent=2)
    for name, data in (("whole", whole), ("bare", bare), ("tagged", TAG + bare + b"TAG" + bytes(125))):
        (tmp_path / name).write_bytes(data)
    known = audio.open_recording(tmp_path / "whole", rate)
    assert known.samples == 4 * rate
    for name in ("bare", "tagged"):
        recording = audio.open_recording(tmp_path / name, rate)
        waveform = audio.read(tmp_path / name, rate)
        delay = 576 + 529  # of encoder and decoder, which only a header tells
        assert len(waveform) == recording.samples >= 4 * rate + delay
        assert len(waveform) % (1152 if rate > 24000 else 576) == 0
        torch.testing.assert_close(waveform[delay : delay + 4 * rate], audio.read(tmp_path / "whole", rate))


def test_a_header_that_does_not_tell_the_delays_costs_no_sample(tmp_path, mp3):
    whole, bare = mp3(44100)
    (tmp_path / "bare").write_bytes(bare)
    (tmp_path / "foreign").write_bytes(whole.replace(b"LAME", b"????").replace(b"Lavf", b"????"))
    torch.testing.assert_close(audio.read(tmp_path / "foreign"), audio.read(tmp_path / "bare"))


def test_joined_files_are_read_one_after_the_other(tmp_path, mp3):
    whole, bare = mp3(44100)
    for name, data in (("whole", whole), ("bare", bare), ("joined", whole + TAG + bare + whole)):
        (tmp_path / name).write_bytes(data)
    one, other = audio.read(tmp_path / "whole"), audio.read(tmp_path / "bare")
    joined = torch.cat([one, other, one])
    recording = audio.open_recording(tmp_path / "joined")
    assert recording.samples == len(joined)
    torch.testing.assert_close(torch.cat(list(recording.blocks())), joined)
    start, samples = len(one) - 1000, len(other) + 2000
    torch.testing.assert_close(recording.part(start, samples), joined[start : start + samples])


def test_files_of_other_rates_are_not_joined(tmp_path, mp3):
    (tmp_path / "a.mp3").write_bytes(mp3(44100)[0] + mp3(22050)[0])
    with pytest.raises(UserError, match="its sample rate changes"):
        audio.open_recording(tmp_path / "a.mp3")


def test_fewer_frames_than_the_header_tells_are_refused(tmp_path, mp3):
    (tmp_path / "a.mp3").write_bytes(mp3(44100)[0][:-2000])
    with pytest.raises(UserError, match="cut short .its header promises 1.. frames"):
        audio.open_recording(tmp_path / "a.mp3")


def test_damaged_bytes_between_frames_are_passed_over(tmp_path, mp3):
    bare = mp3(44100)[1]
    middle = bare.index(bare[:2], len(bare) // 2)
    (tmp_path / "a.mp3").write_bytes(bare[:middle] + bytes(3000) + bare[middle:])
    assert len(audio.read(tmp_path / "a.mp3")) >= 4 * 44100

import struct

import numpy as np
import pytest

from msdae.commands import convert_patches
from msdae.errors import UserError
from msdae.synthesis import gus, sampler

RATE = 22050
SINE = (12000 * np.sin(2 * np.pi * 440 * np.arange(3 * RATE) / RATE)).astype("<i2")


def patch(path, *samples):
    """A patch of samples (bytes, mode, root in Hz, start and end of the loop in bytes)."""
    data = b"GF1PATCH110".ljust(gus.FILE, b"\0") + bytes(gus.INSTRUMENT)
    data += bytes([0] * gus.COUNT + [len(samples)]).ljust(gus.LAYER, b"\0")
    for waveform, mode, root, start, end in samples:
        numbers = struct.pack("<IIIHIII", len(waveform), start, end, RATE, 0, 0, round(1000 * root))
        header = (bytes(8) + numbers).ljust(55, b"\0") + bytes([mode])
        data += header.ljust(gus.SAMPLE, b"\0") + waveform
    path.write_bytes(data)
    return path


def test_samples_of_all_kinds_say_the_same(tmp_path):
    narrow = (SINE // 256).astype("i1")
    kinds = (
        (SINE.tobytes(), gus.WIDE, 440, 0, 0),
        ((SINE.astype(np.int32) + 32768).astype("<u2").tobytes(), gus.WIDE | gus.UNSIGNED, 220, 0, 0),
        (narrow.tobytes(), gus.LOOPED, 880, 100, 200),
        ((narrow.astype(np.int16) + 128).astype("u1").tobytes(), gus.UNSIGNED, 110, 0, 0),
    )
    samples = gus.read(patch(tmp_path / "a.pat", *kinds))
    assert [sample.key for sample in samples] == [45, 57, 69, 81]
    assert [sample.loop for sample in samples] == [None, None, None, (100, 199)]
    assert all(np.abs(sample.waveform - SINE.astype(np.int32)).max() < 256 for sample in samples)
    assert np.array_equal(samples[1].waveform, SINE) and np.array_equal(samples[2].waveform, SINE)


def test_patches_play_in_tune_and_go_on_where_they_loop(tmp_path, capsys):
    short = SINE[:RATE].tobytes()
    patch(tmp_path / "073_Flute.pat", (short, gus.WIDE | gus.LOOPED, 440, RATE, 2 * RATE))
    patch(tmp_path / "024_Guitar.pat", (SINE.tobytes(), gus.WIDE | gus.LOOPED, 440, RATE, 2 * RATE))
    patch(tmp_path / "025_GUITAR.PAT", (short[: RATE // 2], gus.WIDE, 440, 0, 0))
    convert_patches.main([str(tmp_path), "--out", str(tmp_path / "sfz")])
    assert "wrote 2 of 3 instruments" in capsys.readouterr().out
    guitar, flute = sampler.instruments(tmp_path / "sfz")
    played = [sampler.render([(0.0, 4.0, 72, 100)], one, 5 * 44100) for one in (guitar, flute)]
    assert abs(played[1][44100:88200]).max() > 0.1 and abs(played[1][3 * 44100 : 4 * 44100]).max() > 0.1
    assert abs(played[0][: 2 * 44100]).max() > 0.1 and not played[0][3 * 44100 :].any()
    spectrum = np.abs(np.fft.rfft(played[1][44100:88200]))
    assert abs(int(spectrum.argmax()) - 523) <= 1


def test_a_sample_between_two_keys_plays_in_tune(tmp_path):
    root = 440 * 2 ** (0.3 / 12)
    sine = (12000 * np.sin(2 * np.pi * root * np.arange(3 * RATE) / RATE)).astype("<i2").tobytes()
    path = patch(tmp_path / "073_Flute.pat", (sine, gus.WIDE | gus.LOOPED, root, RATE, 2 * RATE))
    gus.convert(path, tmp_path / "sfz")
    (flute,) = sampler.instruments(tmp_path / "sfz")
    played = sampler.render([(0.0, 2.0, 69, 100)], flute, 2 * 44100)[44100:]
    assert abs(int(np.abs(np.fft.rfft(played)).argmax()) - 440) <= 1


@pytest.mark.parametrize(
    "damage", [lambda data: b"RIFF" + data, lambda data: data[:-1], lambda data: data[:150]]
)
def test_what_is_no_whole_patch_is_refused(tmp_path, damage):
    path = patch(tmp_path / "a.pat", (SINE.tobytes(), gus.WIDE, 440, 0, 0))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match="a.pat: damaged"):
        gus.read(path)
    with pytest.raises(UserError, match="no patches"):
        convert_patches.main([str(tmp_path / "none"), "--out", str(tmp_path / "out")])

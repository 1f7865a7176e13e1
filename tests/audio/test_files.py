"""Sound in and out: what is read, what is refused, and that files appear complete or not at all."""

import os

import numpy as np
import pytest
import soundfile
import soxr
import torch

from msdae import audio, files
from msdae.errors import UserError

RATE = 44100


@pytest.fixture(scope="module")
def tone():
    time = torch.arange(2 * RATE) / RATE
    return 0.5 * torch.sin(2 * torch.pi * 440 * time)


@pytest.mark.parametrize("suffix, subtype, tolerance", [
    ("wav", "PCM_U8", 1e-2),
    ("wav", "PCM_16", 1e-4),
    ("wav", "PCM_24", 1e-6),
    ("wav", "FLOAT", 1e-7),
    ("wav", "DOUBLE", 1e-7),
    ("flac", "PCM_16", 1e-4),
    ("ogg", "VORBIS", 0.05),
    ("mp3", "MPEG_LAYER_III", 0.05),
])  # fmt: skip
def test_reads_formats_and_bit_depths(tmp_path, tone, suffix, subtype, tolerance):
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, tone.numpy(), RATE, subtype=subtype)
    waveform = audio.read(path)
    assert waveform.shape == tone.shape and waveform.dtype == torch.float32
    torch.testing.assert_close(waveform, tone, atol=tolerance, rtol=0)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 37777, 44056, 48000, 96000, 192000])
def test_any_rate_keeps_pitch_and_length(tmp_path, rate):
    frames = 2 * rate + 13
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(frames) / rate)
    soundfile.write(tmp_path / "tone.wav", tone, rate, subtype="FLOAT")
    waveform = audio.read(tmp_path / "tone.wav")
    assert len(waveform) == round(frames * RATE / rate)
    expected = 0.5 * torch.sin(2 * torch.pi * 440 * torch.arange(len(waveform)) / RATE)
    inner = slice(1000, -1000)  # the sinc sees silence outside the recording
    torch.testing.assert_close(waveform[inner], expected[inner], atol=5e-3, rtol=0)


def test_channels_become_their_mean(tmp_path):
    channels = np.random.default_rng(0).uniform(-0.5, 0.5, (5000, 6)).astype(np.float32)
    soundfile.write(tmp_path / "six.wav", channels, RATE, subtype="FLOAT")
    torch.testing.assert_close(audio.read(tmp_path / "six.wav"), torch.from_numpy(channels.mean(1)))


def test_blocks_of_a_recording_are_its_whole(tmp_path):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 10 * 48000 + 7).astype(np.float32)
    soundfile.write(tmp_path / "noise.wav", noise, 48000, subtype="FLOAT")
    recording = audio.open_recording(tmp_path / "noise.wav")
    blocks = list(recording.blocks())
    assert len(blocks) > 2
    whole = torch.from_numpy(soxr.resample(noise, 48000, RATE, "VHQ"))
    joined = torch.cat(blocks)
    assert len(joined) == recording.samples
    torch.testing.assert_close(joined, whole[: len(joined)], atol=1e-6, rtol=0)


def test_one_sample_is_a_recording(tmp_path):
    soundfile.write(tmp_path / "one.wav", np.array([0.5]), RATE, subtype="FLOAT")
    assert audio.read(tmp_path / "one.wav").tolist() == [0.5]


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_a_truncated_file_is_refused(tmp_path, suffix):
    path = tmp_path / f"cut.{suffix}"
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 3 * RATE)
    soundfile.write(path, noise, RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match="cut short|not a readable recording") as refusal:
        audio.read(path)
    assert str(path) in str(refusal.value)


def test_a_wav_of_unknown_length_is_read(tmp_path, tone):
    """As a program writes that cannot seek back: sizes of 0xFFFFFFFF."""
    path = tmp_path / "piped.wav"
    soundfile.write(path, tone.numpy(), RATE, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    torch.testing.assert_close(audio.read(path), tone, atol=1e-4, rtol=0)


def test_a_mislabelled_file_is_read_by_its_content(tmp_path, tone):
    soundfile.write(tmp_path / "tone.flac", tone.numpy(), RATE)
    (tmp_path / "tone.flac").rename(tmp_path / "tone.wav")
    assert len(audio.read(tmp_path / "tone.wav")) == len(tone)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(tmp_path, value):
    samples = np.zeros(1000)
    samples[500] = value
    soundfile.write(tmp_path / "bad.wav", samples, RATE, subtype="FLOAT")
    with pytest.raises(UserError, match="bad.wav: has NaN or infinite samples"):
        audio.read(tmp_path / "bad.wav")


@pytest.mark.parametrize("name, content, reason", [
    ("missing.wav", None, "no such file"),
    ("empty.wav", b"", "not a readable recording"),
    ("text.wav", b"this is text\n" * 500, "not a readable recording"),
    ("noise.mp3", os.urandom(5000), "not a readable recording"),
    ("noise.raw", b"\0" * 5000, "Format not recognised"),
])  # fmt: skip
def test_what_is_no_recording_is_refused(tmp_path, name, content, reason):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{name}: .*{reason}"):
        audio.read(tmp_path / name)


def test_a_recording_without_samples_is_refused(tmp_path):
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), RATE)
    with pytest.raises(UserError, match="has no samples"):
        audio.read(tmp_path / "empty.wav")


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    for path in (tmp_path, tmp_path / "pipe.wav", "/dev/zero"):
        with pytest.raises(UserError, match="is not a file"):
            audio.read(path)
    for name, reason in (("loop.wav", "leads to itself|no such file"), ("x" * 300 + ".wav", "shorter name")):
        with pytest.raises(UserError, match=reason):
            audio.read(tmp_path / name)


def test_a_file_that_may_not_be_read_is_refused(tmp_path, tone, monkeypatch):
    audio.write(tmp_path / "a.wav", tone)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UserError, match="check its permissions"):
        audio.open_recording(tmp_path / "a.wav")


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, tone):
    audio.write(tmp_path / "a.wav", tone)
    recording = audio.open_recording(tmp_path / "a.wav")
    blocks = recording.blocks()
    next(blocks)
    audio.write(tmp_path / "a.wav", tone[:1000])
    for reading in (lambda: list(blocks), lambda: recording.part(0, 10)):
        with pytest.raises(UserError, match="changed since it was opened"):
            reading()


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_names_that_are_no_utf_8(tmp_path, tone, suffix):
    """Fault F4: one such name stopped everything."""
    path = tmp_path / os.fsdecode(b"caf\xe9." + suffix.encode())
    audio.write(path, tone)
    recording = audio.open_recording(path)
    assert recording.samples == len(tone)
    torch.testing.assert_close(recording.part(1000, 50), tone[1000:1050], atol=0.05, rtol=0)
    path.write_bytes(b"text")
    with pytest.raises(UserError) as refusal:
        audio.read(path)
    str(refusal.value).encode()


@pytest.mark.parametrize("suffix, subtype", [("wav", "PCM_24"), ("flac", "PCM_24"), ("ogg", "VORBIS")])
def test_written_files_keep_length_and_rate(tmp_path, tone, suffix, subtype):
    path = tmp_path / f"out.{suffix}"
    audio.write(path, tone)
    info = soundfile.info(path)
    assert (info.frames, info.samplerate, info.channels, info.subtype) == (len(tone), RATE, 1, subtype)


@pytest.mark.parametrize(
    ("waveform", "said"),
    [
        (torch.zeros(2, 9), r"a block of shape \(2, 9\) and torch.float32: give"),
        (torch.zeros(1, 9), r"a block of shape \(1, 9\) and torch.float32: give"),
        (np.zeros((9, 1)), r"a block of shape \(9, 1\) and torch.float64: give"),
        (torch.zeros(9).long(), r"a block of shape \(9,\) and torch.int64: give"),
        ([0.0] * 9, "a block that is a list: give"),
        (torch.tensor([0.0, float("nan")]), "NaN or infinite samples"),
    ],
)
@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_what_is_no_waveform_is_not_written(tmp_path, waveform, said, suffix):
    """Regression: NaN was written, and the rest ended in errors of soundfile."""
    with pytest.raises(UserError, match=f"a.{suffix}: {said}"):
        audio.write(tmp_path / f"a.{suffix}", waveform)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "rate", "subtype", "said"),
    [
        ("a.flac", RATE, "FLOAT", "flac files have no encoding FLOAT; choose"),
        ("a.wav", RATE, "x", "wav files have no encoding x; choose"),
        ("a.ogg", 200_001, None, "ogg files have no sample rate of 200001 Hz; give 200000 at most"),
        ("a.ogg", 0, None, "ogg files have no sample rate of 0 Hz; give"),
    ],
)
def test_formats_that_do_not_exist_are_not_written(tmp_path, name, rate, subtype, said):
    """Regression: at such rates libvorbis ended the process."""
    with pytest.raises(UserError, match=f"{name}: {said}"):
        audio.write(tmp_path / name, torch.zeros(9), rate, subtype)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_numbers_of_any_kind_are_written(tmp_path, tone, suffix):
    path, half = tmp_path / f"a.{suffix}", (tone[:999] * 2**15).round() / 2**15
    whole = (half * 2**31).to(torch.int32)
    same = [half, half.double(), half.numpy(), half.numpy().astype(">f8"), whole, (half * 2**15).short()]
    for waveform in same:
        audio.write(path, waveform)
        assert torch.equal(audio.read(path), half)
    for waveform in (half.half(), half.numpy().astype(np.float16)):
        audio.write(path, waveform)
        torch.testing.assert_close(audio.read(path), half, atol=1e-3, rtol=0)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, tone):
    audio.write(tmp_path / "out.wav", tone)
    before = (tmp_path / "out.wav").read_bytes()

    def interrupted():
        yield tone
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        audio.write_blocks(tmp_path / "out.wav", interrupted())
    assert [path.name for path in tmp_path.iterdir()] == ["out.wav"]
    assert (tmp_path / "out.wav").read_bytes() == before


@pytest.mark.parametrize("name, reason", [
    ("out.mp3", "choose one of these extensions"),
    ("out", "choose one of these extensions"),
    ("absent/out.wav", "does not exist"),
    ("folder.wav", "is a folder"),
])  # fmt: skip
def test_outputs_that_cannot_be_written_are_refused(tmp_path, name, reason):
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(UserError, match=reason):
        audio.check_writable(tmp_path / name)


@pytest.mark.parametrize("name", ["/dev/null", "pipe.wav"])
def test_what_is_no_regular_file_is_not_replaced(tmp_path, name):
    """Fault F6: device files were replaced."""
    path = tmp_path / name  # an absolute name stays as it is
    if not path.exists():
        os.mkfifo(path)
    with pytest.raises(UserError, match="no regular file"):
        files.check_replaceable(path)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
def test_a_disk_that_is_full_only_at_the_end_leaves_the_old_file(tmp_path, tone, suffix, largest):
    """libsndfile does not say so when it closes a file."""
    path = tmp_path / f"a{suffix}"
    audio.write(path, torch.as_tensor(tone))
    before = path.read_bytes()
    for missing in (1, 5000):
        with largest(len(before) - missing), pytest.raises(UserError, match=f"{path}: file too large"):
            audio.write(path, torch.as_tensor(tone))
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]

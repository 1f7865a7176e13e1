"""What FFmpeg writes, to a file and through a pipe, is read whole: as many samples as FFmpeg itself reads."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from msdae import audio
from msdae.audio import decoding
from msdae.errors import UserError

FFMPEG = shutil.which("ffmpeg")
needs_ffmpeg = pytest.mark.skipif(not FFMPEG, reason="there is no ffmpeg to compare with")

# (options of the encoder, whether PyAV is needed to read it)
FILES = {
    "wav 16 bit": ("-f wav", False),
    "wav 24 bit": ("-f wav -c:a pcm_s24le", False),
    "wav float": ("-f wav -c:a pcm_f32le", False),
    "rf64": ("-f wav -rf64 always", False),
    "w64": ("-f w64", False),
    "aiff": ("-f aiff", False),
    "au": ("-f au", False),
    "flac": ("-f flac", False),
    "mp3 constant": ("-f mp3 -b:a 96k", False),
    "mp3 variable": ("-f mp3 -q:a 4", False),
    "mp3 without header": ("-f mp3 -q:a 4 -write_xing 0", False),
    "mp3 without tag": ("-f mp3 -q:a 4 -write_xing 0 -id3v2_version 0", False),
    "mp3 22 kHz": ("-f mp3 -ar 22050 -b:a 32k -ac 1", False),
    "ogg vorbis": ("-f ogg -c:a libvorbis", False),
    "ogg opus": ("-f ogg -c:a libopus", False),
    "ogg flac": ("-f ogg -c:a flac", True),
    "aac": ("-f adts -c:a aac", True),
    "m4a aac": ("-f mp4 -c:a aac -aac_pns 0 -movflags frag_keyframe+empty_moov", True),
    "m4a alac": ("-f mp4 -c:a alac -movflags frag_keyframe+empty_moov", True),
    "webm opus": ("-f webm -c:a libopus", True),
    "webm vorbis": ("-f webm -c:a libvorbis", True),
    "matroska flac": ("-f matroska -c:a flac", True),
    "wma": ("-f asf -c:a wmav2", True),
}
# FFmpeg itself reads nothing of what it has written there: the header says that there are no samples.
LOST = {("aiff", True), ("w64", True), ("rf64", True)}
SAMPLES = 132_301


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    path = tmp_path_factory.mktemp("noise") / "noise.wav"
    audio.write(path, 0.2 * torch.randn(SAMPLES, generator=torch.Generator().manual_seed(0)))
    return path


def encode(source: Path, target: Path, options: str, piped: bool) -> Path:
    command = [FFMPEG, "-loglevel", "error", "-y", "-i", source, "-ac", "2", *options.split()]
    if piped:
        target.write_bytes(subprocess.run([*command, "-"], check=True, stdout=subprocess.PIPE).stdout)
    else:
        subprocess.run([*command, target], check=True)
    return target


def decode(path: Path) -> np.ndarray:
    """(samples,) by FFmpeg, at the file's rate."""
    command = [FFMPEG, "-loglevel", "quiet", "-i", path, "-map", "0:a:0", "-f", "f32le", "-"]
    return np.frombuffer(subprocess.run(command, stdout=subprocess.PIPE).stdout, np.float32)


@needs_ffmpeg
@pytest.mark.parametrize("piped", [False, True], ids=["file", "pipe"])
@pytest.mark.parametrize("name", FILES)
def test_as_many_samples_as_ffmpeg_reads(tmp_path, noise, name, piped):
    """The convention is FFmpeg's: a delay or padding that a header tells is dropped, no more."""
    options, with_pyav = FILES[name]
    if with_pyav:
        pytest.importorskip("av", reason="PyAV is not installed")
    path = encode(noise, tmp_path / "a", options, piped)
    recording = audio.open_recording(path)
    recording = audio.open_recording(path, recording.rate)
    waveform = torch.cat(list(recording.blocks()))
    assert len(waveform) == recording.samples
    if (name, piped) in LOST:
        assert len(waveform) == SAMPLES
        return
    expected = decode(path).reshape(-1, recording.channels)
    assert len(waveform) == len(expected)
    error = np.abs(waveform.numpy() - expected.mean(1)).max()
    assert error < 2e-3  # decoders of Opus and MP3 differ a little
    start = len(waveform) // 2
    torch.testing.assert_close(recording.part(start, 5000), waveform[start : start + 5000], atol=1e-2, rtol=0)


@needs_ffmpeg
@pytest.mark.parametrize("options", ["-f ipod -c:a aac", "-f ipod -c:a alac", "-f mp4 -movflags +faststart"])
@pytest.mark.parametrize("kept", [0.3, 0.999])
def test_an_mp4_cut_short_is_refused(tmp_path, noise, options, kept):
    pytest.importorskip("av", reason="PyAV is not installed")
    path = encode(noise, tmp_path / "a.m4a", options, piped=False)
    assert audio.open_recording(path).samples == len(decode(path)) // 2
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(UserError, match="a.m4a: was cut short"):
        audio.open_recording(path)


@needs_ffmpeg
def test_a_video_is_read_by_its_sound_and_refused_without(tmp_path, noise):
    pytest.importorskip("av", reason="PyAV is not installed")
    picture = ["-f", "lavfi", "-i", "testsrc=d=1:s=64x64"]
    for name, sound in (("sound.mp4", ["-i", noise]), ("silent.mp4", [])):
        subprocess.run([FFMPEG, "-loglevel", "error", *picture, *sound, tmp_path / name], check=True)
    assert audio.open_recording(tmp_path / "sound.mp4").samples == len(decode(tmp_path / "sound.mp4"))
    with pytest.raises(UserError, match="silent.mp4: .*no sound in it"):
        audio.open_recording(tmp_path / "silent.mp4")


def written(path: Path, codec: str, **options: str) -> torch.Tensor:
    """Write 2 s of noise by PyAV; returns it."""
    av = pytest.importorskip("av", reason="PyAV is not installed")
    noise = 0.2 * torch.randn(2 * 44100, generator=torch.Generator().manual_seed(0)).clamp(-3, 3)
    with av.open(path, "w") as file:
        stream = file.add_stream(codec, rate=44100, layout="mono", options=options)
        frame = av.AudioFrame.from_ndarray((noise[None] * 2**15).short().numpy(), "s16p", "mono")
        frame.sample_rate = 44100
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)
    return noise


def test_a_part_of_an_mp4_is_what_its_whole_has_there(tmp_path):
    """Exactly, where the coder does not fill bands with noise of its own."""
    written(tmp_path / "a.m4a", "aac", aac_pns="0")
    recording = audio.open_recording(tmp_path / "a.m4a")
    assert recording.streams[0].origin is not None
    whole = audio.read(tmp_path / "a.m4a")
    for start in (0, 5, 30_000, 60_001, len(whole) - 100):
        assert torch.equal(recording.part(start, 100), whole[start : start + 100])


def test_the_length_of_a_file_is_counted_once(tmp_path, monkeypatch):
    noise = written(tmp_path / "a.m4a", "alac")
    one = audio.open_recording(tmp_path / "a.m4a")
    monkeypatch.setattr(decoding, "_decode", None)
    assert audio.open_recording(tmp_path / "a.m4a").samples == one.samples == len(noise)


def test_the_frames_of_an_mp3_are_walked_once(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "a.mp3", np.zeros(44100), 44100)
    one = audio.open_recording(tmp_path / "a.mp3")
    monkeypatch.setattr(decoding, "parts", None)
    assert audio.open_recording(tmp_path / "a.mp3") == one


def test_without_pyav_one_line_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x08ftyp\0\0\0\x08moov")
    with pytest.raises(UserError, match=r"a.m4a: .*pip install 'msdae\[av\]'") as refusal:
        audio.open_recording(tmp_path / "a.m4a")
    assert "\n" not in str(refusal.value)

"""Windows, seams, lengths, seeds and loudness, on a codec and a model whose results are known exactly."""

import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pyloudnorm
import pytest
import soundfile
import torch

from msdae import audio
from msdae.audio.levels import MODEL_PEAK as LEVEL
from msdae.audio.levels import Levelled
from msdae.audio.loudness import OUTPUT_PEAK, Loudness
from msdae.audio.mel import MelConfig
from msdae.audio.windows import Waveform
from msdae.codecs.base import Codec
from msdae.diffusion.edm import EDM
from msdae.errors import UserError
from msdae.inference.mastering import mastered, write_mastered
from msdae.inference.pipeline import Mix, Pipeline, Sampling, strengths
from msdae.models.autoencoder import Autoencoder
from msdae.models.config import CodecConfig
from msdae.nn.layers import slerp

RATE = 44100
SHARES = (0.5, 0.3, 0.2)  # of each level in what `Echo` denoises to


class Averages(Codec):
    """Latent channel c of a frame is the mean of its c-th 64 samples; held for 64 samples in decoding."""

    name, channels, hop, sample_rate, fingerprint = "averages", 64, 4096, RATE, "averages"

    def encode(self, waveform):
        frames = self.frames(waveform.shape[-1])
        filled = torch.nn.functional.pad(waveform, (0, frames * self.hop - waveform.shape[-1]))
        return filled.view(len(waveform), frames, 64, 64).mean(-1).transpose(1, 2)

    def stream(self, latents):
        return (z.transpose(1, 2).flatten(1).repeat_interleave(64, dim=1) for z in latents)


class Echo(torch.nn.Module):
    """Each level's code is the latent itself; the denoiser gives their sum weighted by SHARES and `noise`."""

    stage, needs_mel, pooled, token_channels, mix = 3, False, (False,) * 3, 0, staticmethod(Autoencoder.mix)
    folder = None  # no file, and no student beside it

    def __init__(self, noise=0.0, scale=1.0):
        super().__init__()
        self.noise, self.scale = noise, scale
        self.anchor = torch.nn.Parameter(torch.zeros(1))
        self.edm = EDM(1.0)
        codec = CodecConfig("averages", fingerprint="averages")
        self.config = SimpleNamespace(codec=codec, mel=MelConfig(), code_channels=(64, 64, 64))

    def encode(self, z, mel):
        return [z, z, z]

    def denoiser(self, codes, guidance, tokens=None):
        wanted = sum(share * code for share, code in zip(SHARES, codes, strict=True))
        return lambda x, sigma: self.scale * wanted + self.noise * x / sigma[:, None, None]


def pipeline(batch=8, seed=0, **model):
    return Pipeline(Echo(**model), Averages(), Sampling(1, "euler", seed=seed, transcription="never"), batch)


def tone(samples, frequency=50.0, level=0.3):
    return level * torch.sin(2 * torch.pi * frequency * torch.arange(samples) / RATE)


def square(samples, half=2048):
    return (torch.arange(samples) // half % 2) * 2.0 - 1


def streamed(rendering, mix):
    return torch.cat(list(rendering.stream(mix)))


def heard(sound):
    """A sound (samples,) at the level at which models hear it."""
    return torch.cat(list(Levelled(Waveform(sound), RATE).blocks()))


@pytest.mark.parametrize("samples", [1, 63, 4096, 4097, 131_072, 131_073, 500_001])
def test_as_long_as_the_melody_source(samples):
    rendered = pipeline(noise=0.1).swap(tone(30_000, 80), tone(samples))
    assert rendered.shape == (samples,) and torch.isfinite(rendered).all()


@pytest.mark.parametrize("frames", [20, 32, 33, 100, 775])
def test_windows_leave_no_trace(frames):
    """A model that gives back its input gives back the codec's own round trip, over every seam."""
    sound, codec = tone(frames * 4096 - 5), Averages()
    round_trip = codec.decode(codec.encode(heard(sound)[None]))[0, : len(sound)]
    torch.testing.assert_close(streamed(pipeline(), Mix(Waveform(sound))), round_trip, atol=1e-5, rtol=0)


def test_codes_come_from_their_sources():
    timbre, melody, codec = tone(450_000, 70), tone(400_000, 40), Averages()
    z_timbre, z_melody = codec.encode(heard(timbre)[None, :400_000]), codec.encode(heard(melody)[None])
    source = Waveform(timbre)
    for levels, strength in [((1,), 1.0), ((1, 3), 1.0), ((2,), 0.5), ((1, 2, 3), 0.0)]:
        mix = Mix(Waveform(melody), dict.fromkeys(levels, source), strength)
        strengths = [strength if level in levels else 0.0 for level in (1, 2, 3)]
        codes = [slerp(z_melody, z_timbre, strength) for strength in strengths]
        expected = codec.decode(sum(share * code for share, code in zip(SHARES, codes, strict=True)))[0]
        frame = 97 * 4096  # the source that goes on after the melody source fills its last frame
        rendered = streamed(pipeline(), mix)
        torch.testing.assert_close(rendered[:frame], expected[:frame], atol=1e-5, rtol=0)


def test_three_sources():
    sounds = [tone(310_000, frequency) for frequency in (40, 60, 87.31)]  # a melody in tune
    first, second, third = (Waveform(sound) for sound in (*sounds[:2], sounds[2][:300_000]))
    codec = Averages()
    heards = (heard(sound)[None, :300_000] for sound in sounds)
    z = sum(share * codec.encode(sound) for share, sound in zip(SHARES, heards, strict=True))
    rendered = streamed(pipeline(), Mix(third, {1: first, 2: second}))
    frame = 73 * 4096  # the sources that go on after the melody source fill its last frame
    torch.testing.assert_close(rendered[:frame], codec.decode(z)[0, :frame], atol=1e-5, rtol=0)


def test_a_file_that_is_given_twice_is_read_once(tmp_path):
    audio.write(tmp_path / "a.wav", tone(200_000, 80), RATE)
    audio.write(tmp_path / "b.wav", tone(200_000, 40), RATE)
    resolved = pipeline().resolved(
        Mix(tmp_path / "b.wav", {1: tmp_path / "a.wav", 3: str(tmp_path / "b.wav")})
    )
    assert resolved.levels[3] is resolved.melody and resolved.keeps(3) and not resolved.keeps(1)


def test_a_short_source_is_looped():
    """A wave goes on, however often it is repeated; only its ends are faded."""
    melody, wave = Waveform(-0.1 * square(600_000, 1000)), Waveform(0.4 * square(50_000, 1000))
    rendered = streamed(pipeline(), Mix(melody, {1: wave}))
    held = rendered.abs() < 1e-4  # both are as loud to the model, and weigh as much
    assert held.float().mean() > 0.98


def test_the_seed_decides_whatever_the_batch():
    sound = tone(900_000)
    rendered = [pipeline(batch, noise=0.1).reconstruct(sound) for batch in (1, 3, 8)]
    torch.testing.assert_close(rendered[0], rendered[1])
    torch.testing.assert_close(rendered[0], rendered[2])
    assert not torch.allclose(rendered[0], pipeline(seed=1, noise=0.1).reconstruct(sound), atol=1e-3)


def test_interpolation_goes_from_melody_to_timbre():
    series = pipeline().interpolate(tone(200_000, 70), tone(200_000, 40), count=3)
    torch.testing.assert_close(series[0], pipeline().reconstruct(tone(200_000, 40)))
    assert len(series) == 3
    assert strengths(5) == [0, 0.25, 0.5, 0.75, 1]


def test_a_model_of_one_level_interpolates():
    """Regression: levels 1 to 3 were asked of a checkpoint of the first stage."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Echo, "stage", 1)
        patch.setattr(Echo, "pooled", (False,))
        patch.setattr(Echo, "encode", lambda self, z, mel: [z])
        patch.setattr(Echo, "denoiser", lambda self, codes, *_, **__: lambda x, sigma: codes[0])
        series = pipeline().interpolate(tone(200_000, 70), tone(200_000, 40), count=2)
    assert len(series) == 2 and not torch.allclose(*series)


def test_loudness_is_the_melody_sources():
    melody = tone(5 * RATE, 300, level=0.1)
    rendered = pipeline(scale=7.0).swap(tone(5 * RATE, 200), melody)
    meter = pyloudnorm.Meter(RATE)
    expected = meter.integrated_loudness(melody.double().numpy())
    assert meter.integrated_loudness(rendered.double().numpy()) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("name", ["out.wav", "out.flac", "out.ogg"])
def test_peaks_stay_under_minus_one_decibel(tmp_path, name):
    loud = tone(3 * RATE, 100).sign() * 0.999
    mastering = pipeline(noise=0.5).render_file(Mix(Waveform(loud)), tmp_path / name)
    peak = audio.read(tmp_path / name).abs().max()
    assert mastering.limited and 0.9 * OUTPUT_PEAK < peak < OUTPUT_PEAK


def clicking(seconds: float, apart: float) -> torch.Tensor:
    """Soft noise with loud clicks."""
    sound = 0.02 * torch.randn(round(seconds * RATE), generator=torch.Generator().manual_seed(0))
    sound[RATE // 3 :: round(apart * RATE)] = 3.0
    return sound


@pytest.mark.parametrize("name", ["out.wav", "out.flac", "out.ogg"])
def test_a_stray_peak_turns_nothing_else_down(tmp_path, name):
    reference, sound = Loudness(RATE), clicking(5, apart=4)
    reference.add(3 * sound.clamp(-0.06, 0.06))
    mastering = write_mastered(tmp_path / name, sound.split(50_000), reference, RATE)
    expected = mastered([sound], reference, RATE)
    assert not mastering.limited and expected.abs().max() < OUTPUT_PEAK
    for made in (expected, audio.read(tmp_path / name)):
        found = Loudness(RATE)
        found.add(made)
        assert found.peak < OUTPUT_PEAK
        assert found.integrated() == pytest.approx(reference.integrated(), abs=0.7 if "ogg" in name else 0.3)


def test_peaks_everywhere_turn_the_whole_down(tmp_path):
    """And what is limited of them is no more than 6 dB."""
    reference, sound = Loudness(RATE), clicking(5, apart=0.05)
    reference.add(tone(5 * RATE, 440))
    mastering = write_mastered(tmp_path / "out.wav", [sound], reference, RATE)
    peak, heard = float(sound.max()), audio.read(tmp_path / "out.wav")
    assert mastering.limited and mastering.gain == pytest.approx(2 * OUTPUT_PEAK / peak, rel=0.01)
    assert heard.max() == pytest.approx(OUTPUT_PEAK, rel=1e-3)


def test_silence_stays_silent():
    rendered = pipeline(noise=0.1).swap(tone(50_000), torch.zeros(200_000))
    assert torch.equal(rendered, torch.zeros(200_000))


def test_a_silent_timbre_source_is_refused_however_it_is_played():
    """Regression: only files of renderings refused it; the page and the Python interface played noise."""
    renderer, melody, silence = pipeline(), tone(50_000), torch.zeros(50_000)
    asked = [
        lambda: renderer.swap(silence, melody),
        lambda: renderer.interpolate(silence, melody, 3),
        lambda: renderer.mixed(Mix(melody, {1: silence}), [1.0]),
        lambda: list(renderer.stream(Mix(melody, {1: tone(50_000), 2: silence}))),
    ]
    for call in asked:
        with pytest.raises(UserError, match="timbre source: nothing can be heard"):
            call()


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_a_rendered_file_is_the_rendered_waveform(tmp_path, suffix):
    mix = Mix(Waveform(tone(300_001, 200)))
    path = tmp_path / f"out.{suffix}"
    mastering = pipeline().render_file(mix, path)
    assert soundfile.info(path).frames == 300_001 and not mastering.limited
    difference = audio.read(path) - pipeline().render(mix)
    assert difference.square().mean().sqrt() < (0.02 if suffix == "ogg" else 1e-6)


def test_a_model_that_fails_leaves_no_file(tmp_path):
    with pytest.raises(UserError, match="NaN"):
        pipeline(scale=float("nan")).render_file(Mix(Waveform(tone(200_000))), tmp_path / "out.wav")
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_leaves_no_file(tmp_path):
    class Interrupted(Averages):
        def stream(self, latents):
            raise KeyboardInterrupt

    rendering = Pipeline(Echo(), Interrupted(), Sampling(steps=1, transcription="never"))
    (tmp_path / "out.wav").write_bytes(b"what was there before")
    with pytest.raises(KeyboardInterrupt):
        rendering.render_file(Mix(Waveform(tone(200_000))), tmp_path / "out.wav")
    assert [path.name for path in tmp_path.iterdir()] == ["out.wav"]
    assert (tmp_path / "out.wav").read_bytes() == b"what was there before"


def test_a_damaged_file_is_refused_before_rendering(tmp_path):
    """Its header is in order; only reading it to the end shows the damage."""
    soundfile.write(tmp_path / "damaged.flac", torch.rand(400_000).numpy() - 0.5, RATE)
    whole = (tmp_path / "damaged.flac").read_bytes()
    middle = len(whole) // 2
    (tmp_path / "damaged.flac").write_bytes(whole[:middle] + bytes(5000) + whole[middle + 5000 :])
    source = audio.open_recording(tmp_path / "damaged.flac")
    with pytest.raises(UserError, match="damaged.flac"):
        pipeline(scale=float("nan")).render_file(Mix(Waveform(tone(1000)), {1: source}), tmp_path / "out.wav")
    assert not (tmp_path / "out.wav").exists()


def test_a_foreign_codec_is_refused():
    codec = Averages()
    codec.fingerprint = "other"
    with pytest.raises(UserError, match="not the one that the model was trained on"):
        Pipeline(Echo(), codec)


def test_bad_settings_are_refused():
    sound = Waveform(tone(1000))
    with pytest.raises(UserError, match="level 4"):
        pipeline().render(Mix(sound, {4: sound}))
    for bad in ({"strength": 1.5}, {"strength": float("nan")}):
        with pytest.raises(UserError):
            Mix(sound, **bad)
    for bad in ({"steps": 0}, {"sampler": "magic"}, {"seed": -1}, {"guidance": (float("inf"),)}):
        with pytest.raises(UserError):
            Sampling(**bad)
    with pytest.raises(UserError, match="count: is 1, expected 2 to"):
        strengths(1)
    with pytest.raises(TypeError, match="a Sampling is needed, not a dict"):
        Pipeline(Echo(), Averages(), {"seed": 1})
    codes = pipeline().encode(sound)
    with pytest.raises(UserError, match="1 seeds for 2 recordings"):
        pipeline().sample([codes, codes], seeds=[1])


def test_arrays_are_taken_wherever_tensors_are():
    sound, made = Waveform(tone(1000)), pipeline()
    codes = made.encode(sound)
    z = made.sample(codes)
    assert torch.equal(made.decode(z.numpy()), made.decode(z))
    level, code = next(iter(codes.levels.items()))
    assert torch.equal(codes.replace(level, code.numpy())[level], code)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory from /proc")
def test_memory_is_flat_and_time_is_linear(tmp_path):
    """Six times the length: less than 50 MB more, and at most twice the time per minute."""
    cost = {}
    for minutes in (1, 6):
        path = tmp_path / f"{minutes}.wav"
        soundfile.write(path, tone(minutes * 60 * 22050).numpy(), 22050)
        script = f"""
            import re, time
            from pathlib import Path
            from msdae import audio
            from msdae.inference.pipeline import Mix
            from tests.inference.test_pipeline import pipeline
            begin = time.process_time()
            source = audio.open_recording({str(path)!r})
            pipeline().render_file(Mix(source, {{1: source}}), Path({str(tmp_path / "out.wav")!r}))
            peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]
            print(time.process_time() - begin, int(peak) / 1024)
        """
        run = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        cost[minutes] = [float(number) for number in run.stdout.split()]
    assert cost[6][0] / 6 <= 2 * cost[1][0]
    assert cost[6][1] - cost[1][1] < 50


@pytest.mark.parametrize(("quiet", "mean"), [(0.5, 0.75), (0.0, 1.0)])
def test_a_pooled_level_is_averaged_over_what_is_heard_of_the_source(quiet, mean):
    """Regression: silence before a sound made another sound of it."""

    class Pooled(Echo):
        pooled = (True, False, False)

        def encode(self, z, mel):
            return [z.abs().mean(dim=-1, keepdim=True), z, z]

    half = 160 * 4096
    timbre = square(2 * half) * torch.cat([torch.full((half,), quiet), torch.ones(half)])
    rendering = Pipeline(Pooled(), Averages(), Sampling(steps=1, sampler="euler", transcription="never"))
    rendered = streamed(rendering, Mix(Waveform(square(2 * half)), {1: Waveform(timbre)})) / LEVEL
    ends = rendered[: half // 4], rendered[-half // 4 :]
    first, last = (end.mean().item() for end in ends)
    assert first == pytest.approx(last, rel=1e-3) and first == pytest.approx(mean * SHARES[0], rel=0.1)

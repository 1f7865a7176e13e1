"""encode, mix, sample and decode, and codecs of any rate, hop and number of channels."""

import dataclasses
import io

import numpy as np
import pytest
import soundfile
import torch
from tqdm import tqdm

from msdae.audio.levels import MODEL_PEAK
from msdae.audio.mel import MelConfig
from msdae.audio.windows import Waveform
from msdae.codecs.base import Codec
from msdae.errors import UserError
from msdae.inference.codes import Codes
from msdae.inference.pipeline import Mix, Pipeline, Sampling
from msdae.models.config import CodecConfig, ModelConfig
from msdae.models.hdae import HDAE
from msdae.models.msdae import MSDAE
from msdae.progress import wholes
from tests.inference.test_pipeline import Averages, Echo, pipeline, square, tone

FAST = Sampling(steps=1, sampler="euler", learn="never", transcription="never")


class Toy(Codec):
    """Latent channel c is the c-th piece of a frame's samples, averaged."""

    name = fingerprint = "toy"

    def __init__(self, channels=64, hop=4096, sample_rate=44100):
        super().__init__()
        self.channels, self.hop, self.sample_rate = channels, hop, sample_rate

    def encode(self, waveform):
        frames = self.frames(waveform.shape[-1])
        filled = torch.nn.functional.pad(waveform, (0, frames * self.hop - waveform.shape[-1]))
        return filled.view(len(waveform), frames, self.channels, -1).mean(-1).transpose(1, 2)

    def stream(self, latents):
        return (
            z.transpose(1, 2).flatten(1).repeat_interleave(self.hop // self.channels, dim=1) for z in latents
        )


def random_model(codec, **sizes):
    """An MSDAE whose codes matter although nothing is trained."""
    torch.manual_seed(0)
    trained_on = CodecConfig(codec.name, "", codec.fingerprint, codec.hop, codec.channels)
    mel = MelConfig().fitted(codec.sample_rate, codec.hop)
    sizes = {"widths": (16, 16, 24), "hidden": 16, **sizes}
    model = MSDAE(ModelConfig(mel=mel, codec=trained_on, **sizes))
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model


class Pooled(Echo):
    """Level 1 is the mean over time."""

    pooled = (True, False, False)

    def encode(self, z, mel):
        return [z.mean(dim=-1, keepdim=True), z, z]


def pooled(batch=8, **model):
    return Pipeline(Pooled(**model), Averages(), FAST, batch)


@pytest.mark.parametrize(
    "codec",
    [Toy(64, 512, 48000), Toy(128, 2048, 44100), Toy(64, 4096, 44100), Toy(8, 480, 16000)],
    ids=lambda codec: f"{codec.channels} channels, hop {codec.hop}, {codec.sample_rate} Hz",
)
def test_a_swap_over_any_codec(codec, tmp_path):
    """Regression, defect 27: windows were 32 frames of 4096 samples at 44.1 kHz."""
    renderer = Pipeline(random_model(codec), codec, Sampling(steps=2, transcription="never"))
    assert renderer.window % 8 == 0 and 2.5 < renderer.window * codec.hop / codec.sample_rate < 4
    rate = codec.sample_rate
    soundfile.write(tmp_path / "a.wav", tone(rate, 80).numpy(), rate)
    soundfile.write(tmp_path / "b.wav", tone(220_501, 200).numpy(), 44100)
    swapped = renderer.swap(tmp_path / "a.wav", str(tmp_path / "b.wav"))
    assert swapped.shape == (round(220_501 * rate / 44100),)
    assert swapped.isfinite().all() and swapped.abs().max() > 0.01
    assert not torch.allclose(swapped, renderer.reconstruct(tmp_path / "b.wav"), atol=1e-3)
    renderer.render_file(Mix(tmp_path / "b.wav", {1: tmp_path / "a.wav"}), tmp_path / "y.wav")
    assert soundfile.info(tmp_path / "y.wav").samplerate == rate


def test_the_mel_fits_the_codec():
    assert MelConfig().fitted(44100, 4096) == MelConfig()
    for rate, hop in [(48000, 512), (44100, 2048), (16000, 480), (24000, 1920), (48000, 8192)]:
        mel = MelConfig().fitted(rate, hop)
        assert hop % (4 * mel.hop) == 0 and mel.sample_rate == rate
        assert 0.02 < mel.n_fft / rate < 0.08 and mel.hop < mel.n_fft
    with pytest.raises(UserError, match="multiple of 4"):
        MelConfig().fitted(44100, 441)


def test_the_verbs_make_a_swap():
    timbre, melody = tone(300_000, 70), tone(310_001, 40)
    renderer = pipeline(noise=0.1)
    content = renderer.encode(melody)
    mix = renderer.mix(content, {1: renderer.encode(timbre, samples=len(melody))})
    z = renderer.sample(mix)
    assert z.shape == (64, 76)
    streamed = torch.cat(list(renderer.stream(Mix(Waveform(melody), {1: Waveform(timbre)}))))
    torch.testing.assert_close(renderer.decode(z)[: len(melody)], streamed)
    assert torch.equal(renderer.decode(z[None].expand(2, -1, -1))[1], renderer.decode(z))
    with pytest.raises(UserError, match="latents of shape"):
        renderer.decode(z[0])


def test_codes_carry_their_place():
    codes = pipeline().encode(tone(131_072 + 1))
    assert [code.shape for code in codes.levels.values()] == [(2, 64, 32)] * 3
    assert (codes.frames, codes.stride, codes.length, codes.samples) == (32, 24, 33, 131_073)
    assert codes.starts == [0, 1]


def test_a_list_is_sampled_like_each_of_its_items():
    renderer = pipeline(noise=0.1)
    recordings = [renderer.encode(tone(samples, 60)) for samples in (200_000, 50_000, 900_000)]
    together = renderer.sample(recordings, seeds=[4, 5, 6])
    for codes, seed, z in zip(recordings, (4, 5, 6), together, strict=True):
        torch.testing.assert_close(renderer.sample(codes, seeds=np.int64(seed)), z)
        assert z.shape == (64, codes.length)
    assert renderer.sample([]) == []


@pytest.mark.parametrize("make", [pipeline, pooled])
def test_windows_and_recordings_have_their_own_noise(make):
    """Regression, F2: with codes of batch 1, as pooled ones are, all windows had the noise of the first."""
    renderer = make(noise=1.0)
    room = 0.01 * torch.randn(900_000, generator=torch.Generator().manual_seed(0))
    steady = renderer.encode(room)  # of silence nothing is sampled
    assert steady.windows == 9
    z = renderer.sample(steady)
    for first in range(24, 190, 24):
        pair = torch.stack([z[:, :24].flatten(), z[:, first : first + 24].flatten()])
        assert torch.corrcoef(pair)[0, 1].abs() < 0.1
    others = [make(batch, noise=1.0).sample(steady) for batch in (1, 3)]
    for other in others:
        torch.testing.assert_close(other, z)


def test_the_timbre_source_is_encoded_once_and_only_on_levels_that_are_asked(monkeypatch):
    """Regression, defect 8: 30 windows were encoded where 16 suffice."""
    codec = Toy()
    renderer = Pipeline(random_model(codec), codec, Sampling(steps=1, learn="never", transcription="never"))
    renderer.reconstruct(tone(4096))  # once, to know what silence is
    counts = {}
    for level, encoder in enumerate(renderer.model.encoders, 1):
        encoder.register_forward_hook(
            lambda module, inputs, code, level=level: counts.update({level: counts.get(level, 0) + len(code)})
        )
    sound = tone(8 * 24 * 4096 + 8 * 4096)  # eight windows
    renderer.swap(sound, sound.clone())
    assert counts == {1: 8, 2: 8, 3: 8}  # level 1 of the timbre source, levels 2 and 3 of the melody source
    counts.clear()
    renderer.swap(sound, sound.clone(), levels=(1, 2), strength=0.5)
    assert counts == {1: 16, 2: 16, 3: 8}


def test_the_melody_sources_pooled_code_is_one():
    """Regression, defect 15: it changed from window to window."""
    half = 96 * 4096
    melody = torch.cat([torch.zeros(half), square(half)])
    codes = pooled().encode(melody)
    assert codes[1].shape == (1, 64, 1) and 0.4 < codes.mean(1).abs().mean() < 0.6
    silence = torch.zeros(2 * half)
    mix = pooled().mix(codes, {2: pooled().encode(silence), 3: pooled().encode(silence)})
    z = pooled().sample(mix)
    torch.testing.assert_close(z, z[:, :1].expand_as(z))


def test_the_last_window_is_full_of_sound():
    """Regression, defect 15: the last window was mostly silence."""
    codes = pipeline().encode(0.5 * square(33 * 4096))
    torch.testing.assert_close(codes[3].abs(), torch.full((2, 64, 32), MODEL_PEAK))


def test_a_short_timbre_source_fills_a_window():
    codec = Toy()
    renderer = Pipeline(random_model(codec), codec, FAST)
    short = tone(4096 * 4, 70)
    again = renderer.render(Mix(tone(200_000), {1: Waveform(short)}))
    filled = renderer.render(Mix(tone(200_000), {1: Waveform(short.repeat(8))}))
    padded = renderer.render(Mix(tone(200_000), {1: torch.cat([short, torch.zeros(28 * 4096)])}))
    assert (again - filled).abs().mean() < 0.5 * (again - padded).abs().mean()


def test_sources_of_any_kind_give_one_swap(tmp_path):
    """Regression, F18: only tensors (samples,) were taken, and their sample rate was not asked for."""
    timbre, melody = tone(200_000, 70), tone(210_000, 40)
    for name, sound in (("a", timbre), ("b", melody)):
        soundfile.write(tmp_path / f"{name}.wav", sound.numpy(), 44100, "FLOAT")
    expected = pipeline().swap(timbre, melody)
    stereo = np.stack([melody.numpy() + 0.1, melody.numpy() - 0.1])
    for a, b in [
        (tmp_path / "a.wav", str(tmp_path / "b.wav")),
        (timbre.numpy(), melody[None]),
        (Waveform(timbre), stereo),
        ((timbre * 2**31).to(torch.int32), tmp_path / "b.wav"),
    ]:
        torch.testing.assert_close(pipeline().swap(a, b), expected, atol=1e-4, rtol=0)
    assert pipeline().swap(timbre, melody[:100_000], sample_rate=22050).shape == (200_000,)
    with pytest.raises(UserError, match="shape"):
        pipeline().swap(stereo.T, melody)
    with pytest.raises(UserError, match="no such file"):
        pipeline().swap("missing.wav", melody)


def test_codes_of_another_model_are_refused(tmp_path):
    sound = tone(200_000)
    codec = Toy()
    one, other = (Pipeline(random_model(codec, code_channels=(8,) * 3), codec, FAST) for _ in range(2))
    next(other.model.parameters()).data += 1
    one.encode(sound).save(tmp_path / "codes.safetensors")
    codes = Codes.load(tmp_path / "codes.safetensors")
    torch.testing.assert_close(one.sample(codes), one.sample(one.encode(sound)))
    with pytest.raises(UserError, match="codes of another model"):
        other.sample(codes)
    with pytest.raises(UserError, match="codes of another model"):
        other.mix(other.encode(sound), {1: codes})


def test_wrong_input_of_the_verbs_is_named():
    renderer, sound = pipeline(), tone(200_000)
    codes = renderer.encode(sound, levels=(1, 3))
    with pytest.raises(UserError, match="level 2"):
        renderer.sample(codes)
    with pytest.raises(UserError, match="level 4"):
        renderer.encode(sound, levels=(4,))
    with pytest.raises(UserError, match="level 2"):
        renderer.mix(renderer.encode(sound), {2: codes})
    with pytest.raises(UserError, match="strength: is 2"):
        renderer.mix(codes, {1: codes}, 2)
    for samples in (0, 1.5, 10**12):
        with pytest.raises(UserError, match="samples: is"):
            renderer.encode(sound, samples=samples)
    with pytest.raises(UserError, match="batch: is 0"):
        pipeline(batch=0)
    with pytest.raises(UserError, match="level 1: a code of 3 channels"):
        renderer.sample(dataclasses.replace(codes, levels={1: codes[1][:, :3]}))
    for call in (renderer.sample, renderer.render, lambda other: renderer.mix(codes, {1: other})):
        with pytest.raises(TypeError, match="needed"):
            call("x")


@pytest.mark.parametrize(
    "z",
    [torch.zeros(63, 4), torch.zeros(64, 0), torch.zeros(64, 4).long(), torch.full((64, 4), torch.nan), None],
)
def test_latents_that_are_none_are_refused(z):
    with pytest.raises(UserError, match="latents"):
        pipeline().decode(z)


def test_progress_covers_the_work():
    class Bar:
        def __init__(self, total, unit, desc=""):
            self.total, self.n = total, 0.0
            bars.append(self)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def update(self, done):
            self.n += done

    bars = []
    for sampler in ("euler", "heun"):
        renderer = Pipeline(Echo(), Averages(), Sampling(steps=3, sampler=sampler, transcription="never"))
        renderer.render(Mix(tone(900_000), {1: Waveform(tone(500_000))}), progress=Bar)
        renderer.sample([renderer.encode(tone(900_000))], progress=Bar)
    assert [bar.total for bar in bars] == [4 * 9, 9] * 2  # encoded twice, sampled, decoded
    assert all(bar.n == pytest.approx(bar.total) for bar in bars)


def test_a_bar_of_fractions_ends_at_its_total():
    with tqdm(total=16, file=io.StringIO()) as bar:
        advance = wholes(bar)
        advance(4)
        for _ in range(12 * 12):
            advance(1 / 12)
            assert isinstance(bar.n, int)
        assert bar.n == 16


@pytest.mark.parametrize("kind", ["hdae", "thesis"])
def test_models_whose_levels_all_have_a_course(kind):
    """The baseline reads latents; in the thesis's wiring a window's level 1 is one frame, but not pooled."""
    codec, sizes = Toy(), {"pooled": (), "encoder": "conv", "encoder_widths": (4, 4, 4)}
    if kind == "hdae":
        trained_on = CodecConfig(codec.name, "", codec.fingerprint)
        config = ModelConfig(
            widths=(16,) * 4, inject=(3, 2, 1), code_channels=(8, 8, 8), codec=trained_on, **sizes
        )
        model = HDAE(config)
    else:
        model = random_model(codec, widths=(16,) * 6, inject=(5, 3, 1), **sizes)
    renderer = Pipeline(model, codec, Sampling(steps=2, transcription="never"))
    short, long = tone(30_000, 70), tone(300_000, 50)
    assert [code.shape[0] for code in renderer.encode(long).levels.values()] == [3, 3, 3]
    for timbre, melody in [(short, long), (long, short)]:
        for levels in [(1,), (2, 3), (1, 2, 3)]:
            swapped = renderer.swap(timbre, melody, levels)
            assert swapped.shape == melody.shape and swapped.isfinite().all()
    mix = renderer.mix(renderer.encode(long), {1: renderer.encode(short)}, 0.5)
    assert renderer.sample(mix).shape == (64, 74)

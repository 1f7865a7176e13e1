import dataclasses
import math
import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from msdae import codecs
from msdae.audio.loudness import OUTPUT_PEAK
from msdae.errors import UserError
from msdae.evaluation import live
from msdae.inference import dropouts, streaming
from msdae.inference.pipeline import Pipeline
from msdae.inference.settings import LiveConfig, Sampling
from msdae.inference.sounds import LearntSound
from msdae.inference.streaming import FADE, HOP, Engine, loud_peak, rendered
from msdae.models.adapter import Adapter
from msdae.models.config import CodecConfig, ModelConfig
from msdae.models.msdae import MSDAE
from msdae.symbolic.tunes import FRERE_JACQUES, notes_of
from msdae.synthesis import soundfont
from tests.inference.test_inference import Toy, random_model

RATE = 44100


@pytest.fixture(scope="module")
def small():
    """A pipeline of a tiny model that is not trained, with a pooled level 1."""
    torch.manual_seed(0)
    codec = codecs.load(codecs.DEFAULT)
    config = ModelConfig(
        widths=(16, 16, 16),
        inject=(2, 1, 0),
        pooled=(1,),
        code_channels=(8, 8, 8),
        encoder_widths=(8, 8),
        guidance=(2.0, 1.0, 1.0),
        codec=CodecConfig(fingerprint=codec.fingerprint),
    )
    model = MSDAE(config)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return Pipeline(model, codec, Sampling(steps=2))


def engine(pipeline: Pipeline, timbre: torch.Tensor, **settings) -> Engine:
    return Engine(pipeline, pipeline.encode(timbre, levels=(1,)), LiveConfig(**settings))


def heard(engine: Engine, waveform: torch.Tensor, block: int) -> torch.Tensor:
    """What comes out, with the delay, of blocks of one size."""
    return torch.cat([engine(part) for part in waveform.split(block)])


def clicks(seconds: float) -> torch.Tensor:
    """Notes that begin like clicks, not evenly: an onset is at one place only."""
    waveform = torch.zeros(int(seconds * RATE))
    onset, pitch = 0.2, 0
    while onset < seconds - 0.3:
        since = torch.arange(int(0.25 * RATE)) / RATE
        tone = sum(torch.sin(2 * math.pi * 330 * 2 ** (pitch / 12) * k * since) / k for k in range(1, 6))
        start = int(onset * RATE)
        waveform[start : start + len(since)] += 0.2 * tone * torch.exp(-12 * since)
        onset, pitch = onset + (0.27, 0.41, 0.33)[pitch % 3], (pitch + 5) % 12
    return waveform


@pytest.fixture(scope="module")
def played(melody) -> tuple[torch.Tensor, torch.Tensor, Engine]:
    """Notes, loud and then soft, and what the model that ships makes of them, with the delay."""
    pipeline = Pipeline.from_pretrained()
    source = clicks(6.0)
    source[len(source) // 2 :] *= 0.1
    player = engine(pipeline, melody(3.0)[0])
    return source, heard(player, source, 4410), player


@pytest.mark.parametrize("block", [1, 999, 16384, 200_000])
def test_blocks_of_any_size_give_the_same(small, melody, block):
    source = melody(1.2)[0] if block > 1 else melody(0.6)[0]
    reference = heard(engine(small, source), source, 4096)
    torch.testing.assert_close(heard(engine(small, source), source, block), reference, atol=1e-3, rtol=0)
    assert reference.shape == source.shape and reference.abs().max() > 1e-3


def test_the_delay_is_what_it_says(played):
    source, output, player = played
    assert player.delay == 6 * 4096
    assert abs(live.lag(source, output, 2 * player.delay) - player.delay) <= 0.01 * RATE


def test_frames_ahead_may_be_shorter_than_the_cross_fade(melody):
    codec = Toy(8, 480, 16000)
    player = engine(Pipeline(random_model(codec), codec, Sampling(steps=1)), melody(1.0)[0])
    assert player.fade == 2 * 480
    source = melody(0.5)[0]
    output = torch.cat(list(rendered(player, source.split(1000))))
    assert output.shape == source.shape and output.abs().max() > 1e-3


def test_pieces_cannot_be_told_from_each_other():
    notes, font = notes_of(FRERE_JACQUES), soundfont.default()
    timbre, source = (soundfont.render(notes, font, program, 6 * RATE) for program in (0, 73))
    rough = []
    for seed in range(3):  # one has sixteen joins only
        player = engine(Pipeline.from_pretrained(sampling=Sampling(seed=seed)), timbre)
        output = heard(player, source, 4410)
        rough.append(live.roughness(output, player.stride, FADE))
    assert sum(rough) / len(rough) < 1.1
    clicking = output.clone()
    clicking[:: player.stride] += 0.1 * output.abs().max()
    assert live.roughness(clicking, player.stride, FADE) > 1.1


def test_loudness_follows(played):
    source, output, player = played
    halves = slice(0, 3 * RATE), slice(4 * RATE, None)  # a second after it has become soft
    level = lambda x: 20 * x.square().mean().sqrt().log10().item()  # noqa: E731
    for half in halves:
        assert level(output[player.delay :][half]) == pytest.approx(
            level(source[: len(source) - player.delay][half]), abs=3
        )


@pytest.mark.parametrize("quiet", [0.3, 0.1])
def test_a_quiet_input_is_played_as_a_loud_one(small, melody, quiet):
    source = melody(1.2)[0]
    loud, soft = (heard(engine(small, source), gain * source, 4410) for gain in (1.0, quiet))
    torch.testing.assert_close(soft / quiet, loud, atol=1e-2, rtol=0)
    assert loud.abs().max() > 0.05


def test_clicks_are_no_level():
    sound = 0.1 * torch.ones(HOP * 20)
    sound[:: HOP * 5] = 1.0
    assert loud_peak(sound) == pytest.approx(0.1)
    sound[HOP] = 0.5
    assert loud_peak(sound) == 0.5


def test_a_loud_part_counts_by_half_after_ten_seconds(small, melody):
    source = melody(0.6)[0]
    player = engine(small, source)
    heard(player, torch.cat([source, torch.zeros(4 * RATE)]), 4410)
    first = player._level
    heard(player, torch.zeros(player.stride * 6), 4410)
    assert player._level == pytest.approx(first * 0.5 ** (6 * player.stride / RATE / 10))


def test_noise_of_an_empty_room_stays_noise(small, melody, monkeypatch):
    player = engine(small, melody(0.6)[0])
    monkeypatch.setattr(streaming, "_loudness_gain", lambda *given: 1000.0)
    heard(player, 1e-4 * torch.ones(2 * player.stride), 4410)
    assert player._gain == streaming.LOUDEST


def test_a_recording_keeps_its_length_and_place(small, melody):
    source = melody(1.0)[0]
    blocks = list(rendered(engine(small, source), source.split(3000)))
    player = engine(small, source)
    late = heard(player, torch.cat([source, torch.zeros(player.delay)]), 4410)
    torch.testing.assert_close(torch.cat(blocks), late[player.delay :], atol=1e-3, rtol=0)


def test_silence_stays_silent_and_what_is_no_sound_does_no_harm(small, melody):
    source = melody(1.5)[0]
    player = engine(small, source)
    assert heard(player, torch.zeros(RATE), 4410).abs().max() < 1e-3
    bad = torch.full((RATE,), float("nan"))
    bad[::3], bad[1::3] = float("inf"), 1e30
    output = heard(player, torch.cat([bad, source]), 4410)
    assert output.isfinite().all() and output.abs().max() < 0.9 and output[-RATE:].abs().max() > 1e-3


def test_codes_of_another_model_are_refused(small, melody):
    """Regression: they were played, as some other sound."""
    codes = small.encode(melody(1.0)[0], levels=(1,))
    with pytest.raises(UserError, match="codes of another model"):
        Engine(small, dataclasses.replace(codes, model="f" * 64))
    with pytest.raises(UserError, match="level 1: a code of 3 channels"):
        Engine(small, dataclasses.replace(codes, levels={1: codes[1][:, :3]}))
    with pytest.raises(TypeError, match="codes are needed, .* not a LearntSound"):
        Engine(small, LearntSound(codes[1], Adapter({}), codes.model))


def test_codes_of_any_precision_are_played(small, melody):
    source = melody(1.0)[0]
    codes = small.encode(source, levels=(1,))
    double = dataclasses.replace(codes, levels={1: codes[1].double()})
    assert torch.equal(Engine(small, double)(source), Engine(small, codes)(source))


def test_a_learnt_sound_is_played_with_its_adapter(small, melody):
    """Regression: it ended with an AttributeError."""
    source = melody(2.0)[0]
    codes = small.encode(source, levels=(1,))
    adapter = Adapter.fresh(small.model.unet, 4, torch.Generator().manual_seed(0))
    with torch.no_grad():
        for name, weights in adapter.weights.items():
            if name.endswith("up"):
                weights.normal_(generator=torch.Generator().manual_seed(1))
    learnt = Engine(small, dataclasses.replace(codes, adapter=adapter))
    assert learnt._route.antithetic == small.route().antithetic / 2 > 0
    assert (learnt(source) - Engine(small, codes)(source)).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (torch.zeros(2, 512), r"shape \(2, 512\)"),
        (torch.zeros(512).short(), "torch.int16"),
        ([0.0] * 512, "a list"),
    ],
)
def test_blocks_of_another_kind_are_refused(small, melody, block, said):
    player = engine(small, melody(1.0)[0])
    with pytest.raises(UserError, match=f"a block .*{said}.*: give"):
        player(block)
    assert torch.equal(player(np.zeros(512)), torch.zeros(512))


def test_a_longer_stride_delays_more(small, melody):
    assert engine(small, melody(1.0)[0], stride=8, ahead=1).delay == 9 * 4096
    with pytest.raises(
        UserError, match="stride 12 and ahead 8: too long for windows of 32 latent frames; give 16 at most"
    ):
        engine(small, melody(1.0)[0], stride=12, ahead=8)


def test_new_frames_of_a_dropout_are_filled(small, melody, monkeypatch):
    player = engine(small, melody(3.0)[0])
    heard, before = melody(3.0, seed=1)[0][None, : small.codec.clip_samples], torch.randn(1, 64, 32)
    first = small.window - player.config.stride - player.config.ahead
    played = before[..., player.config.stride :][..., :first]
    plain, *_ = player.window(heard, before, player.noise(1))
    monkeypatch.setattr(dropouts, "places", lambda z, *rest: torch.full((z.shape[1],), 7))
    z, *_ = player.window(heard, before, player.noise(1))
    torch.testing.assert_close(z[..., :first], played)
    torch.testing.assert_close(plain[..., :first], played)
    assert torch.equal(z[..., first:], played[..., 7:8].expand_as(z[..., first:]))


def test_guidance_of_other_levels_is_refused_before_anything_plays(small, melody):
    pipeline = Pipeline(small.model, small.codec, Sampling(guidance=(1.0, 2.0)))
    with pytest.raises(UserError, match="guidance: give one weight or 3"):
        engine(pipeline, melody(1.0)[0])


def test_a_model_whose_timbre_moves_is_refused(melody):
    codec = codecs.load(codecs.DEFAULT)
    sizes = {"widths": (16, 16, 16, 16, 16), "code_channels": (8, 8, 8), "encoder_widths": (8, 8)}
    model = MSDAE(ModelConfig(**sizes, pooled=(), codec=CodecConfig(fingerprint=codec.fingerprint)))
    with pytest.raises(UserError, match="level 1 of this model changes over time"):
        engine(Pipeline(model, codec), melody(1.0)[0])


def test_loud_samples_alone_are_bent_in_the_plugin_too(monkeypatch):
    """Regression: the plugin put all samples through tanh, so that soft sound was distorted."""
    ramp = torch.linspace(-3, 3, 601)
    for bent in (streaming.bent, torch.jit.script(streaming.bent)):
        soft = ramp.abs() <= streaming.KNEE
        assert torch.equal(bent(ramp)[soft], ramp[soft]) and bent(ramp).abs().max() < OUTPUT_PEAK
    sdk, utils = ModuleType("neutone_sdk"), ModuleType("neutone_sdk.utils")
    sdk.WaveformToWaveformBase, utils.save_neutone_model = torch.nn.Module, None
    for name, module in (("neutone_sdk", sdk), ("neutone_sdk.utils", utils)):
        monkeypatch.setitem(sys.modules, name, module)
    plugin_class = runpy.run_path(str(Path(streaming.__file__).with_name("neutone.py")))["Plugin"]
    sound, one = torch.full((1, 2 * HOP), 0.4), torch.ones(1)
    state = {"heard": sound, "played": sound, "tail": sound[:, :HOP], "z": None, "state": None, "gain": one}
    sizes = {"stride": HOP, "fade": HOP, "hop": HOP, "step": 1, "frames": 1, "ahead": 0, "memory": HOP}
    levels = {"click": 0, "forgetting": 1.0, "loud": one, "quietest": 0.01, "level": 1.0, "loudest": 8.0}
    plugin = SimpleNamespace(**state, **sizes, **levels, place=0, noise=torch.zeros(1, 1, 4))
    plugin.model = lambda heard, z, start, state: (z, sound, state)
    played = plugin_class.do_forward_pass(plugin, sound[:, :HOP], {})
    torch.testing.assert_close(played, sound[:, :HOP])

"""Where a swap begins at frames of the timbre source, and where at noise."""

import pytest
import torch

from msdae.audio.windows import Waveform
from msdae.inference import drafts
from msdae.inference.latents import SIGMA
from msdae.inference.pipeline import Mix, Pipeline, Sampling
from msdae.inference.route import Route
from msdae.symbolic.tunes import FRERE_JACQUES, notes_of
from msdae.synthesis import soundfont
from tests.inference.test_inference import Toy, random_model
from tests.inference.test_pipeline import pipeline as unpooled
from tests.inference.test_sounds import sound

SAMPLES = 9 * 32 * 4096 + 77  # of the melody source: more than two blocks


@pytest.fixture(scope="module")
def renderer():
    """A pipeline of an untrained model, which knows no sound."""
    return Pipeline(random_model(codec := Toy()), codec, Sampling(steps=4, transcription="never"))


@pytest.fixture(scope="module")
def timbre(melody):
    return melody(4.0, 1)[0]


@pytest.fixture(scope="module")
def source(melody):
    return melody(SAMPLES / 44100 + 1)[0][:SAMPLES]


def drawn(renderer, mix, draft="auto", strengths=None):
    renderer.sampling = Sampling(steps=4, draft=draft, transcription="never")
    ((_, made),) = renderer.mixed(mix, strengths or [mix.strength])
    return made.drafts


def test_a_sound_that_the_model_does_not_know_has_a_draft(renderer, timbre, source, monkeypatch):
    monkeypatch.setattr(drafts, "distance", lambda pipeline, sound: drafts.UNKNOWN)
    (z,) = drawn(renderer, Mix(source, {1: timbre}))
    assert z.shape == (64, renderer.codec.frames(SAMPLES)) and z.isfinite().all()
    torch.testing.assert_close(drawn(renderer, Mix(Waveform(source), {1: Waveform(timbre)}))[0], z)
    assert torch.equal(drawn(renderer, Mix(source, {1: timbre}), "always")[0], z)


@pytest.mark.parametrize("distance", [drafts.UNKNOWN, drafts.UNKNOWN_FEW])
def test_a_single_note_has_to_be_further_from_what_the_model_knows(
    renderer, timbre, source, monkeypatch, distance
):
    monkeypatch.setattr(drafts, "distance", lambda pipeline, sound: distance)
    monkeypatch.setattr(drafts, "variety", lambda sound, sample_rate: drafts.FEW_NOTES - 0.01)
    (z,) = drawn(renderer, Mix(source, {1: timbre}))
    assert (z is None) == (distance < drafts.UNKNOWN_FEW)


def test_what_has_the_sound_begins_at_the_draft(renderer, timbre, source):
    start, whole = drawn(renderer, Mix(source, {1: timbre}), "always", [0.0, 0.5, 1.0])
    own = renderer.codec.encode(source[None])[0]
    assert start is None and (whole - own).abs().mean() > 0.001


@pytest.mark.parametrize("which", ["never", "known", "short", "itself", "two levels", "learnt", "not pooled"])
def test_otherwise_it_begins_at_noise(renderer, timbre, source, which, monkeypatch):
    if which == "known":
        monkeypatch.setattr(drafts, "distance", lambda pipeline, sound: drafts.UNKNOWN - 0.01)
    if which == "not pooled":
        renderer = unpooled()
    levels = {
        "short": {1: timbre[:2000]},
        "itself": {1: source},
        "two levels": {1: timbre, 2: timbre},
        "learnt": {1: sound(renderer, 0)} if which == "learnt" else {},
    }.get(which, {1: timbre})
    draft = {"never": "never", "known": "auto"}.get(which, "always")
    assert drawn(renderer, Mix(source, levels), draft) == [None]


def test_swaps_and_series_begin_there(renderer, timbre, source, caplog):
    caplog.set_level("INFO", "msdae")
    source = source[:200_000]
    renderer.sampling = Sampling(steps=4, draft="always", transcription="never")
    series = renderer.interpolate(timbre, source, 3, levels=(1,))
    whole = renderer.swap(timbre, source)
    torch.testing.assert_close(series[2], whole, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(series[0], renderer.reconstruct(source), atol=1e-4, rtol=1e-3)
    assert caplog.messages == [drafts.UNKNOWN_SOUND] * 2
    renderer.sampling = Sampling(steps=4, draft="never", transcription="never")
    assert (renderer.swap(timbre, source) - whole).abs().max() > 0.01
    assert caplog.messages == [drafts.UNKNOWN_SOUND] * 2


@pytest.mark.parametrize(
    "sigmas, rest", [([33.0, 10, 2.6, 0.4, 0], [SIGMA, 2.6, 0.4, 0]), ([33.0, 0], [SIGMA, 0])]
)
def test_what_is_left_of_a_route(sigmas, rest):
    assert Route(torch.tensor(sigmas), "euler", None, None).below(SIGMA).sigmas.tolist() == pytest.approx(
        rest
    )


def test_the_draft_is_denoised_by_what_is_left(renderer, timbre, source):
    """A denoiser that answers with what it is given keeps the draft; the noise on it has the level SIGMA."""
    seen = []
    begun = torch.full((64, 40), 100.0)
    codes = renderer.encode(source[: 40 * 4096])
    route = Route(
        torch.tensor([33.0, SIGMA, 0.0]),
        "euler",
        lambda codes, tokens: lambda x, sigma: seen.append((x, sigma)) or torch.full_like(x, 100.0),
        lambda: renderer.model.unet,
    )
    renderer.route = lambda: route
    try:
        z = renderer.sample(codes, drafts=[begun])
    finally:
        del renderer.route
    torch.testing.assert_close(z, begun)
    assert all(sigma.tolist() == [pytest.approx(SIGMA)] * len(x) for x, sigma in seen)
    noise = torch.cat([x for x, _ in seen]) - 100
    assert noise.std().item() == pytest.approx(SIGMA, rel=0.05)


def test_recordings_with_and_without_a_draft_at_once(renderer, timbre, source):
    codes = [renderer.encode(sound) for sound in (source[:200_000], timbre, source[100_000:250_000])]
    begun = [None, 0.3 * torch.ones(64, codes[1].length), None]
    together = renderer.sample(codes, drafts=begun)
    for z, one, draft in zip(together, codes, begun, strict=True):
        torch.testing.assert_close(renderer.sample(one, drafts=[draft]), z, atol=1e-4, rtol=1e-3)


def test_the_model_that_ships_knows_its_soundfont_and_no_unheard_sound():
    pipeline, font = Pipeline.from_pretrained("embedded", "cpu"), soundfont.default()
    notes = notes_of(FRERE_JACQUES)
    known = [soundfont.render(notes, font, program, 5 * 44100) for program in (0, 40, 73)]
    time = torch.arange(5 * 44100) / 44100
    bells = sum(
        torch.sin(2 * torch.pi * 97 * 1.37**k * time) * torch.exp(-(time % 0.5) * (2 + k)) for k in range(12)
    )
    distances = [drafts.distance(pipeline, waveform) for waveform in (*known, bells / 12)]
    assert max(distances[:3]) < drafts.UNKNOWN < distances[3]
    assert drafts.distance(pipeline, 0.1 * known[0]) == pytest.approx(distances[0], rel=0.05)

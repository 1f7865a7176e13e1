"""By a student and by the model itself: which of them renders, and that all controls go on working."""

import dataclasses

import pytest
import torch

from msdae.errors import UserError
from msdae.inference import dropouts
from msdae.inference import latents as inner
from msdae.inference.latents import HELD
from msdae.inference.longform import Layout
from msdae.inference.pipeline import Mix, Pipeline, Sampling
from msdae.inference.route import Route
from msdae.models import hub, student
from msdae.models.adapter import Adapter
from msdae.models.autoencoder import Autoencoder
from msdae.models.hub import STUDENT
from msdae.models.student import Student, StudentConfig
from msdae.nn.tokens import Tokens
from tests.inference.test_inference import Toy, random_model
from tests.inference.test_sounds import sound


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model with a student whose changes are random."""
    folder, codec = tmp_path_factory.mktemp("taught"), Toy()
    random_model(codec).save(folder / "model.safetensors")
    model = Autoencoder.from_pretrained(folder)
    pupil = Student.fresh(model, StudentConfig(rank=2, points=8), torch.Generator().manual_seed(0))
    changes = {name: 0.1 * torch.randn_like(x) for name, x in pupil.adapter.tensors().items()}
    pupil.adapter = Adapter(changes)
    for parameter in pupil.control.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    pupil.save(folder / STUDENT)
    return folder


@pytest.fixture
def source(melody):
    return melody(4.0)[0]


def swap(folder, source, guidance=None, timbre=None, strength=1.0, **sampling):
    pipeline = Pipeline(
        Autoencoder.from_pretrained(folder), Toy(), Sampling(guidance=guidance, learn="never", **sampling)
    )
    timbre = source.flip(0) if timbre is None else timbre(pipeline)
    return pipeline.render(Mix(source, {1: timbre}, strength))


def test_the_student_beside_a_checkpoint_renders(folder, source, tmp_path):
    fast, best = swap(folder, source), swap(folder, source, quality="best")
    assert (fast - best).abs().max() > 0.01
    assert torch.equal(fast, swap(folder, source, steps=2))
    assert torch.equal(best, swap(folder, source, steps=12, sampler="dpmpp_2m"))  # a sampler is of the model
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    assert torch.equal(best, swap(tmp_path, source))  # without a student


def test_the_weights_of_the_model_are_hashed_once_for_its_student(folder, monkeypatch):
    model, hashed = Autoencoder.from_pretrained(folder), []
    fingerprint = student.fingerprint
    monkeypatch.setattr(student, "fingerprint", lambda model: hashed.append(1) or fingerprint(model))
    assert student.beside(model).teacher == fingerprint(model)
    assert len(hashed) == 1


def test_few_steps_are_as_many_evaluations(folder, source, monkeypatch):
    calls = []
    denoise = Autoencoder.denoise
    counted = lambda self, x, *rest: calls.append(len(x)) or denoise(self, x, *rest)  # noqa: E731
    monkeypatch.setattr(Autoencoder, "denoise", counted)
    swap(folder, source)
    few = sum(calls)
    swap(folder, source, quality="best")
    assert sum(calls) - few == 12 * 3 / 2 * few  # twelve steps of three for guidance, not two of one


@pytest.mark.parametrize("quality", ["fast", "best"])
def test_latents_are_of_opposite_noise_too(folder, source, quality, monkeypatch):
    """As asked for, and half as much of a learnt sound."""
    drawn = inner.noise
    pipeline = Pipeline(Autoencoder.from_pretrained(folder), Toy())
    tune = pipeline.encode(source)
    learnt = pipeline.mix(tune, {1: sound(pipeline, 0).codes})

    def sampled(codes, share):
        pipeline.sampling = Sampling(quality=quality, antithetic=share)
        return pipeline.sample(codes)

    for codes, times in ((tune, 1), (learnt, 0.5)):
        once, some = (sampled(codes, share) for share in (0.0, 0.4))
        with monkeypatch.context() as patch:
            patch.setattr(inner, "noise", lambda *place: -drawn(*place))
            opposite = sampled(codes, 0.0)
        torch.testing.assert_close(some, torch.lerp(once, opposite, 0.4 * times), atol=1e-4, rtol=1e-3)
        assert (once - opposite).abs().max() > 0.01


def test_guidance_and_strength_are_controls_of_the_student(folder, source):
    usual, plain, more = (
        swap(folder, source, guidance=weights) for weights in (None, (1.0,), (3.0, 1.0, 2.0))
    )
    assert (usual - plain).abs().max() > 1e-3 < (usual - more).abs().max()
    for unknown in ({"guidance": (0.5, 1.0, 2.0)}, {"steps": 9}):  # are left to the model itself
        assert torch.equal(swap(folder, source, **unknown), swap(folder, source, **unknown, quality="best"))
    none, half = (swap(folder, source, strength=strength) for strength in (0.0, 0.5))
    pipeline = Pipeline(Autoencoder.from_pretrained(folder), Toy(), Sampling(learn="never"))
    torch.testing.assert_close(none, pipeline.reconstruct(source), atol=1e-5, rtol=0)
    assert (none - half).abs().max() > 1e-3 < (usual - half).abs().max()


def test_a_learnt_sound_adds_up_with_the_student(folder, source):
    learnt = swap(folder, source, timbre=lambda pipeline: sound(pipeline, 0))

    def merged(pipeline):
        """The same changes, written into the student instead."""
        known = sound(pipeline, 0)
        pipeline.student._unet[:] = [known.adapter.merged(pipeline.student.unet(pipeline.model))]
        return type(known)(known.code, Adapter.sum([known.adapter], [0.0]), known.model)

    torch.testing.assert_close(learnt, swap(folder, source, timbre=merged), atol=1e-3, rtol=0)
    best = swap(folder, source, timbre=lambda pipeline: sound(pipeline, 0), quality="best")
    assert (learnt - best).abs().max() > 0.01


def test_the_student_of_another_model_is_left_out(folder, source, tmp_path, caplog):
    random_model(Toy(), hidden=24).save(tmp_path / "model.safetensors")
    (tmp_path / STUDENT).write_bytes((folder / STUDENT).read_bytes())
    assert torch.equal(swap(tmp_path, source), swap(tmp_path, source, quality="best"))
    assert "the student of another model than that beside it" in caplog.text
    (tmp_path / STUDENT).write_bytes((folder / STUDENT).read_bytes()[:-9])
    with pytest.raises(UserError, match="truncated"):
        swap(tmp_path, source)


def test_copies_of_a_model_have_its_student(folder, tmp_path):
    model = Autoencoder.from_pretrained(folder)
    model.save(tmp_path / "model.safetensors", torch.float16)  # as export does
    hub.copy_student(model.folder, tmp_path)
    assert student.beside(Autoencoder.from_pretrained(tmp_path)) is not None
    hub.copy_student(None, tmp_path)
    (tmp_path / STUDENT).write_bytes(b"another")
    with pytest.raises(UserError, match="another student than the model's"):
        hub.copy_student(model.folder, tmp_path)


def test_a_model_that_gives_nan_is_named(folder, source, monkeypatch):
    monkeypatch.setattr(Autoencoder, "denoise", lambda self, x, *rest: x * torch.nan)
    with pytest.raises(UserError, match="gave NaN or infinite latents; use another checkpoint"):
        swap(folder, source, quality="best")


def test_refusals(folder, source):
    with pytest.raises(UserError, match="guidance: give one weight or 3"):
        swap(folder, source, guidance=(1.0, 2.0))
    with pytest.raises(UserError, match="quality: is good, expected one of fast, best"):
        Sampling(quality="good")


def test_nothing_is_denoised_where_the_melody_source_is_silent(folder, source, monkeypatch):
    windows, denoise = [], Autoencoder.denoise

    def counted(self, x, *rest):
        windows.append(len(x))
        return denoise(self, x, *rest)

    monkeypatch.setattr(Autoencoder, "denoise", counted)
    pipeline = Pipeline(
        Autoencoder.from_pretrained(folder), Toy(), Sampling(learn="never", transcription="never")
    )
    timbre, rest = source.flip(0), torch.zeros(30 * 44100)
    made = pipeline.swap(timbre, torch.cat([source, rest, source]))
    few = sum(windows)
    assert made.abs().max() > 0.01 and made[8 * 44100 : 30 * 44100].abs().max() < 1e-6
    windows.clear()
    pipeline.swap(timbre, torch.cat([source, 1e-3 * torch.randn(len(rest)), source]))
    assert few < sum(windows) / 2


@pytest.mark.parametrize("quality", ["fast", "best"])
def test_windows_with_dropouts_are_sampled_again(folder, source, quality, monkeypatch):
    """From a little noise on the frames that fill them; all else stays."""
    sampling = Sampling(quality=quality, antithetic=0)
    pipeline = Pipeline(Autoencoder.from_pretrained(folder), Toy(), sampling)
    codes, other = pipeline.encode(source.repeat(5)), pipeline.encode(source.flip(0))
    before, unchanged = pipeline.sample([codes, other])
    filled, sigmas, denoise = dropouts.places, [], Autoencoder.denoise

    def places(z, content, *silent):
        assert content.shape[1] == z.shape[1]
        chosen = filled(z, content, *silent)
        if len(chosen) == codes.length:
            chosen[70:74] = 69
        return chosen

    def seen(self, x, sigma, *rest, **more):
        sigmas.append(float(sigma.max()))
        return denoise(self, x, sigma, *rest, **more)

    monkeypatch.setattr(dropouts, "places", places)
    monkeypatch.setattr(Autoencoder, "denoise", seen)
    z, same = pipeline.sample([codes, other])
    index = Layout(codes.frames, codes.stride, [codes.length]).index
    sampled = index[((index >= 70) & (index < 74)).any(dim=1)].unique()
    stays = torch.ones(codes.length, dtype=torch.bool)
    stays[sampled] = False
    torch.testing.assert_close(same, unchanged)
    torch.testing.assert_close(z[:, stays], before[:, stays])
    assert 0 < len(sampled) < codes.length / 2
    assert ((z - before)[:, 70:74].abs() > 1e-3).any(dim=0).all()
    assert HELD in sigmas


@pytest.mark.parametrize("kind", [torch.float64, torch.float16])
@pytest.mark.parametrize("tokens", [0, 8])
def test_codes_of_any_precision_are_rendered(source, kind, tokens):
    """Regression: codes that were edited with NumPy, which are of float64, ended in an error of torch."""
    pipeline = Pipeline(random_model(Toy(), tokens=tokens), Toy(), Sampling(steps=2, learn="never"))
    codes = pipeline.encode(source)
    other = dataclasses.replace(
        codes,
        levels={level: code.to(kind) for level, code in codes.levels.items()},
        tokens=codes.tokens and Tokens(*(x.to(kind) for x in codes.tokens)),
    )
    expected = pipeline.sample(codes)
    for rendered in (other, pipeline.mix(codes, {1: other, 3: other}, 0.5)):
        torch.testing.assert_close(pipeline.sample(rendered), expected, atol=0.01, rtol=0)


@pytest.mark.parametrize(
    "sigmas, rest",
    [([33.0, 10, 2.6, 0.4, 0], [HELD, 0.4, 0]), ([33.0, 0], [HELD, 0]), ([1.0, 0], [HELD, 1.0, 0])],
)
def test_what_is_left_of_a_route(sigmas, rest):
    left = Route(torch.tensor(sigmas), "euler", None, None).below(HELD).sigmas.tolist()
    assert left == pytest.approx(rest)


def test_what_is_begun_is_denoised_by_what_is_left():
    """A denoiser that answers with what it is given keeps it; the noise on it has the level HELD."""
    seen, begun = [], torch.full((1, 64, 40), 100.0)
    noise = torch.randn(begun.shape, generator=torch.Generator().manual_seed(0))
    route = Route(torch.tensor([33.0, HELD, 0.0]), "euler", None, None).below(HELD)
    z = route.solve(lambda x, sigma: seen.append((x, sigma)) or torch.full_like(x, 100.0), noise, begun)
    torch.testing.assert_close(z, begun)
    assert all(sigma.tolist() == [pytest.approx(HELD)] for _, sigma in seen)
    assert (seen[0][0] - 100).std().item() == pytest.approx(HELD, rel=0.05)

"""Making a student of a tiny model: it begins as its teacher, learns its trajectories, and continues."""

import shutil
import signal
from dataclasses import replace

import pytest
import torch

from msdae import codecs
from msdae.data import ClipCache
from msdae.data.draws import Draws
from msdae.diffusion.samplers import euler
from msdae.errors import UserError
from msdae.models.autoencoder import Autoencoder
from msdae.models.config import CodecConfig, ModelConfig
from msdae.models.hub import STUDENT
from msdae.models.msdae import MSDAE
from msdae.models.student import Student, StudentConfig
from msdae.nn.tokens import Tokens
from msdae.training import distillation
from msdae.training.distillation import DistillConfig, StudentLoss, distill
from msdae.training.trajectories import Trajectories, TrajectoryConfig, _guidance, _tensors

SETTINGS = DistillConfig(
    student=StudentConfig(rank=8, points=4),
    segments=(1, 2, 4),
    steps=2,
    clips=16,
    shard=8,
    batch_size=16,
    learning_rate=5e-3,
    warmup=1,
    ema=0.5,
    log_every=1,
    save_every=1,
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A tiny model with tokens, whose weights are random."""
    torch.manual_seed(0)
    codec = CodecConfig(fingerprint=codecs.load(codecs.DEFAULT).fingerprint)
    sizes = {"widths": (16, 16, 24), "hidden": 16, "tokens": 8, "token_hidden": 16}
    model = MSDAE(ModelConfig(**sizes, codec=codec))
    for parameter in model.parameters():  # an untrained model ends in zeros
        parameter.data += 0.05 * torch.randn_like(parameter)
    path = tmp_path_factory.mktemp("teacher") / "model.safetensors"
    model.save(path)
    return path


def made(checkpoint, run, tiny, settings=SETTINGS):
    return distill(str(checkpoint), settings, run, [tiny], torch.device("cpu"))


def known(run):
    return Trajectories(sorted((run / "trajectories/train").glob("*.safetensors")))


def loss(model, pupil, trajectories):
    batch = next(trajectories.batches(16, lambda step: SETTINGS.segments, 0.25, seed=5))
    with torch.no_grad():
        return StudentLoss(model, pupil, trajectories)(batch).mean().item()


def test_a_student_learns_the_trajectories_of_the_model_that_ships(tiny, tmp_path):
    settings = replace(SETTINGS, steps=30, batch_size=8, learning_rate=2e-3, log_every=30, save_every=30)
    assert made("embedded", tmp_path, tiny, settings)
    model = Autoencoder.from_pretrained("embedded")
    trajectories, pupil = known(tmp_path), Student.load(tmp_path / STUDENT, model)
    fresh = Student.fresh(model, settings.student, torch.Generator().manual_seed(0))
    assert len(trajectories) == 16
    assert loss(model, pupil, trajectories) < 0.9 * loss(model, fresh, trajectories)
    assert pupil.knows((1.0, 4.0, 2.5), 4) and not pupil.knows((0.5, 1.0, 1.0), 4)


def test_one_euler_step_to_the_target_lands_on_the_trajectory(checkpoint, tiny, tmp_path):
    made(checkpoint, tmp_path, tiny, replace(SETTINGS, steps=1))
    trajectories = known(tmp_path)
    segment = next(trajectories.batches(8, lambda step: (2,), 0, seed=0))
    for row in range(8):
        levels = torch.stack([segment.sigma[row], segment.following[row]])
        landed = euler(
            lambda x, sigma, row=row: segment.target[row : row + 1], segment.x[row : row + 1], levels
        )
        points = trajectories.tensors["points"].float()
        assert (points - landed).abs().amax(dim=(2, 3)).min() < 0.05
    guided = next(trajectories.batches(8, lambda step: (2,), 1, seed=0))
    assert (guided.sigma == guided.following).all() and guided.steps.eq(0).all()
    assert len(guided.sigma.unique()) > 2  # at any point of the teacher's


def tensors(model, batch, **changes):
    """Trajectories of two points of clips that have one guidance, and the shapes of their codes."""
    settings = TrajectoryConfig(4, 4, 2, (2.0, 3.0), **{"usual": 0.0, "crossed": 0.0} | changes)
    with torch.no_grad():
        return _tensors(model, batch, settings, Draws((0,), len(batch.names)))


def test_the_sound_of_a_share_of_the_clips_is_that_of_another(checkpoint, tiny):
    model, batch = MSDAE.from_pretrained(checkpoint), ClipCache(tiny / "train").batch([0, 1, 2, 3])
    (own, shapes), (other, _) = (tensors(model, batch, crossed=share) for share in (0.0, 1.0))
    pooled = sum(c * f for (c, f), pool in zip(shapes, model.pooled, strict=True) if pool)
    assert model.pooled[0] and not any(model.pooled[1:])
    assert torch.equal(other["codes"][:, :pooled], own["codes"][:, :pooled].roll(1, 0))
    assert torch.equal(other["codes"][:, pooled:], own["codes"][:, pooled:])
    assert torch.equal(other["tokens"], own["tokens"].roll(1, 0))
    assert (other["points"] - own["points"]).abs().max() > 1e-3


def test_guidance_is_the_models_own_or_drawn_for_each_level(checkpoint, tiny):
    model, draws = MSDAE.from_pretrained(checkpoint), [Draws((n,), 4) for n in range(200)]
    usual, drawn = (
        torch.tensor([_guidance(model, TrajectoryConfig(4, 4, 2, (2.0, 3.0), share, 0.0), d) for d in draws])
        for share in (0.3, 0.0)
    )
    own = (usual == torch.tensor(model.guidance_weights(None))).all(dim=1)
    assert own.float().mean() == pytest.approx(0.3, abs=0.08)
    without = drawn == 1
    assert without.float().mean() == pytest.approx(0.25, abs=0.05)
    assert ((drawn >= 2) & (drawn <= 3) | without).all() and drawn[~without].std() > 0.2
    assert not (without.all(dim=1) == without.any(dim=1)).all()  # each level by itself


def test_an_untrained_student_is_its_teacher_without_guidance(checkpoint):
    model = MSDAE.from_pretrained(checkpoint)
    pupil = Student.fresh(model, StudentConfig(points=4), torch.Generator())
    codes = [torch.randn(2, 32, 1), torch.randn(2, 32, 8), torch.randn(2, 32, 32)]
    x, sigmas = torch.randn(2, 64, 32), pupil.sigmas(model, 2).tolist()
    denoise = pupil.denoiser(model, sigmas, (2.0, 1.0, 3.0), codes)
    sigma = torch.full((2,), sigmas[1])
    with torch.no_grad():
        torch.testing.assert_close(denoise(x, sigma), model.denoise(x, sigma, codes))


@pytest.mark.parametrize("says", ["guidance", "consistency"])
def test_other_students_learn_what_they_say(checkpoint, tiny, tmp_path, says):
    """Of guidance the teacher's guided estimate at each point, of consistency the end of its trajectory."""
    student = replace(SETTINGS.student, says=says, rank=16)
    rare = {"log_every": 60, "save_every": 60}
    settings = replace(SETTINGS, student=student, steps=60, learning_rate=1e-2, **rare)
    made(checkpoint, tmp_path, tiny, settings)
    model, trajectories = MSDAE.from_pretrained(checkpoint), known(tmp_path)
    pupil = Student.load(tmp_path / STUDENT, model)
    fresh = Student.fresh(model, settings.student, torch.Generator().manual_seed(0))
    assert pupil.sampler == {"guidance": "dpmpp_2m", "consistency": "euler"}[says]
    row = torch.tensor([0])
    known_of = {name: tensor[row].float() for name, tensor in trajectories.tensors.items()}
    weights, codes = known_of["guidance"][0].tolist(), trajectories.unpacked(known_of["codes"])
    tokens = Tokens(known_of["tokens"], known_of["weights"])
    place = 1
    x, sigma = known_of["points"][:, place], trajectories.sigmas[place].expand(1)
    wanted = known_of["estimates"][:, place] if says == "guidance" else known_of["points"][:, -1]
    sigmas, errors = trajectories.sigmas.tolist(), []
    for student in (pupil, fresh):
        with torch.no_grad():
            said = student.denoiser(model, sigmas, weights, codes, tokens)(x, sigma)
        errors.append((said - wanted).square().mean().item())
    assert errors[0] < 0.8 * errors[1]
    most = {"guidance": 4, "consistency": 1}[says]
    assert pupil.knows(weights, most) and not pupil.knows(weights, most + 1)
    assert len(pupil.sigmas(model, most)) == most + 1
    with pytest.raises(UserError, match=f"the student takes 1 to {most}, got {most + 1}"):
        pupil.sigmas(model, most + 1)


def test_what_was_stopped_continues_bit_for_bit(checkpoint, tiny, tmp_path, monkeypatch):
    settings = replace(SETTINGS, steps=6)
    made(checkpoint, tmp_path / "whole", tiny, settings)

    class Stopped(distillation.DistillationTask):
        seen_steps = 0

        def losses(self, batch, draws):
            if self.seen_steps == 3:
                signal.raise_signal(signal.SIGTERM)
            self.seen_steps += 1
            return super().losses(batch, draws)

    with monkeypatch.context() as patch:
        patch.setattr(distillation, "DistillationTask", Stopped)
        assert not made(checkpoint, tmp_path / "parts", tiny, settings)
    (tmp_path / "parts/trajectories/train/00001.safetensors").unlink()  # as if killed before it was written
    assert made(checkpoint, tmp_path / "parts", tiny, settings)
    whole, parts = ((tmp_path / name / STUDENT).read_bytes() for name in ("whole", "parts"))
    assert whole == parts


def test_other_trajectories_are_another_run(checkpoint, tiny, tmp_path):
    """Regression: once their folder was deleted, as the message says, the student went on with others."""
    made(checkpoint, tmp_path, tiny, replace(SETTINGS, steps=1))
    shutil.rmtree(tmp_path / "trajectories")
    with pytest.raises(UserError, match="saved with another 'trajectories'"):
        made(checkpoint, tmp_path, tiny, replace(SETTINGS, crossed=0.25))


def test_another_number_of_clips_is_another_run(checkpoint, tiny, tmp_path, monkeypatch):
    """Regression: more were rendered, and then a complete student was done, another went on with them."""
    settings = replace(SETTINGS, steps=1)
    made(checkpoint, tmp_path / "a", tiny, settings)
    assert made(checkpoint, tmp_path / "a", tiny, replace(settings, clips=10))  # two files, too
    for clips in (8, 24):
        with pytest.raises(UserError, match="saved with another 'clips'"):
            made(checkpoint, tmp_path / "a", tiny, replace(settings, clips=clips))
    same = distillation.DistillationTask.same
    with monkeypatch.context() as patch:
        silent = lambda task: {key: value for key, value in same(task).items() if key != "clips"}  # noqa: E731
        patch.setattr(distillation.DistillationTask, "same", silent)
        made(checkpoint, tmp_path / "b", tiny, settings)
    assert made(checkpoint, tmp_path / "b", tiny, settings)


def test_processes_share_the_trajectories(checkpoint, tiny, tmp_path, monkeypatch):
    """Regression: each made all of them."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("MSDAE_PATIENCE", "0")
    with pytest.raises(UserError, match="00001.safetensors: left to another process"):
        made(checkpoint, tmp_path, tiny, replace(SETTINGS, steps=1))
    assert [path.name for path in tmp_path.rglob("0*.safetensors")] == ["00000.safetensors"]


def test_refusals(checkpoint, tiny, tmp_path):
    made(checkpoint, tmp_path, tiny, replace(SETTINGS, steps=1))
    with pytest.raises(UserError, match="trajectories of another model, data or settings"):
        made(checkpoint, tmp_path, tiny, replace(SETTINGS, steps=1, crossed=0.25))
    with pytest.raises(UserError, match="a trajectory has 4 points"):
        replace(SETTINGS, segments=(8,))
    model = MSDAE.from_pretrained(checkpoint)
    pupil = Student.load(tmp_path / STUDENT, model)
    with pytest.raises(UserError, match="the student takes 1 to 4, got 5"):
        pupil.sigmas(model, 5)
    model.unet.head[-1].bias.data += 1
    with pytest.raises(UserError, match="the student of another model"):
        Student.load(tmp_path / STUDENT, model)

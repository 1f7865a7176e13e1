import pytest
import torch

from msdae.data.draws import Draws
from msdae.errors import UserError
from msdae.models.composers.base import ExcerptBatch
from msdae.models.composers.musegan import Critic, MuseGANConfig, _score


def test_turns_train_their_own_network(small):
    composer, _ = small("musegan")
    turns = composer.turns()
    names = {name: {n for n, _ in turn.named_parameters()} for name, turn in turns.items()}
    assert all(n.startswith("critic.") for n in names["critic"])
    assert all(n.startswith("generator.") for n in names["generator"])
    assert list(turns) == ["critic", "generator"]


def test_the_generator_steps_once_in_five(small):
    composer, pieces = small("musegan")
    values = torch.zeros(2, 2, 16, 84, 4, dtype=torch.int8)
    losses = [
        composer.turns()["generator"](ExcerptBatch(values, torch.full((2,), step), ["x"] * 2), Draws((0,), 2))
        for step in (4, 5)
    ]
    assert losses[0]["generator"].abs().sum() == 0 and losses[1]["generator"].abs().sum() > 0
    with torch.no_grad():  # validation is no step
        excerpts = ExcerptBatch(values, torch.full((2,), 4), ["x"] * 2)
        assert composer.turns()["generator"](excerpts, Draws((0,), 2))["generator"].abs().sum() > 0


def test_a_batch_of_one_is_refused(small):
    composer, _ = small("musegan")
    excerpts = ExcerptBatch(torch.zeros(1, 2, 16, 84, 4, dtype=torch.int8), torch.zeros(1), ["x"])
    with pytest.raises(UserError, match="batch_size: .* 2 clips or more"):
        composer.turns()["critic"](excerpts, Draws((0,), 1))


def test_chords_move_all_tracks_and_melodies_one(small):
    composer, _ = small("musegan")
    composer.eval()
    noise = [torch.randn(1, 4), torch.randn(1, 4), torch.randn(1, 4, 4), torch.randn(1, 4, 4)]
    with torch.no_grad():
        before = composer.generator(*noise)
        noise[2][:, 1] += 1
        changed = (composer.generator(*noise) != before).flatten(0, 3).any(dim=0)
    assert changed.tolist() == [False, True, False, False] and before.shape == (1, 2, 16, 84, 4)


def test_the_loudest_pitch_sounds_however_faint():
    phrase = torch.full((2, 16, 84, 4), -1.0)
    for track, pitch in enumerate((48, 43, 36, 24)):
        phrase[:, :, pitch, track] = -0.9
    parts = _score(phrase).parts
    assert [[(note.pitch, note.duration) for note in part] for part in parts] == [
        [(72, 8)],
        [(67, 8)],
        [(60, 8)],
        [(48, 8)],
    ]


def test_the_critic_has_gradients_whatever_memory_held_before():
    """Regression: of CPUs with AMX, bfloat16's were NaN where freed memory had been."""
    critic, phrases = Critic(MuseGANConfig()), torch.rand(4, 2, 16, 84, 4)
    for _ in range(3):
        freed = [torch.full((10**power,), torch.nan) for power in range(2, 8) for _ in range(3)]
        del freed
        with torch.autocast("cpu", torch.bfloat16):
            score = critic(phrases).sum()
        gradients = torch.autograd.grad(score, list(critic.parameters()))
        assert all(gradient.isfinite().all() for gradient in gradients)

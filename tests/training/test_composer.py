import json

import pytest
import torch

from msdae import checkpoint, config
from msdae.data.draws import Draws
from msdae.errors import UserError
from msdae.models.composers import COMPOSERS
from msdae.models.composers.base import load, new
from msdae.symbolic.notes import Score, ScoreNote
from msdae.training.composer import PRODUCT, ComposerTask, settings_of, train

TINY = {
    "transformer": ["model.width=16", "model.layers=1", "model.heads=2", "model.window=16"],
    "musegan": ["model.noise=4", "model.width=8", "model.critic=8"],
    "vae": ["model.channels=8", "model.hidden=8", "model.latent=4", "model.decoder=16"],
}
FAST = ["batch_size=4", "validation_batches=1", "warmup=0", "trackers=[]", "validate_every=2", "save_every=2"]


def tune(seed, voices=1):
    pitches = [60 + (7 * n * (seed + 1)) % 12 for n in range(24)]
    lines = [[ScoreNote(0.5 * n, 0.5, p - 6 * v) for n, p in enumerate(pitches)] for v in range(voices)]
    return Score(tuple(lines))


def pieces(voices=1):
    return {"train": {str(n): tune(n, voices) for n in range(3)}, "valid": {"v": tune(5, voices)}}


def settings(kind, *changes):
    return config.load(settings_of(kind), None, [*TINY[kind], *FAST, *changes])


def test_settings_have_the_composers_defaults_and_its_sizes():
    made = settings_of("musegan")()
    assert made.betas == (0.0, 0.9) and made.patience == 0 and made.model == COMPOSERS["musegan"].Config()
    with pytest.raises(UserError, match="did you mean 'width'"):
        config.load(settings_of("transformer"), None, ["model.widht=3"])
    with pytest.raises(UserError, match="dropout: is 2"):
        config.load(settings_of("transformer"), None, ["model.dropout=2.0"])


@pytest.mark.parametrize("kind", list(TINY))
def test_a_training_that_is_resumed_repeats_the_one_that_is_not(kind, tmp_path):
    voices = COMPOSERS[kind].voices
    losses = {}
    for name, stops in (("whole", [6]), ("parts", [2, 6])):
        for steps in stops:  # the rate falls with the steps that are planned: none here
            made = settings(kind, f"steps={steps}", "decay=0.0", "learning_rate=0.01")
            train(kind, made, pieces(voices), tmp_path / name)
        lines = (tmp_path / name / "log.jsonl").read_text().splitlines()
        losses[name] = [json.loads(line).get("valid/loss") for line in lines]
    whole = [value for value in losses["whole"] if value is not None]
    parts = [value for value in losses["parts"] if value is not None]
    assert whole == pytest.approx(parts, rel=1e-5) and len(set(whole)) > 1
    products = [load(tmp_path / name / PRODUCT) for name in ("whole", "parts")]
    assert all(product.kind == kind for product in products)
    torch.testing.assert_close(*(product.state_dict() for product in products))


@pytest.mark.parametrize("kind", list(COMPOSERS))
def test_every_composer_is_trained_in_bf16(kind, tmp_path):
    changes = [*TINY.get(kind, []), *FAST, "steps=2", "mixed_precision=bf16"]
    train(kind, config.load(settings_of(kind), None, changes), pieces(COMPOSERS[kind].voices), tmp_path)
    assert load(tmp_path / PRODUCT).kind == kind


def test_the_best_weights_are_kept(tmp_path):
    made = settings("transformer", "steps=8", "patience=2", "learning_rate=0.05", "ema=0.0", "decay=0.0")
    train("transformer", made, pieces(), tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    held_out = {line["step"]: line["valid/loss"] for line in lines if "valid/loss" in line}
    best = min(held_out, key=held_out.get)
    assert load(tmp_path / PRODUCT).provenance["step"] == best


def test_without_validation_the_last_weights_are_kept(tmp_path):
    for steps in (2, 4):
        train(
            "transformer",
            settings("transformer", f"steps={steps}", "validation_batches=0"),
            pieces(),
            tmp_path,
        )
        assert load(tmp_path / PRODUCT).provenance["step"] == steps


def test_what_patience_ended_goes_on_only_when_something_else_is_asked_for(tmp_path):
    """By a rate at which nothing is learnt, the second validation is not better than the first."""

    def line(steps, patience):
        made = settings("transformer", "learning_rate=1e-20", f"steps={steps}", f"patience={patience}")
        train("transformer", made, pieces(), tmp_path)
        header = checkpoint.read_header(tmp_path / "state.safetensors", "training state")
        return header["step"], *(
            (tmp_path / name).stat().st_mtime_ns for name in (PRODUCT, "state.safetensors")
        )

    ended = line(20, 1)
    assert ended[0] == 4 and line(20, 1) == ended
    assert line(30, 1)[0] == 6 and line(30, 1)[0] == 6
    assert line(30, 3)[0] == 8 and line(10, 0)[0] == 10


def test_patience_ends_it(tmp_path):
    task = ComposerTask(*_parts("transformer"), pieces(), tmp_path)
    next(iter(task.validation(0, 1)))
    patience = task.settings.patience
    assert not task.enough([1.0] * patience)
    assert task.enough([0.5, *[1.0] * patience]) and not task.enough([0.5, *[1.0] * (patience - 1), 0.4])


def test_so_many_pieces_are_learnt_from(tmp_path):
    def learnt(*changes):
        made = settings("transformer", "steps=1", *changes)
        folder = tmp_path / "-".join(changes)
        assert train("transformer", made, pieces(), folder)
        return load(folder / PRODUCT).runs

    few, some = learnt("pieces=1"), learnt("pieces=2")
    assert 0 < len(few.hashes) < len(some.hashes)
    assert len(learnt().hashes) == len(learnt("pieces=9").hashes) > len(some.hashes)


def test_turns_leave_the_other_network_alone(tmp_path):
    task = ComposerTask(*_parts("musegan"), pieces(4), tmp_path)
    batch = next(task.batches(0, 0, 0, 1))
    for name, other in (("critic", "generator"), ("generator", "critic")):
        terms = task.turns()[name](batch, Draws((0,), 4))
        sum(terms.values()).mean().backward()
        touched = {
            n for n, network in task.networks.items() for p in network.parameters() if p.grad is not None
        }
        assert touched == {name}, other
        for parameter in task.networks[name].parameters():
            parameter.grad = None


def test_the_generator_stands_still_in_the_steps_of_the_critic(tmp_path):
    """Its moments, too."""
    moments = []
    for steps in (1, 4):
        train("musegan", settings("musegan", f"steps={steps}"), pieces(4), tmp_path)
        state, _ = checkpoint.load(tmp_path / "state.safetensors", "training state")
        moments.append({k: v for k, v in state.items() if k.startswith("generator.optimizer.")})
    assert moments[0] and all(torch.equal(moment, moments[1][name]) for name, moment in moments[0].items())


def test_the_loss_is_that_of_the_steps_in_which_the_generator_moves(tmp_path):
    """Regression: the others counted as 0, and the loss in the log was a fifth of what it was."""
    train("musegan", settings("musegan", "steps=6", "log_every=1"), pieces(4), tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert {line["step"] for line in lines if "loss" in line} == {1, 6}
    assert {line["step"] for line in lines if "critic: distance" in line} == set(range(1, 7))


def test_validation_says_nothing_of_the_critics_training(tmp_path):
    """Regression: its lines had the losses of the critic's last step."""
    train("musegan", settings("musegan", "steps=2"), pieces(4), tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert any("critic: distance" in line for line in lines)
    assert not any(key.startswith("valid/critic") for line in lines for key in line)


def test_parts_of_a_batch_have_dropout_of_their_own(tmp_path):
    task = ComposerTask(*_parts("transformer"), pieces(), tmp_path)
    batch = task.example(2)

    def losses(first):
        return sum(task.losses(batch, Draws((0, 0, 0), 4, slice(first, first + 2))).values())

    assert torch.equal(losses(0), losses(0)) and not torch.isclose(losses(0), losses(2)).any()


def _parts(kind):
    made = settings(kind)
    return new(kind, made.model, list(pieces(COMPOSERS[kind].voices)["train"].values()), 0), made


def test_pieces_without_notes_are_refused(tmp_path):
    empty = {"train": {"a": Score(())}, "valid": {"b": tune(1)}}
    with pytest.raises(UserError, match="no"):
        train("transformer", settings("transformer"), empty, tmp_path)

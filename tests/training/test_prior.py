"""Priors on the one loop: windows of pieces, whatever number of processes draws them."""

import dataclasses

import numpy as np
import pytest
import torch

from msdae.data import pieces as stored
from msdae.data.draws import Draws
from msdae.data.pieces import Piece
from msdae.errors import UserError
from msdae.models.priors.base import load, new
from msdae.models.priors.grid import Grid, Level
from msdae.models.priors.registry import PRIORS
from msdae.training.prior import PRODUCT, PriorTask, settings_of, train

GRID = Grid((Level(3, 0), Level(4, 4), Level(2, 1)))
SMALL = {"window": 16, "width": 16, "layers": 1, "heads": 2, "text": 5}


def piece(number, frames=48, texts=2):
    """Codes that say where they are: level 3 counts its frames."""
    generator = torch.Generator().manual_seed(number)
    melody = {2: torch.arange(frames // 4.0).expand(4, -1), 3: torch.arange(float(frames)).expand(2, -1)}
    said = torch.randn(texts, 5, generator=generator) if texts else None
    return Piece(f"piece{number}", {1: torch.randn(4, 3, generator=generator)}, melody, frames, {}, said)


def settings(**changes):
    defaults = {"steps": 4, "batch_size": 4, "validate_every": 2, "save_every": 2, "trackers": ()}
    return settings_of("dit")(**{**defaults, "model": PRIORS["dit"].Config(**SMALL), **changes})


def task(pieces, **changes):
    chosen = settings(**changes)
    return PriorTask(new("dit", chosen.model, GRID, "m", 0), chosen, pieces)


def test_windows_are_of_the_pieces():
    batch = task({"train": [piece(0), piece(1)]}).some(32)
    codes = GRID.gather(batch.codes)
    for row, start in enumerate(batch.start.tolist()):
        assert codes[3][row, 0].tolist() == list(np.arange(start, start + 16))
        assert codes[2][row, 0].tolist() == list(np.arange(start // 4, start // 4 + 4))
    assert batch.length.tolist() == [48.0] * 32 and len(set(batch.start.tolist())) > 4
    known = {tuple(text.tolist()) for number in (0, 1) for text in piece(number).texts}
    assert {tuple(text.tolist()) for text in batch.text} == known


def test_long_pieces_have_as_many_windows_as_they_are_longer():
    batch = task({"train": [piece(0), piece(1, frames=9 * 48)]}).some(400)
    assert batch.names.count("piece1") / 400 == pytest.approx(0.9, abs=0.04)


def test_the_timbre_of_a_window_is_one_of_its_piece_or_at_times_their_mean():
    one = piece(0)
    found = GRID.gather(task({"train": [one]}).some(400).codes)[1][..., 0]
    is_mean = torch.isclose(found, one.timbres[1].mean(dim=0)).all(dim=1)
    assert is_mean.float().mean() == pytest.approx(0.3, abs=0.06)
    apart = torch.cdist(found[~is_mean], one.timbres[1])
    assert apart.amin(dim=1).max() < 1e-3 and apart.argmin(dim=1).unique().tolist() == [0, 1, 2, 3]


def test_two_processes_draw_what_one_draws():
    one = task({"train": [piece(n) for n in range(3)]})
    whole = next(one.batches(0, 7, 0, 1))
    halves = [next(one.batches(0, 7, rank, 2)) for rank in (0, 1)]
    assert torch.equal(whole.codes, torch.cat([half.codes for half in halves]))
    assert not torch.equal(whole.codes, next(one.batches(0, 8, 0, 1)).codes)


def test_a_training_that_was_stopped_goes_on(tmp_path):
    pieces = {"train": [piece(n) for n in range(3)], "valid": [piece(9)]}
    for folder, steps in (("whole", [4]), ("parts", [2, 4])):
        for total in steps:
            assert train("dit", settings(steps=total, decay=1e-9), pieces, GRID, "m", tmp_path / folder)
    whole, parts = (load(tmp_path / name / PRODUCT).state_dict() for name in ("whole", "parts"))
    assert all(torch.equal(tensor, parts[name]) for name, tensor in whole.items())


def test_other_codes_do_not_continue_a_training(tmp_path):
    first, second = [{"train": [dataclasses.replace(piece(n), name="piece")]} for n in (0, 1)]
    assert train("dit", settings(steps=1), first, GRID, "m", tmp_path)
    with pytest.raises(UserError, match="another 'pieces'"):
        train("dit", settings(steps=2), second, GRID, "m", tmp_path)


def test_a_prior_of_another_kind_is_not_replaced(tmp_path):
    """Regression: a Gaussian, fitted in seconds, took the place of what was trained for hours."""
    pieces = {"train": [piece(n, texts=0) for n in range(3)]}
    chosen = settings(steps=1, model=PRIORS["dit"].Config(**{**SMALL, "text": 0}))
    assert train("dit", chosen, pieces, GRID, "m", tmp_path)
    before = (tmp_path / PRODUCT).read_bytes()
    with pytest.raises(UserError, match="prior.safetensors: holds a prior dit; choose another folder"):
        train("gaussian", settings_of("gaussian")(), pieces, GRID, "m", tmp_path)
    assert (tmp_path / PRODUCT).read_bytes() == before


def test_parts_of_a_batch_have_dropout_of_their_own():
    one = task({"train": [piece(0)]})
    one.networks["prior"] = lambda codes, condition, draws: torch.rand(2)  # as dropout draws
    few = one.some(2)
    drawn = [one.losses(few, Draws((0, 0, 0), 4, slice(n, n + 2)))["denoising"].tolist() for n in (0, 2, 2)]
    assert drawn[0] != drawn[1] == drawn[2]


def test_pieces_have_files(tmp_path):
    pieces = {"train": [piece(0), piece(1, texts=0)], "valid": [piece(2)]}
    path = tmp_path / "codes.safetensors"
    stored.save(path, pieces, "m", "d")
    again = stored.load(path, "m", "d", GRID.pooled)
    for split, members in pieces.items():
        for one, two in zip(members, again[split], strict=True):
            assert (one.name, one.frames) == (two.name, two.frames)
            torch.testing.assert_close(dict(one.timbres), dict(two.timbres), atol=2e-3, rtol=1e-3)
            torch.testing.assert_close(dict(one.melody), dict(two.melody))
            assert (one.texts is None) == (two.texts is None)
    with pytest.raises(UserError, match="of another model or of other recordings; delete it"):
        stored.load(path, "another", "d", GRID.pooled)


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ({"train": [piece(0, frames=12)]}, "no piece is as long as a window of 16 latent frames"),
        ({"train": [piece(0, texts=0)]}, "the pieces have no texts of so many numbers"),
    ],
)
def test_pieces_that_cannot_be_learnt_from(pieces, message):
    with pytest.raises(UserError, match=message):
        task(pieces)

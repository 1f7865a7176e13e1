import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from msdae import audio
from msdae.data.sources import SourceFile
from msdae.errors import UserError
from msdae.models import transcriber
from msdae.models.transcriber import EMPTY, HOP, KEYS, SAMPLE_RATE, STEPS
from msdae.training.transcriber import (
    FRAMES,
    PRODUCT,
    SAMPLES,
    Mixtures,
    TranscriberConfig,
    TranscriberTask,
    coloured,
    targets_of,
    train,
)

FEW = TranscriberConfig(
    steps=4,
    batch_size=4,
    warmup=0,
    decay=0.0,
    validation_batches=1,
    validate_every=2,
    save_every=2,
    trackers=(),
)
ALONE = replace(FEW, two=0.0, three=0.0)
FRAME = HOP / SAMPLE_RATE
MADE = {"clips": 4}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Four clips of a note each, by two sounds; the last one is cut short."""
    folder, found = tmp_path_factory.mktemp("clips"), []
    for number, (sound, score, pitch) in enumerate(
        (("P", "X", 60), ("P", "Y", 64), ("Q", "X", 60), ("R", "Z", 67))
    ):
        path = folder / f"{number}.flac"
        length = SAMPLES if number < 3 else SAMPLES // 2
        time = torch.arange(length) / SAMPLE_RATE
        wave = torch.sin(2 * torch.pi * 440 * 2 ** ((pitch - 69) / 12) * time)
        audio.write(path, (0.2 + 0.1 * number) * wave * (time > 0.5), SAMPLE_RATE)
        labels = {"sound": sound, "score": score, "notes": [[0.5, 1.2 + 0.1 * number, pitch, 90]]}
        found.append(SourceFile(f"clip{number}", path, 1, labels))
    return found


@pytest.fixture
def mixtures(clips, tmp_path):
    return lambda settings: Mixtures(clips, settings, tmp_path)


def test_onsets_are_bells_about_their_times():
    onsets, sounding = targets_of(
        np.array([[10.25 * FRAME, 20 * FRAME, 60, 90], [30 * FRAME, 40 * FRAME, 61, 90]])
    )
    key = 60 - KEYS.start
    assert onsets.shape == sounding.shape == (FRAMES, len(KEYS))
    assert onsets[:, key].argmax() == 10 and onsets[10, key] > onsets[11, key] > onsets[9, key] > 0.1
    assert onsets[30, key + 1] == 1 and onsets[29, key + 1] == pytest.approx(onsets[31, key + 1])
    assert np.flatnonzero(sounding[:, key]).tolist() == [*range(10, 20)]
    assert np.flatnonzero(sounding[:, key + 1]).tolist() == [*range(30, 40)]
    assert not sounding[:, : key - 1].any() and not sounding[:, key + 2 :].any()


def test_repeated_notes_keep_their_onsets_and_notes_beyond_the_keys_are_left_out():
    notes = [[5 * FRAME, 10 * FRAME, 60, 90], [12 * FRAME, 18 * FRAME, 60, 90], [0.0, 1.0, KEYS.stop, 90]]
    onsets, sounding = targets_of(np.array(notes))
    key = 60 - KEYS.start
    assert onsets[[5, 12], key].tolist() == [1, 1] and sounding.sum() == 11
    assert not np.delete(onsets, key, axis=1).any()


def test_sums_unite_the_notes_and_the_same_sound_comes_first(mixtures):
    two = mixtures(replace(FEW, two=1.0, three=0.0, same_sound=1.0))
    drawn = [two.draw(np.random.default_rng(seed)) for seed in range(30)]
    assert {len(notes) for _, notes, _ in drawn} == {2}
    for _, notes, name in drawn:
        if name in ("clip0", "clip1"):
            assert sorted(notes[:, 2]) == [60, 64]
    three = mixtures(replace(FEW, two=0.0, three=1.0))
    assert len(three.draw(np.random.default_rng(0))[1]) == 3
    waveform, notes, _ = drawn[0]
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(SAMPLES)))
    for pitch in notes[:, 2]:
        place = round(440 * 2 ** ((pitch - 69) / 12) * SAMPLES / SAMPLE_RATE)
        assert spectrum[place - 3 : place + 4].max() > 20 * np.median(spectrum)


def test_clips_alone_are_brought_to_a_level(mixtures):
    alone = mixtures(ALONE)
    for seed in range(20):
        waveform, notes, name = alone.draw(np.random.default_rng(seed))
        assert waveform.shape == (SAMPLES,) and waveform.dtype == np.float32 and len(notes) == 1
        assert 0.14 < np.abs(waveform).max() < 0.95
        if name == "clip3":
            assert np.abs(waveform[SAMPLES // 2 + 1 :]).max() < 0.05


def test_a_batch_depends_on_seed_and_step_alone_and_is_shared(mixtures):
    task = TranscriberTask(FEW, mixtures(FEW), mixtures(FEW))
    whole = task.batches(0, 0, 0, 1)
    first, second = next(whole), next(whole)
    again = next(task.batches(0, 1, 0, 1))
    shares = [next(task.batches(0, 1, rank, 2)) for rank in range(2)]
    for field in ("waveform", "shift", "colour", "targets"):
        assert torch.equal(getattr(again, field), getattr(second, field))
        assert torch.equal(torch.cat([getattr(share, field) for share in shares]), getattr(second, field))
    assert not torch.equal(first.waveform, second.waveform)
    assert not torch.equal(next(task.batches(1, 1, 0, 1)).waveform, second.waveform)
    (valid,) = task.validation(0, 1)
    assert not valid.shift.any() and not valid.colour.any()


def test_spectrograms_and_targets_are_transposed_together(mixtures):
    """A note that is transposed looks like the note that its target names."""
    settings = replace(ALONE, batch_size=12)
    batch = next(TranscriberTask(settings, mixtures(settings), mixtures(settings)).batches(0, 0, 0, 1))
    assert batch.shift.unique().numel() > 2 and batch.shift.abs().max() <= settings.transposed
    network = transcriber.Transcriber()
    bins = coloured(network.bins(batch.waveform), batch.shift, torch.zeros_like(batch.colour))
    loudest = bins[:, 0, 35].argmax(dim=1) - 1  # a key's middle bin is its second
    assert ((loudest / STEPS).round() == batch.targets[:, 1, 35].argmax(dim=1)).all()
    assert coloured(bins, 0 * batch.shift, batch.colour - 9).max() == EMPTY


def test_a_training_that_is_resumed_repeats_the_one_that_is_not(clips, tmp_path):
    losses = {}
    splits = {"train": clips, "valid": clips}
    for name, stops in (("whole", [4]), ("parts", [2, 4])):
        for steps in stops:
            (tmp_path / name).mkdir(exist_ok=True)
            assert train(replace(FEW, steps=steps), splits, tmp_path / name, MADE)
        lines = (tmp_path / name / "log.jsonl").read_text().splitlines()
        losses[name] = [loss for line in lines if (loss := json.loads(line).get("valid/loss"))]
    assert losses["whole"] == pytest.approx(losses["parts"], rel=1e-5) and len(losses["whole"]) == 2
    products = [transcriber.load(tmp_path / name / PRODUCT) for name in losses]
    torch.testing.assert_close(*(product.state_dict() for product in products))


def test_clips_without_notes_and_shares_above_one_are_refused(clips, tmp_path):
    silent = [replace(clip, labels={"notes": []}) for clip in clips]
    with pytest.raises(UserError, match="no clips with notes"):
        Mixtures(silent, FEW, tmp_path)
    with pytest.raises(UserError, match="two and three: together 1.2, expected 1 at most"):
        replace(FEW, two=0.7, three=0.5)

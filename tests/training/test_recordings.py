from types import SimpleNamespace

import pytest
import torch

from msdae import audio
from msdae.training.recordings import RecordingExcerpts

SAMPLES = 2000


@pytest.fixture
def make(tmp_path):
    """Excerpts of three constant recordings, .1, .2 and .3 high, the last one shorter than an excerpt."""
    for index, samples in enumerate((9000, 5000, 1500)):
        audio.write(tmp_path / f"{index}.flac", torch.full((samples,), 0.1 * (index + 1)), 44100)

    def make(**settings):
        chosen = SimpleNamespace(**{"batch_size": 6, "mixed": 0.5, "hissed": 0.5, **settings})
        return RecordingExcerpts(sorted(tmp_path.glob("*.flac")), chosen, SAMPLES, 44100, tmp_path)

    return make


def test_a_batch_depends_on_seed_and_step_alone(make):
    whole = make().batches(0, 0)
    first, second = next(whole), next(whole)
    assert torch.equal(next(make().batches(0, 1)).waveform, second.waveform)
    assert not torch.equal(first.waveform, second.waveform)
    assert not torch.equal(next(make().batches(1, 0)).waveform, first.waveform)


def test_processes_share_a_batch(make):
    whole = next(make().batches(0, 0))
    shares = [next(make().batches(0, 0, rank, 3)) for rank in range(3)]
    assert torch.equal(torch.cat([share.waveform for share in shares]), whole.waveform)
    assert sum((share.names for share in shares), []) == whole.names


def test_excerpts_are_those_of_the_named_recordings(make):
    batch = next(make(batch_size=32, mixed=0, hissed=0).batches(0, 0))
    assert batch.waveform.shape == (32, SAMPLES)
    for waveform, name in zip(batch.waveform, batch.names, strict=True):
        kept = 1500 if name.endswith("2.flac") else SAMPLES
        assert (waveform[:kept] > 0).all() and (waveform[kept:] == 0).all()
        assert torch.allclose(waveform[:kept], waveform[0])
    assert len(set(batch.names)) == 3 and batch.waveform.max() <= 1


def test_mixing_and_hiss(make):
    plain = next(make(mixed=0, hissed=0).batches(0, 0)).waveform
    mixed = next(make(mixed=1, hissed=0).batches(0, 0)).waveform
    hissed = next(make(mixed=0, hissed=1).batches(0, 0)).waveform
    assert plain[:, :1500].std(dim=1).max() < 1e-3  # constant
    assert hissed[:, :1500].std(dim=1).min() > 1e-4
    assert mixed.std() != plain.std()

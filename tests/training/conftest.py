import pytest
import torch

from msdae.training.lesson import SoundTask


@pytest.fixture
def threads_of_steps(monkeypatch):
    """On how many threads torch computes in each step of learning, which begins with two."""
    before, threads, losses = torch.get_num_threads(), [], SoundTask.losses

    def noted(task, batch, draws):
        threads.append(torch.get_num_threads())
        return losses(task, batch, draws)

    monkeypatch.setattr(SoundTask, "losses", noted)
    torch.set_num_threads(2)
    yield threads
    torch.set_num_threads(before)

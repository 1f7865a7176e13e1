"""Learning a sound briefly, with a tiny model."""

import threading
from dataclasses import replace

import pytest
import torch

from msdae.audio.windows import Waveform
from msdae.errors import UserError
from msdae.training.lesson import BRIEF, briefly
from tests.training.test_sound import CODEC, SETTINGS, small

BRIEFER = replace(BRIEF, steps=4, rank=4, excerpts=SETTINGS.excerpts, learning_rate=0.02)


@pytest.fixture(scope="module")
def source(melody):
    return Waveform(melody(3.0)[0])


def test_a_sound_is_learnt_and_the_model_stays(source):
    """The same from any thread, while others use the model, as from a pipeline's."""
    model, lessons, steps = small(), [], []
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    grads = [parameter.requires_grad for parameter in model.parameters()]
    lessons.append(briefly(model, CODEC, source, BRIEFER))
    work = lambda: lessons.append(briefly(model, CODEC, source, BRIEFER))  # noqa: E731
    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        steps.append(model.training or any(layer._forward_hooks for layer in model.modules()))
    first, again = (lesson.adapter.tensors() for lesson in lessons)
    assert not any(steps)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(tensor.abs().max() > 0 for name, tensor in first.items() if name.endswith(".up"))
    assert lessons[0].adapter.fits(model.unet) and lessons[0].steps == 4 and not lessons[0].held_out
    assert not any(parameter.requires_grad for parameter in lessons[0].adapter.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert [parameter.requires_grad for parameter in model.parameters()] == grads and not model.training


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_learns_where_gradients_are_off(source, mode):
    with mode():
        lesson = briefly(small(), CODEC, Waveform(source.waveform.clone()), BRIEFER)
    assert any(tensor.abs().max() > 0 for name, tensor in lesson.adapter.tensors().items() if ".up" in name)


def test_more_of_the_change_is_kept_as_asked_for(source):
    whole, half = (briefly(small(), CODEC, source, replace(BRIEFER, share=share)) for share in (1.0, 0.5))
    for name, tensor in whole.adapter.tensors().items():
        scale = 1.0 if name.endswith(".down") else 0.5
        torch.testing.assert_close(half.adapter.tensors()[name], scale * tensor)


def test_it_computes_on_one_thread(source, threads_of_steps):
    """Regression: beside another process, threads that waited for each other took ten times as long."""
    briefly(small(), CODEC, source, BRIEFER)
    assert threads_of_steps == [1] * 4 and torch.get_num_threads() == 2


def test_silence_is_refused():
    with pytest.raises(UserError, match="nothing can be heard"):
        briefly(small(), CODEC, Waveform(torch.zeros(10_000)), BRIEFER)

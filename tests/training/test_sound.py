"""Learning a sound with a tiny model: held-out excerpts get better, the model stays, runs continue."""

import signal
import threading
from types import SimpleNamespace

import pytest
import torch

from msdae import codecs
from msdae.audio.mel import LogMel
from msdae.audio.windows import Waveform
from msdae.data.excerpts import ExcerptConfig, excerpts
from msdae.errors import UserError
from msdae.models.config import CodecConfig, ModelConfig
from msdae.models.msdae import MSDAE
from msdae.training import sound
from msdae.training.sound import LearnConfig, learn
from msdae.training.task import Task

CODEC = codecs.load(codecs.DEFAULT)
SETTINGS = LearnConfig(
    steps=8,
    rank=4,
    batch_size=4,
    learning_rate=0.02,
    warmup=1,
    log_every=1,
    validate_every=4,
    save_every=1,
    excerpts=ExcerptConfig(excerpts=8, semitones=1),
)


def small(**sizes):
    torch.manual_seed(0)
    codec = CodecConfig(fingerprint=CODEC.fingerprint)
    model = MSDAE(ModelConfig(widths=(16, 16, 24), hidden=16, codec=codec, **sizes))
    for parameter in model.parameters():  # an untrained model ends in zeros
        parameter.data += 0.05 * torch.randn_like(parameter)
    return model.eval()


def changed(**changes):
    return LearnConfig(**{name: getattr(SETTINGS, name) for name in vars(SETTINGS)} | changes)


@pytest.fixture(scope="module")
def source(melody):
    return Waveform(melody(13.0)[0])


def test_it_computes_on_one_thread(tmp_path, source, threads_of_steps):
    learn(small(), CODEC, [source], SETTINGS, tmp_path)
    assert set(threads_of_steps) == {1} and torch.get_num_threads() == 2


def test_held_out_excerpts_get_better_and_the_model_stays(tmp_path, source):
    model = small()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    grads = [parameter.requires_grad for parameter in model.parameters()]
    lesson = learn(model, CODEC, [source], SETTINGS, tmp_path)
    assert lesson.held_out[1] < 0.99 * lesson.held_out[0] and lesson.steps == 8
    assert lesson.adapter.fits(model.unet)
    train, _ = excerpts([source], CODEC, LogMel(model.config.mel), SETTINGS.excerpts)
    torch.testing.assert_close(lesson.code, model.encode_level(0, train.timbre.float()).mean(0)[None])
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert [parameter.requires_grad for parameter in model.parameters()] == grads and not model.training


def test_stopped_learning_continues_bit_for_bit(tmp_path, source, monkeypatch):
    whole = learn(small(), CODEC, [source], SETTINGS, tmp_path / "whole")

    class Stopped(sound.SoundTask):
        def losses(self, batch, draws):
            if self.seen == 3:
                signal.raise_signal(signal.SIGTERM)
            self.seen += 1
            return super().losses(batch, draws)

        seen = 0

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(sound, "SoundTask", Stopped)
        learn(small(), CODEC, [source], SETTINGS, tmp_path / "parts")
    parts = learn(small(), CODEC, [source], SETTINGS, tmp_path / "parts")
    assert parts.held_out == whole.held_out
    pairs = zip(whole.adapter.tensors().items(), parts.adapter.tensors().items(), strict=True)
    assert all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


def test_another_sound_begins_anew_and_leaves_other_files(tmp_path, source):
    (tmp_path / "mine.txt").write_text("mine")
    first = learn(small(), CODEC, [source], changed(steps=2), tmp_path)
    other = learn(small(), CODEC, [Waveform(source.waveform.flip(0))], changed(steps=3), tmp_path)
    assert (first.steps, other.steps) == (2, 3) and (tmp_path / "mine.txt").exists()


def test_steps_follow_from_seconds(tmp_path, source, monkeypatch):
    """At most `most`, however much time there is, and at least `FEWEST`."""
    by_time = changed(steps=None, seconds=1000.0, save_every=100, most=12)
    assert learn(small(), CODEC, [source], by_time, tmp_path / "quick").steps == 12
    monkeypatch.setattr(sound, "pace", lambda task, folder: 1000.0)
    assert learn(small(), CODEC, [source], by_time, tmp_path / "slow").steps == sound.FEWEST


def test_a_share_of_what_was_learnt_is_kept(tmp_path, source):
    """Adapters add up: with a fifth of the share every output is moved a fifth as far."""
    whole, fifth = (
        learn(small(), CODEC, [source], changed(steps=2, share=share), tmp_path / f"{share}")
        for share in (1.0, 0.2)
    )
    for name, tensor in whole.adapter.tensors().items():
        scale = 1.0 if name.endswith(".down") else 0.2
        torch.testing.assert_close(fifth.adapter.tensors()[name], scale * tensor)
    assert whole.held_out[0] == fifth.held_out[0] and whole.held_out[1] != fifth.held_out[1]


def test_learning_ends_when_held_out_excerpts_stop_improving(tmp_path, source):
    config = changed(steps=20, learning_rate=1e-20, validate_every=1, patience=2, save_every=100)
    model = small()
    lessons = [learn(model, CODEC, [source], config, tmp_path) for _ in range(2)]  # the second is known
    assert [lesson.steps for lesson in lessons] == [2, 2] and lessons[0].held_out == lessons[1].held_out
    assert not Task.enough(None, [1.0, 2.0, 3.0])


def test_a_thread_may_learn(tmp_path, source):
    lessons = []
    work = lambda: lessons.append(learn(small(), CODEC, [source], changed(steps=1), tmp_path))  # noqa: E731
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert lessons[0].steps == 1


def test_refusals(tmp_path, source):
    with pytest.raises(UserError, match="no average over time"):
        learn(small(pooled=()), CODEC, [source], SETTINGS, tmp_path)
    with pytest.raises(UserError, match="nothing can be heard"):
        learn(small(), CODEC, [Waveform(torch.zeros(10_000))], SETTINGS, tmp_path)
    with pytest.raises(UserError, match="shorter than 0.05 s"):
        learn(small(), CODEC, [Waveform(torch.zeros(1000))], SETTINGS, tmp_path)
    with pytest.raises(UserError, match="seconds: is nan"):
        changed(seconds=float("nan"))


def test_launched_processes_learn_nothing(tmp_path, source, monkeypatch):
    monkeypatch.setattr(sound, "process_state", lambda device: SimpleNamespace(num_processes=2))
    with pytest.raises(UserError, match="by one process"):
        learn(small(), CODEC, [source], SETTINGS, tmp_path)


def test_the_folder_of_another_training_stays_as_it_is(tmp_path, source):
    (tmp_path / "state.safetensors").write_bytes(b"of hours")
    with pytest.raises(UserError, match="state.safetensors: of another training"):
        learn(small(), CODEC, [source], SETTINGS, tmp_path)
    assert (tmp_path / "state.safetensors").read_bytes() == b"of hours"

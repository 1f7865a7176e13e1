import time

from msdae.evaluation import loop_speed
from msdae.models.config import ModelConfig
from msdae.training.autoencoder import TrainConfig


def test_a_step_takes_longer_than_its_network():
    model = ModelConfig(widths=(8, 8, 8), hidden=8)
    speed = loop_speed.measure("msdae", 1, TrainConfig(model=model, batch_size=4, warmup=0), steps=3)
    assert 0 < speed.network < speed.seconds
    assert 0 < speed.rest < 1


def test_the_network_works_on_all_parts_of_a_step(monkeypatch):
    def turns(self, batch, draws, whole):
        time.sleep(0.02)
        return {}

    monkeypatch.setattr(loop_speed.Loop, "_turns", turns)
    monkeypatch.setattr(loop_speed.Loop, "_finish", lambda self: None)
    monkeypatch.setattr(loop_speed.Loop, "_save", lambda self, name: None)
    settings = TrainConfig(
        model=ModelConfig(widths=(8, 8, 8), hidden=8), batch_size=8, accumulation=4, validation_batches=0
    )
    assert loop_speed.measure("msdae", 1, settings, steps=3).network > 0.079


def test_the_share_of_the_rest():
    assert loop_speed.StepSpeed(2.0, 1.5).rest == 0.25
    assert loop_speed.StepSpeed(1.0, 1.1).rest == 0.0

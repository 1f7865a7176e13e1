import math
import typing

import pytest

from msdae.errors import UserError
from msdae.training.autoencoder import TrainConfig
from msdae.training.codec import CodecTrainConfig
from msdae.training.sound import LearnConfig
from msdae.training.task import Schedule, settled


def test_learning_rate_warms_up_and_falls():
    settings = Schedule(learning_rate=1.0, warmup=10, decay=0.5)
    rates = [settings.rate(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == rates[50] == 1 and rates[99] == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("held_out", "patience", "enough"),
    [
        ([3.0, 2.0, 2.0], 1, True),  # as good is not better
        ([3.0, 2.0, 1.9], 1, False),
        ([2.0, 3.0, 1.9], 2, False),
        ([2.0, 3.0, 2.5], 2, True),
        ([2.0, 3.0], 2, False),
        ([2.0, 3.0], 0, False),
    ],
)
def test_losses_settle_where_the_last_are_no_better(held_out, patience, enough):
    assert settled(held_out, patience) == enough


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("audio_every", 0),
        ("log_every", 0),
        ("batch_size", 0),
        ("accumulation", 0),
        ("seed", -1),
        ("learning_rate", math.nan),
        ("learning_rate", math.inf),
        ("learning_rate", 0.0),
        ("clip", 0.0),
        ("warmup", -1),
        ("decay", 1.5),
        ("ema", 1.0),
        ("betas", (0.9,)),
        ("mixed_precision", "fp7"),
        ("workers", -1),
        ("steps", ()),
        ("steps", (1, 0)),
        ("steps", (-1,)),
        ("steps", (10**10,)),
        ("batch_size", 10**11),
        ("betas", (0.9, 1.0)),
        ("ema", math.nan),
        ("learning_rate", 2.0),
        ("trackers", ("a..b",)),
        ("contrast", -0.1),
        ("contrast", math.nan),
        ("pretrain", -1),
        ("pretrain_batch", 0),
    ],
)
def test_settings_out_of_range_are_named(name, value):
    with pytest.raises(UserError, match=f"^{name}: is .*, expected"):
        TrainConfig(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", (1, 1, 1, 1)),
        ("frames", 0),
        ("frames", 10**6),
        ("crop", 0),
        ("noise", -1.0),
        ("mixed", 2.0),
        ("opposed_rate", math.nan),
    ],
)
def test_settings_of_the_codec_out_of_range_are_named(name, value):
    with pytest.raises(UserError, match=f"^{name}: is .*, expected"):
        CodecTrainConfig(**{name: value})


@pytest.mark.parametrize("kind", [TrainConfig, CodecTrainConfig, LearnConfig])
def test_other_defaults_keep_their_ranges(kind):
    hints, inherited = (typing.get_type_hints(one, include_extras=True) for one in (kind, Schedule))
    assert [name for name, hint in inherited.items() if hints[name] != hint] == []

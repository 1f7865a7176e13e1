import threading
import time

import pytest
import torch

from msdae.errors import UserError
from msdae.inference.duplex import FADE, Duplex

BLOCK, STRIDE = 256, 1024


class Delayed:
    """An engine that gives its input `delay` samples later, when it may (`free`)."""

    stride = delay = STRIDE

    def __init__(self):
        self.free = threading.Event()
        self.free.set()
        self.held = torch.zeros(self.delay)
        self.fails = False

    def __call__(self, block):
        self.free.wait()
        if self.fails:
            raise RuntimeError("no memory")
        self.held = torch.cat([self.held, block])
        output, self.held = self.held[: len(block)], self.held[len(block) :]
        return output


@pytest.fixture
def pair():
    engine = Delayed()
    duplex = Duplex(engine, STRIDE)
    yield engine, duplex
    engine.free.set()
    duplex.close()


def settle(duplex: Duplex) -> None:
    """Until the engine has answered everything."""
    end = time.monotonic() + 20
    while duplex._waiting and time.monotonic() < end:
        time.sleep(0.002)
    assert not duplex._waiting


def play(duplex: Duplex, sound: torch.Tensor, waits: bool = True) -> torch.Tensor:
    outputs = []
    for block in sound.split(BLOCK):
        outputs.append(duplex.exchange(block))
        if waits:
            settle(duplex)
    return torch.cat(outputs)


def sound(samples: int, start: int = 1) -> torch.Tensor:
    """Numbers by which each sample is known."""
    return torch.arange(start, start + samples) / 1e6


def test_what_is_in_time_is_played_after_the_delay(pair):
    _, duplex = pair
    source = sound(16 * STRIDE)
    output = play(duplex, source)
    assert duplex.delay == 2 * STRIDE and (duplex.late, duplex.dropped) == (0, 0)
    assert not output[: duplex.delay].any()
    torch.testing.assert_close(output[duplex.delay + FADE :], source[FADE : -duplex.delay])


def test_a_late_block_is_silence_and_the_delay_stays(pair):
    engine, duplex = pair
    first, second = sound(8 * STRIDE), sound(8 * STRIDE, 8 * STRIDE + 1)
    play(duplex, first)
    engine.free.clear()
    gap = play(duplex, second[: 3 * STRIDE], waits=False)
    assert duplex.late == 2 * STRIDE and not gap[STRIDE + FADE :].any()
    assert gap[STRIDE - 1 : STRIDE + FADE].diff().abs().max() < 1e-4  # it fades
    engine.free.set()
    settle(duplex)
    output = play(duplex, second[3 * STRIDE :])
    assert duplex.late == 2 * STRIDE and not duplex.dropped
    torch.testing.assert_close(output[FADE:], second[STRIDE + FADE : -2 * STRIDE])


def test_input_is_dropped_where_the_engine_is_far_behind(pair):
    engine, duplex = pair
    source = sound(32 * STRIDE)
    play(duplex, source[: 4 * STRIDE])
    engine.free.clear()
    play(duplex, source[4 * STRIDE : 20 * STRIDE], waits=False)
    assert duplex.dropped > 10 * STRIDE and len(duplex._inputs) <= 5 * STRIDE // BLOCK
    engine.free.set()
    settle(duplex)
    output = play(duplex, source[20 * STRIDE :])
    torch.testing.assert_close(output[-4 * STRIDE :], source[-6 * STRIDE : -2 * STRIDE])


def test_what_was_dropped_is_silence_and_nothing_is_played_late(pair):
    """Each sample is that of the delay before, silence, or in a fade between them."""
    engine, duplex = pair
    source = sound(40 * STRIDE)
    heard, outputs, place = source.clone(), [], 0
    for stride in range(40):
        stands = stride in range(4, 9) or stride in range(16, 25)
        if not stands:
            engine.free.set()
            settle(duplex)
        else:
            engine.free.clear()
        for block in source[stride * STRIDE :][:STRIDE].split(BLOCK):
            dropped = duplex.dropped
            outputs.append(play(duplex, block, waits=not stands))
            heard[place : place + BLOCK] *= duplex.dropped == dropped
            place += BLOCK
    output, wanted = torch.cat(outputs), torch.cat([torch.zeros(duplex.delay), heard])[: len(source)]
    assert (heard == 0).sum() == duplex.dropped > 5 * STRIDE
    other = (output != 0) & ((output - wanted).abs() > 1e-7)
    assert other.unfold(0, 2 * FADE + 1, 1).all(dim=1).sum() == 0
    torch.testing.assert_close(output[-4 * STRIDE :], wanted[-4 * STRIDE :])


def test_an_error_of_the_engine_is_said_and_stops_no_stream(pair):
    engine, duplex = pair
    duplex.check()
    engine.fails = True
    duplex.exchange(sound(BLOCK))
    duplex._thread.join(20)
    with pytest.raises(UserError, match="the engine stopped: no memory; start again"):
        duplex.check()
    assert len(duplex.exchange(sound(BLOCK))) == BLOCK

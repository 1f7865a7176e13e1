"""An engine beside a sound card, which cannot wait: late output becomes silence, the delay stays the same."""

import threading

import torch

from msdae.errors import UserError
from msdae.inference.streaming import Engine

FADE = 256  # samples in which sound fades where it stops or comes back
MOST = 4  # strides of input that may wait for the engine; further input is dropped


class Duplex:
    """Takes blocks of input and returns blocks of output at once, while an engine works on its own thread.

    Args:
        engine: what plays.
        spare: samples by which the output is delayed further, to give the engine that much time.

    Attributes:
        delay: samples from input to output.
        late: samples of output that were silent because the engine was not ready.
        dropped: samples of input that the engine never got.
    """

    def __init__(self, engine: Engine, spare: int):
        self.engine, self.delay = engine, engine.delay + spare
        self.late = self.dropped = 0
        self._ready = torch.zeros(spare)
        self._last, self._silent = 0.0, True  # the last sample of output, and whether silence followed it
        self._owed = 0  # samples of silence given in place of output that comes too late
        self._taken = self._given = 0  # samples of input for the engine, and of its output
        self._gaps: dict[int, int] = {}  # {place in the engine's output: samples dropped there}
        self._gap = -FADE  # place of the last gap that was delivered
        self._inputs: list[torch.Tensor] = []
        self._waiting = 0  # samples of input that the engine has not processed
        self._error: Exception | None = None
        self._closed = False
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def exchange(self, block: torch.Tensor) -> torch.Tensor:
        """Take the next block of input, (samples,), and return as much output at once, ready or silent."""
        with self._change:
            if self._waiting > MOST * self.engine.stride:
                self.dropped += len(block)
                place = self._taken + self.engine.delay
                self._gaps[place] = self._gaps.get(place, 0) + len(block)
            else:
                self._inputs.append(block)
                self._taken += len(block)
                self._waiting += len(block)
                self._change.notify()
            output, self._ready = self._ready[: len(block)], self._ready[len(block) :]
            missing = len(block) - len(output)
            self.late += missing
            self._owed += missing
        return self._joined(output, missing)

    def check(self) -> None:
        """Raise a UserError if the engine stopped with an error."""
        if self._error is not None:
            raise UserError(f"the engine stopped: {self._error}; start again") from self._error

    def close(self) -> None:
        """Stop the engine after its current block."""
        with self._change:
            self._closed = True
            self._change.notify()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._inputs or self._closed)
                if self._closed:
                    return
                block = torch.cat(self._inputs)
                self._inputs.clear()
            try:
                output = self.engine(block)
            except Exception as error:  # raised by `check`, on the caller's thread
                self._error = error
                return
            with self._change:
                self._waiting -= len(block)
                self._deliver(output)

    def _deliver(self, output: torch.Tensor) -> None:
        """Append output of the engine to what is ready, with silence where input was dropped."""
        start, self._given = self._given, self._given + len(output)
        due = [place for place in self._gaps if place <= self._given]
        places = torch.arange(len(output)) + 0.5
        for gap in (self._gap, *self._gaps):  # sound fades on both sides of a gap
            output = output * ((places + (start - gap)).abs() / FADE).clamp(max=1)
        for gap in due:
            self._add(output[: gap - start])
            self._add(torch.zeros(1).expand(self._gaps.pop(gap)))  # takes no memory
            output, start, self._gap = output[gap - start :], gap, gap
        self._add(output)

    def _add(self, sound: torch.Tensor) -> None:
        """Append sound to what is ready, without the samples that come too late."""
        skipped = min(self._owed, len(sound))
        self._owed -= skipped
        self._ready = torch.cat([self._ready, sound[skipped:]])

    def _joined(self, output: torch.Tensor, missing: int) -> torch.Tensor:
        """`output` and `missing` samples of silence, without clicks where sound stops or comes back."""
        if self._silent and len(output):
            output = output * (torch.arange(1, len(output) + 1) / FADE).clamp(max=1)
        self._last = float(output[-1]) if len(output) else 0.0 if self._silent else self._last
        self._silent = missing > 0
        tail = self._last * torch.linspace(1, 0, FADE)
        return torch.cat([output, torch.nn.functional.pad(tail, (0, max(0, missing - FADE)))[:missing]])

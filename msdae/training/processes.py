"""The processes of a training: how many there are, what they compute on, and how they are stopped."""

import atexit
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import ProjectConfiguration

from msdae import launcher
from msdae.data.parts import cores
from msdae.errors import UserError
from msdae.nn.device import flush_denormals, is_faster_in_bf16
from msdae.training.task import Schedule


@contextmanager
def noted_signals() -> Iterator[list[int]]:
    """Inside the block, SIGTERM and Ctrl-C only add to the list that it yields, so that a loop can finish the
    step under way.

    Only the main thread of a process gets signals; in another one, nothing is noted.
    """
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda n, _: noted.append(n)) for number in numbers}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def process_state(device: torch.device | None = None) -> PartialState:
    """This process among those of the run. On a machine without an accelerator, several talk by gloo.

    device: what to train on, if it is not the machine's accelerator. The first call decides for the process.
    """
    launcher.watch()
    flush_denormals()
    several = "LOCAL_RANK" in os.environ and not torch.accelerator.is_available()
    process = PartialState(cpu=several or (device is not None and device.type == "cpu"))
    if device is not None and device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)
    unasked = launcher.launched() and launcher.threads is None and torch.get_num_threads() == 1
    if process.device.type == "cpu" and unasked:
        torch.set_num_threads(cores())  # the launcher leaves a process one thread where none were asked for
    if process.num_processes > 1:
        atexit.register(process.destroy_process_group)
    return process


def accelerator(schedule: Schedule, folder: Path) -> Accelerator:
    """Accelerate for a training whose trackers write to `folder`.

    Raises:
        UserError: half precision that the device does not train in.
    """
    device = process_state().device  # the first to be made decides for the process
    precision = schedule.mixed_precision
    if precision == "auto":
        precision = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")  # of accelerate launch
        if precision == "no" and is_faster_in_bf16(device):
            precision = "bf16"
    if precision == "fp16" and device.type == "cpu":  # which Accelerate leaves in single precision, unsaid
        raise UserError("mixed_precision: fp16 is of accelerators alone; on a CPU set it to bf16 or no")
    AcceleratorState._reset_state()  # another training of this process may have had another precision
    return Accelerator(
        mixed_precision=precision,
        gradient_accumulation_steps=schedule.accumulation,
        log_with=[tracker for tracker in schedule.trackers if find_spec(tracker)] or None,
        project_config=ProjectConfiguration(str(folder), logging_dir=str(folder / "logs")),
    )

"""The processor that a model runs on, and the threads that compute there."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

from msdae.errors import UserError, first_line, printable


def device(name: str) -> torch.device:
    """The torch device for `name`; "auto" takes CUDA, then Apple's MPS, then the CPU.

    Raises:
        UserError: the device is not usable here.
    """
    flush_denormals()
    if name == "auto":
        mps = torch.backends.mps.is_available()
        name = "cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"
    try:
        place = torch.device(name)
        torch.empty(1, device=place).item()  # "meta" has no values
    except (RuntimeError, AssertionError, ImportError) as error:  # as backends fail
        reason = first_line(error)[:120]
        raise UserError(
            f"--device {printable(name)[:40]}: not usable here ({reason}); use --device auto"
        ) from error
    return place


def flush_denormals() -> None:
    """Let floats below 1e-38 be zero, in this thread and those that it starts.

    Gradients hold many, and a CPU multiplies them so slowly that training would take three times as long.
    """
    torch.set_flush_denormal(True)


@contextmanager
def one_thread() -> Iterator[int]:
    """Inside the block, torch computes on one thread; yields how many it has outside.

    For many small operations: several threads would wait for each other longer than they compute. Beside
    other busy processes, such work would take ten times as long.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


@contextmanager
def workers() -> Iterator[ThreadPoolExecutor]:
    """A worker with one thread for each thread of torch: for jobs too small to be split over threads."""
    with (
        one_thread() as threads,
        ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        yield pool


def is_faster_in_bf16(place: torch.device) -> bool:
    """Whether the device has instructions for bfloat16: a CPU without them takes three times as long."""
    if place.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return place.type == "cuda" and torch.cuda.is_bf16_supported()

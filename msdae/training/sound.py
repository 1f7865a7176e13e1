"""Learning one sound: an adapter of a model's denoiser, for as long as there is time, with a saved state."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import torch

from msdae import checkpoint, files
from msdae.audio.mel import LogMel
from msdae.audio.windows import Source
from msdae.codecs.base import Codec
from msdae.config import to_mapping
from msdae.data.draws import Draws
from msdae.data.excerpts import excerpts
from msdae.errors import UserError, printable
from msdae.locks import only_process
from msdae.models.adapter import Adapter
from msdae.models.autoencoder import Autoencoder
from msdae.nn.device import one_thread
from msdae.progress import Progress, silent
from msdae.training import lesson, state, steps
from msdae.training.lesson import KIND, PRODUCT, LearnConfig, Lesson, SoundTask
from msdae.training.log import LOG, VALIDATION_LOSS
from msdae.training.loop import Loop
from msdae.training.processes import accelerator, process_state

PLAN = "plan.json"
PACE = 3  # steps that are timed, to know how many fit into the seconds
FEWEST = 10  # steps, however short the time


def learn(
    model: Autoencoder,
    codec: Codec,
    sources: Sequence[Source],
    config: LearnConfig,
    folder: str | Path,
    progress: Progress = silent,
) -> Lesson:
    """Learn the sound of recordings, which are at the codec's rate; the model stays as it is.

    folder: where the state is kept. The same call goes on from there after it was stopped; the state of
        another call is replaced.

    Raises:
        UserError: silence, a folder in use or of another training, a loss that is not finite, a model without
            a pooled level 1, a process that has trained on another device, or that others were launched with.
        KeyboardInterrupt: a signal stopped it; the state is saved.
    """
    if not (model.needs_mel and model.pooled[0]):
        raise UserError("this model's level 1 is no average over time: it cannot learn a sound; take another")
    folder, begin, device = Path(folder), time.perf_counter(), next(model.parameters()).device
    process = process_state(device)
    if process.num_processes > 1:
        raise UserError("a sound is learnt by one process; start it without accelerate launch or torchrun")
    if process.device.type != device.type:
        raise UserError(f"this process has trained on another device than the model's, {device}; start anew")
    log_mel = LogMel(model.config.mel).to(device)
    with only_process(folder), _frozen(model):
        train, valid = excerpts(sources, codec, log_mel, config.excerpts, config.seed, progress)
        task = SoundTask(model, train, valid, config)
        with one_thread():
            loop = Loop(task, config, _total(task, folder, begin), folder, progress)
            if valid and not loop.log.history(VALIDATION_LOSS):
                loop.log.write(0, loop.validate())
            if not loop.run():
                raise KeyboardInterrupt
        tensors, _ = checkpoint.load(folder / PRODUCT, KIND)
        held_out = loop.log.history(VALIDATION_LOSS)
        before_and_after = (*held_out[:1], *held_out[1:][-1:])
        code, tokens = lesson.code(model, train.timbre), lesson.tokens(model, train.timbre)
        return Lesson(Adapter(tensors), code, loop.step, before_and_after, tokens, train.seconds)


def _total(task: SoundTask, folder: Path, begin: float) -> int:
    """How many steps this learning takes, as was decided when it began; the state of another one is removed.

    Raises:
        UserError: the folder holds files that are not from learning a sound.
    """
    config, plan = task.config, folder / PLAN
    key = checkpoint.fingerprint({}, {**task.same(), **to_mapping(config)})
    if plan.exists() and (known := files.read_json(plan)).get("key") == key:
        with files.reading(plan, "delete its folder"):
            return int(known["steps"])
    before = [folder / name for name in (PRODUCT, LOG, state.FILE, "failed.safetensors")]
    if not plan.exists() and (others := [path for path in before if path.exists()]):
        raise UserError(f"{printable(others[0])}: of another training, and stays; choose another folder")
    for path in (*before, plan):
        path.unlink(missing_ok=True)
    left = config.seconds - (time.perf_counter() - begin)
    total = config.steps or max(FEWEST, min(config.most, int(left / pace(task, folder))))
    with files.atomic(plan) as temporary:
        temporary.write_text(json.dumps({"key": key, "steps": total}))
    return total


def pace(task: SoundTask, folder: Path) -> float:
    """Seconds that a step takes, in the precision that the training in `folder` will have."""
    trained, precision = list(task.networks["sound"].parameters()), accelerator(task.config, folder)
    device = trained[0].device
    first = int(device.type != "cpu")  # an accelerator's first step loads what it computes with
    for number, batch in enumerate(islice(task.batches(0, 0, 0, 1), first + PACE)):
        if number == first:
            start = _finished(device)
        draws = Draws((0,), steps.size(batch), device=device)
        with precision.autocast():
            loss = sum(task.losses(steps.to(batch, device), draws).values()).mean()
        torch.autograd.grad(loss, trained)
    return (_finished(device) - start) / PACE


def _finished(device: torch.device) -> float:
    """The time in seconds at which the device has done all that it was asked for."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return time.perf_counter()


@contextmanager
def _frozen(model: Autoencoder) -> Iterator[None]:
    """The model's weights take no gradients inside the block; it evaluates after it."""
    needed = [parameter.requires_grad for parameter in model.parameters()]
    model.requires_grad_(False)
    try:
        yield
    finally:
        for parameter, grad in zip(model.parameters(), needed, strict=True):
            parameter.requires_grad_(grad)
        model.eval()

"""The log of a training: means of its losses, in a file, for trackers and on the screen."""

import json
import logging
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from msdae import files
from msdae.errors import first_line, of_system
from msdae.training.task import Schedule

LOG = "log.jsonl"
VALIDATION_LOSS, TRAINING_LOSS = "valid/loss", "loss"  # names in it
FIX = "delete it: training does not need it"
logger = logging.getLogger(__name__)


class Meter:
    """Means over clips, which stay on the device until they are read, and clips per second."""

    def __init__(self) -> None:
        self.sums: dict[str, torch.Tensor] = {}
        self.seconds, self.clips = 0.0, 0

    @torch.no_grad()
    def add(self, values: Mapping[str, torch.Tensor], clips: int = 0, seconds: float = 0.0) -> None:
        """Add values of clips, {name: (batch,)}; those that are NaN are not counted."""
        groups: dict[torch.Size, list[str]] = {}  # of equal sizes, summed at once
        for name, value in values.items():
            groups.setdefault(value.shape, []).append(name)
        for names in groups.values():
            rows = torch.stack([values[name].detach().float() for name in names])
            pairs = torch.stack([rows.nansum(dim=1), (~rows.isnan()).sum(dim=1)], dim=1)
            for name, pair in zip(names, pairs, strict=True):
                self.sums[name] = self.sums[name] + pair if name in self.sums else pair
        self.clips, self.seconds = self.clips + clips, self.seconds + seconds

    def summary(self, accelerator: Accelerator) -> dict[str, float]:
        """The means over all processes; waits for the device."""
        if not self.sums:
            return {}
        pairs = accelerator.reduce(torch.stack(list(self.sums.values())), "sum").tolist()
        values = {
            name: total / count for name, (total, count) in zip(self.sums, pairs, strict=True) if count > 0
        }
        if self.seconds:
            values["clips/s"] = self.clips * accelerator.num_processes / self.seconds
        return values


class Log:
    """The log of a training in `folder`; the main process alone writes.

    name: what is trained; it begins every line on the screen. steps: how many the training has.
    """

    def __init__(self, accelerator: Accelerator, folder: Path, name: str, steps: int):
        self.accelerator, self.folder, self.name, self.steps = accelerator, folder, name, steps

    def open(self, settings: Mapping[str, Any]) -> None:
        """Start the trackers. One that cannot be started, as without its login, is named and left out, and so
        is one that is not installed; of the default ones nothing is said then.

        settings: JSON-able.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for tracker in settings.get("trackers", ()):
            if tracker not in Schedule.trackers and find_spec(tracker) is None:
                self.say(f"note: {tracker} is not used (not installed); pip install it, or leave it out")
        facts = {"name": self.name, "config": json.dumps(settings)}
        asked, started = self.accelerator.log_with, []
        for tracker in asked:
            # together one that fails would stop the others
            self.accelerator.log_with, self.accelerator.trackers = [tracker], []
            try:
                self.accelerator.init_trackers("msdae", config=facts)
                started += self.accelerator.trackers
            except Exception as error:  # trackers have classes of their own
                if of_system(error):
                    raise
                reason = first_line(error)[:120]
                self.say(f"note: {tracker} is not used ({reason}); --set trackers=[] leaves all out")
        self.accelerator.log_with, self.accelerator.trackers = asked, started

    def close(self) -> None:
        """Finish the trackers."""
        for tracker in self.accelerator.trackers:
            tracker.finish()

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write a line of values at the end of a step; none if there are no values."""
        if not values:
            return
        with files.about(self.folder / LOG):
            self.accelerator.log(dict(values), step=step)
            if self.accelerator.is_main_process:
                with open(self.folder / LOG, "a") as file:
                    file.write(json.dumps({"step": step, **values}) + "\n")
        short = "  ".join(f"{key} {value:.4g}" for key, value in values.items() if "sigma" not in key)
        self.say(f"step {step}/{self.steps}  {short}")

    def history(self, name: str) -> list[float]:
        """The values of that name in all lines so far."""
        return [line[name] for line in self._lines() if name in line]

    def sounds(self, step: int, sounds: Mapping[str, torch.Tensor], sample_rate: int) -> None:
        """Waveforms (samples,) to TensorBoard."""
        for tracker in self.accelerator.trackers:
            if tracker.name == "tensorboard":
                for name, waveform in sounds.items():
                    waveform = waveform / waveform.abs().max().clamp_min(1)  # TensorBoard would clip it
                    tracker.writer.add_audio(name, waveform[None], step, sample_rate)

    def trim(self, step: int) -> None:
        """Remove the lines of steps that will be done again, and a last line that a full disk cut short."""
        path = self.folder / LOG
        if self.accelerator.is_main_process and path.exists():
            lines = [json.dumps(line) + "\n" for line in self._lines() if line["step"] <= step]
            with files.atomic(path) as temporary:
                temporary.write_text("".join(lines))

    def _lines(self) -> list[dict[str, Any]]:
        """The lines that are whole."""
        path = self.folder / LOG
        if not path.exists():
            return []
        with files.reading(path, FIX):
            whole, _, _ = files.read_text(path, FIX).rpartition("\n")
            lines = [json.loads(line) for line in whole.splitlines()]
            if not all(isinstance(line["step"], int) for line in lines):
                raise ValueError("a line without its step")
        return lines

    def say(self, text: str) -> None:
        """One line on the screen, where the command line shows the log."""
        if self.accelerator.is_main_process:
            logger.info("%s: %s", self.name, text)

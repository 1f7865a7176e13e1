import pytest
import torch

from msdae import cli, launcher
from msdae.errors import UserError
from msdae.training import processes
from msdae.training.task import Schedule


@pytest.mark.parametrize(
    ("asked", "launched", "instructions", "used"),
    [
        ("auto", "no", True, "bf16"),
        ("auto", "no", False, "no"),
        ("auto", "bf16", False, "bf16"),
        ("auto", None, True, "bf16"),
        ("no", "bf16", True, "no"),
        ("bf16", "no", False, "bf16"),
    ],
)
def test_precision_is_what_is_asked_for_else_the_launchers_else_what_is_fast(
    asked, launched, instructions, used, tmp_path, monkeypatch
):
    """Whatever another training of the process had."""
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION", raising=False)
    if launched:
        monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", launched)
    monkeypatch.setattr(processes, "is_faster_in_bf16", lambda device: instructions)
    made = processes.accelerator(Schedule(mixed_precision=asked, trackers=()), tmp_path)
    assert made.mixed_precision == used


@pytest.mark.parametrize(("asked", "launched"), [("fp16", "no"), ("auto", "fp16")])
def test_fp16_on_a_cpu_is_refused(asked, launched, tmp_path, monkeypatch):
    """Regression: it was trained in single precision, and the file said fp16."""
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", launched)
    with pytest.raises(UserError, match="mixed_precision: fp16 is of accelerators alone; .* bf16 or no"):
        processes.accelerator(Schedule(mixed_precision=asked, trackers=()), tmp_path)


@pytest.mark.parametrize(("arguments", "taken"), [([], 3), (["--threads", "1"], 1)])
def test_a_launched_process_takes_all_cores_or_the_threads_that_were_asked_for(arguments, taken, monkeypatch):
    """Regression: behind accelerate launch, --threads 1 took all cores."""
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    monkeypatch.setattr(launcher, "watch", lambda: None)
    monkeypatch.setattr(launcher, "threads", None)
    monkeypatch.setattr(processes, "cores", lambda: 3)
    torch.set_num_threads(1)  # as the launcher leaves it
    parser = cli.parser("train-stage", "", "")
    cli.add_threads(parser)
    parser.parse_args(arguments)
    processes.process_state(torch.device("cpu"))
    assert torch.get_num_threads() == taken

import pytest

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

"""What a training tells."""

import logging

import pytest
from accelerate.tracking import GeneralTracker

from msdae.training.log import Log
from msdae.training.processes import accelerator
from msdae.training.task import Schedule


class Missing(GeneralTracker):
    """A tracker that fails to start, as one without a login does."""

    name, requires_logging_directory, tracker = "missing", False, None

    def __init__(self, error: Exception):
        super().__init__()
        self.error = error

    def __str__(self) -> str:
        return self.name

    def start(self) -> None:
        raise self.error


@pytest.fixture
def log(tmp_path):
    """A log whose trackers are one that fails with an error, and TensorBoard."""

    def make(error: Exception) -> Log:
        made = accelerator(Schedule(trackers=("tensorboard",)), tmp_path)
        made.log_with.insert(0, Missing(error))
        return Log(made, tmp_path, "test", 1)

    return make


def test_a_tracker_without_its_login_is_named_and_left_out(log, caplog):
    """Regression: training ended in the tracker's traceback."""
    caplog.set_level(logging.INFO)
    opened = log(ValueError("No API key configured.\nUse login."))
    opened.open({})
    opened.close()
    assert [tracker.name for tracker in opened.accelerator.trackers] == ["tensorboard"]
    assert "test: note: missing is not used (No API key configured.)" in caplog.text


def test_a_tracker_that_is_asked_for_and_not_installed_is_named(tmp_path, caplog, monkeypatch):
    """Regression: a training logged nowhere, unsaid."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("msdae.training.log.find_spec", lambda name: None)
    opened = Log(accelerator(Schedule(trackers=()), tmp_path), tmp_path, "test", 1)
    opened.open({"trackers": ["wandb", "mlflow"]})
    opened.close()
    assert "note: mlflow is not used (not installed)" in caplog.text and "wandb" not in caplog.text


def test_a_full_disk_is_no_missing_login(log):
    with pytest.raises(OSError, match="full"):
        log(OSError(28, "full")).open({})

"""The picture of log-mels is drawn from the beginning of each source, and bad targets are refused."""

import pytest
import torch
from matplotlib.image import imread

from msdae.audio.windows import BLOCK, Waveform
from msdae.errors import UserError
from msdae.evaluation.figures import SECONDS, check_plot, plot_log_mels


class Endless:
    """A source that nobody may read to its end."""

    samples = 10**12

    def __init__(self):
        self.read = 0

    def blocks(self):
        while True:
            self.read += BLOCK
            yield 0.1 * torch.randn(BLOCK)


def test_a_panel_for_each_source(tmp_path):
    short = {"one sample": Waveform(torch.ones(1)), "silence": Waveform(torch.zeros(50_000))}
    plot_log_mels(tmp_path / "two.png", short)
    plot_log_mels(tmp_path / "three.png", {**short, "noise": Waveform(torch.randn(50_000))})
    two, three = imread(tmp_path / "two.png"), imread(tmp_path / "three.png")
    assert two.shape[1] == three.shape[1]
    assert three.shape[0] == pytest.approx(1.5 * two.shape[0], abs=2)


def test_long_sources_are_read_at_their_beginning(tmp_path):
    source = Endless()
    plot_log_mels(tmp_path / "long.png", {"endless": source})
    assert source.read <= SECONDS * 44100 + BLOCK


@pytest.mark.parametrize("name", ["picture.txt", "picture", "absent/picture.png"])
def test_bad_targets_are_refused(tmp_path, name):
    with pytest.raises(UserError, match="choose one of these|does not exist"):
        check_plot(tmp_path / name)

"""Pictures show what their tables and sounds hold, are equal for equal input, and bad targets are refused."""

import warnings
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from msdae.audio.mel import LogMel
from msdae.audio.windows import BLOCK, Waveform
from msdae.errors import UserError
from msdae.evaluation import figures
from msdae.evaluation.figures import SECONDS, check_plot, plot_log_mels
from msdae.evaluation.tables import Table, Value

SCORES = Table(
    "Codecs: test split, $a$ & b",
    ("codec", "F1 ↑", "dB ↓"),
    (("one", Value(0.5, 0.4, 0.7), Value(2.0)), ("$two$", Value(0.9, 0.8, 1.0), "-")),
)
COURSE = Table(
    "Interpolation",
    ("point", "strength", "probability ↑"),
    tuple((str(x), Value(x), Value(x / 2, x / 3, x)) for x in (0, 0.5, 1)),
)
LEVELS = Table(
    "Disentanglement",
    ("factor", "h1", "h2"),
    (("pitch", Value(0.2), Value(0.91)), ("f", Value(-0.1), Value(0))),
)


def texts(svg):
    return {
        element.text
        for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
        if element.text
    }


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


def test_a_dollar_sign_in_a_title_begins_no_formula(tmp_path):
    """Fault F17."""
    plot_log_mels(tmp_path / "a.svg", {"$$": Waveform(torch.randn(50_000)), "a_$x": Waveform(torch.ones(1))})
    assert {"$$", "a_$x"} <= texts((tmp_path / "a.svg").read_text())


def test_titles_of_any_name_are_drawn_without_a_warning(tmp_path):
    sound = Waveform(torch.randn(50_000))
    names = ["\u97f3\u697d \U0001f3b5 \u0645", "a\nb\t\x07", "\udcff.wav", "$", "\\$$_^{", "x" * 255]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for suffix in figures.SUFFIXES:
            plot_log_mels(tmp_path / f"a{suffix}", dict.fromkeys(names, sound))


def test_the_axis_of_a_log_mel_is_in_hertz(tmp_path):
    plot_log_mels(tmp_path / "a.svg", {"a": Waveform(torch.randn(50_000))})
    assert {"Hz", "seconds", "1 000"} <= texts((tmp_path / "a.svg").read_text())
    log_mel = LogMel()
    time = torch.arange(44100) / 44100
    for hz, place in figures.hertz_marks(log_mel.config).items():
        mel = log_mel(torch.sin(2 * torch.pi * hz * time)[None])[0].mean(dim=1)
        assert (int(mel.argmax()) + 0.5) / len(mel) == pytest.approx(place, abs=1 / len(mel))


@pytest.mark.parametrize(
    ("draw", "shown"),
    [
        (lambda: figures.dot_plot(SCORES, ["F1 ↑", "dB ↓"]), {"F1 ↑", "dB ↓", "one", "$two$"}),
        (lambda: figures.course(COURSE), {"strength", "probability", "Interpolation"}),
        (lambda: figures.bars([SCORES, SCORES], ["F1 ↑", "dB ↓"]), {"one", "$two$", "test split, $a$ & b"}),
        (lambda: figures.heat_map([LEVELS], ["h1", "h2"]), {"h1", "h2", "pitch", "0.91", "-0.10"}),
        (
            lambda: figures.case({"truth": torch.randn(50_000), "$swap": torch.randn(50_000)}),
            {"truth", "$swap"},
        ),
    ],
)
def test_equal_input_gives_equal_files_with_its_names(draw, shown, tmp_path):
    for suffix in figures.SUFFIXES:
        torch.manual_seed(0)
        figures.save(draw(), tmp_path / f"a{suffix}")
        torch.manual_seed(0)
        figures.save(draw(), tmp_path / f"b{suffix}")
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    torch.manual_seed(0)
    assert shown <= texts(figures.svg(draw()))


def test_a_heat_map_has_the_levels_of_each_table():
    """Regression: of a model with another number of levels than three, there was none."""
    more = Table("Four", ("factor", "h1", "h2", "h3", "h4", "h4 - random"), (("f", *[Value(0.5)] * 5),))
    two, four = figures.heat_map([LEVELS, more]).axes[:2]
    assert [label.get_text() for label in two.get_xticklabels()] == ["h1", "h2"]
    assert [label.get_text() for label in four.get_xticklabels()] == ["h1", "h2", "h3", "h4"]


def test_dots_and_bars_are_where_the_values_are():
    (axis,) = figures.dot_plot(SCORES, ["F1 ↑"], ["$two$"]).axes
    assert [tuple(line.get_xydata()[0]) for line in axis.lines] == [(0.9, 0)]
    np.testing.assert_allclose(axis.collections[0].get_segments()[0], [(0.8, 0), (1.0, 0)])
    first, second = figures.bars([SCORES], ["F1 ↑", "dB ↓"]).axes
    assert [bar.get_height() for bar in first.patches] == [0.5, 0.9]
    assert [bar.get_height() for bar in second.patches] == [2.0]
    with pytest.raises(UserError, match="has no row 'three'; choose from one"):
        figures.dot_plot(SCORES, ["F1 ↑"], ["three"])


def test_curves_of_one_column_have_one_panel():
    table = Table(
        "Steps", ("way", "steps", "F1 ↑"), (("a, 1", Value(1), Value(0.4)), ("a, 2", Value(2), Value(0.5)))
    )
    assert len(figures.curves(table, "steps", ["F1 ↑"]).axes) == 1

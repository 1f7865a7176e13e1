"""The picture of an analysis: spectrogram with pitch, histogram with the degrees of the scale, ornaments."""

from pathlib import Path

import numpy as np

from msdae.analysis.maqam import scales
from msdae.analysis.maqam.recording import Analysis, name
from msdae.audio import temperament
from msdae.evaluation import figures
from msdae.evaluation.figures import COLOURS, QUIET, WIDTH
from msdae.symbolic.maqam import MAQAMAT

FRAMES = 2000  # of the spectrogram that are drawn; fewer than twice as many
DECIBELS = 50.0  # range of levels that it shows


@figures.style()
def draw(analysis: Analysis, path: Path, title: str) -> None:
    """Write the picture to `path`, a png, pdf or svg.

    Raises:
        UserError: another extension, or no such folder.
    """
    figure = figures.new(WIDTH, 7.5)
    top, middle, bottom = figure.subplots(3, height_ratios=(2.2, 1.5, 1.1))
    _spectrogram(top, analysis)
    top.set_title(figures.plain(title), loc="left")
    _histogram(middle, analysis)
    _ornaments(bottom, analysis)
    figures.save(figure, path)


def _spectrogram(axis, analysis: Analysis) -> None:
    hertz, amplitudes = analysis.spectrogram
    step = max(1, amplitudes.shape[1] // FRAMES)
    levels = amplitudes[:, ::step]
    decibels = 20 * np.log10(np.maximum(levels / max(float(levels.max()), 1e-9), 10 ** (-DECIBELS / 20)))
    times = np.linspace(0, analysis.seconds, levels.shape[1])
    axis.pcolormesh(times, hertz, decibels, cmap="Greys", shading="nearest", rasterized=True)
    axis.plot(
        analysis.track.seconds,
        temperament.hertz(analysis.track.cents / 100),
        color=COLOURS[1],
        lw=1.2,
        label="pitch",
    )
    axis.axhline(temperament.hertz(analysis.tonic / 100), color=COLOURS[0], lw=1, ls="--", label="tonic")
    axis.set(yscale="log", ylabel="Hz", ylim=(hertz[0], hertz[-1]), xlim=(0, analysis.seconds))
    axis.set_yticks([100, 200, 400, 800], ["100", "200", "400", "800"])
    axis.minorticks_off()
    axis.legend(loc="upper right", frameon=False, ncols=2)


def _histogram(axis, analysis: Analysis) -> None:
    best = MAQAMAT[analysis.fits[0].maqam]
    places = (np.arange(scales.BINS) * scales.BIN + 50) % 1200 - 50
    axis.bar(places, 100 * analysis.from_tonic(), 9, color=COLOURS[0])
    for degree in best.degrees:
        axis.axvline(degree, color=COLOURS[1], lw=1, ls="--", zorder=0)
    axis.set(ylabel="% of the pitches", xlim=(-55, 1150))
    axis.set_xticks(best.degrees, map(str, best.degrees))
    axis.set_xlabel(f"cents above the tonic, {name(analysis.tonic)}; dashed: degrees of {best.name}")


def _ornaments(axis, analysis: Analysis) -> None:
    o, times = analysis.ornaments, analysis.track.seconds
    axis.fill_between(times, o.vibrato_extent, color=COLOURS[2], lw=0, label="vibrato, cents either way")
    axis.fill_between(times, o.trill_interval, color=COLOURS[4], lw=0, label="trill, cents")
    axis.plot(
        times,
        np.where(o.slide != 0, o.slide, np.nan),
        color=COLOURS[3],
        lw=2,
        label="slide, semitones a second",
    )
    axis.axhline(0, color=QUIET, lw=0.6)
    top = 1.4 * max(50.0, o.vibrato_extent.max(), o.trill_interval.max())
    axis.set(xlabel="seconds", xlim=(0, analysis.seconds), ylim=(min(-10, 1.1 * o.slide.min()), top))
    axis.legend(loc="upper right", frameon=False, ncols=3, fontsize=9)

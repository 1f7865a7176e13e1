"""The analysis of a recording: dominant frequencies, pitch, tonic, scales and ornaments."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from msdae import audio
from msdae.analysis.maqam import scales, spectrum
from msdae.analysis.maqam.scales import Fit
from msdae.audio import pitch, temperament
from msdae.audio.levels import Levelled
from msdae.audio.ornaments import Ornaments, ornaments
from msdae.audio.pitch import Track
from msdae.errors import UserError, printable
from msdae.symbolic.notes import KEYS, key_name

SHORTEST, LONGEST = 3.0, 3600.0  # seconds of a recording
SILENCE = 1e-4  # peak, -80 dBFS
VOICED = 0.15  # least share of the sounding frames that has to have a steady pitch
STEADY_SECONDS = 1.5  # least time that has to have a steady pitch
SOUNDING = 40.0  # dB; frames that are not more than this below the loudest one sound
LEAST = 0.5  # least seconds of steady pitch from which a scale is read
TRILL = 150.0  # cents between its tones, from which a swing of the pitch is no vibrato
SHOWN = 8  # dominant frequencies in the report


@dataclass(frozen=True)
class Analysis:
    """The analysis of a recording.

    seconds: its length. tonic: in cents above MIDI pitch 0. fits: the scales, best first. thirds: the best
    scale of each third, counted from the first pitch to the last, on its own; None without a melody. counts:
    the histogram of pitches (`scales`). track, ornaments: pitch and ornaments, frame by frame. spectrogram:
    (bins,) in Hz and (bins, frames) amplitudes. dominant: the strongest frequencies as (Hz, level), of the
    whole, and of the first and last third.
    """

    seconds: float
    tonic: float
    fits: list[Fit]
    thirds: list[Fit | None]
    counts: np.ndarray
    track: Track
    ornaments: Ornaments
    spectrogram: tuple[np.ndarray, np.ndarray]
    dominant: tuple[list[tuple[float, float]], list[tuple[float, float]]]

    def document(self) -> dict[str, Any]:
        """The analysis for JSON, without the spectrogram."""
        whole, outer = ([[round(hz, 2), round(level, 3)] for hz, level in peaks] for peaks in self.dominant)
        return {
            "seconds": round(self.seconds, 2),
            "tonic": {"hertz": round(temperament.hertz(self.tonic / 100), 2), "name": name(self.tonic)},
            "scales": [_scale(fit) for fit in self.fits],
            "thirds": [fit and _scale(fit) for fit in self.thirds],
            "dominant_frequencies": {"whole": whole, "first_and_last_third": outer},
            "histogram": {"bin_cents": scales.BIN, "from_tonic": _rounded(self.from_tonic(), 5)},
            "ornaments": self.summary(),
            "frames": {
                "per_second": pitch.FRAMES,
                "hertz": _rounded(temperament.hertz(self.track.cents / 100), 2),
                **{field: _rounded(values, 2) for field, values in self.ornaments._asdict().items()},
            },
        }

    def from_tonic(self) -> np.ndarray:
        """The histogram, beginning with the bin of the tonic."""
        return np.roll(self.counts, -round(self.tonic / scales.BIN) % scales.BINS)

    def summary(self) -> dict[str, float]:
        """The ornaments in a few numbers: total seconds, medians and counts."""
        o = self.ornaments
        vibrato, trill = o.vibrato_rate > 0, o.trill_rate > 0
        return {
            "vibrato_seconds": round(float(vibrato.sum()) / pitch.FRAMES, 2),
            "vibrato_rate_hertz": round(_median(o.vibrato_rate[vibrato]), 2),
            "vibrato_extent_cents": round(_median(o.vibrato_extent[vibrato]), 1),
            "trills": len(pitch.runs(trill)),
            "trill_rate_hertz": round(_median(o.trill_rate[trill]), 2),
            "slides": len(pitch.runs(o.slide != 0)),
        }

    def lines(self) -> Iterator[str]:
        """Yields the lines of a text report."""
        best, summary = self.fits[0], self.summary()
        yield f"tonic    {temperament.hertz(self.tonic / 100):.2f} Hz, {name(self.tonic)}"
        share = f"{100 * best.inside:.0f} % of the pitches are within {scales.INSIDE} cents of its degrees"
        yield f"scale    {best.maqam}; {share}"
        ranking = ", ".join(f"{fit.maqam} {fit.score:.2f}" for fit in self.fits)
        yield f"nearest  {ranking} (nats above evenly spread pitches)"
        thirds = (fit and f"{fit.maqam} on {name(fit.tonic, octave=False)}" or "-" for fit in self.thirds)
        yield f"thirds   {', '.join(thirds)}"
        for label, peaks in zip(("whole", "first and last third"), self.dominant, strict=True):
            yield f"strongest frequencies, {label}: {', '.join(f'{hz:.1f}' for hz, _ in peaks[:SHOWN])} Hz"
        yield (
            f"vibrato  {summary['vibrato_seconds']} s, {summary['vibrato_rate_hertz']} Hz, "
            f"{summary['vibrato_extent_cents']} cents either way"
        )
        yield f"slides   {summary['slides']}, trills {summary['trills']} ({summary['trill_rate_hertz']} Hz)"


def analyse(path: Path, alpha: float = 40.0, sigma: float = 1.0, outer: bool = True) -> Analysis:
    """Analyse a recording.

    alpha: dB; cells of the spectrogram that are more than this below the loudest are left out. sigma:
    standard deviation of the smoothing, in cells. outer: read tonic and scale from the first and last third,
    not from the whole.

    Raises:
        UserError: the recording is unreadable, too short or long, silent or without a melody of one line, or
            SwiftF0 is not installed.
    """
    recording = audio.open_recording(path, pitch.RATE)
    seconds = recording.samples / pitch.RATE
    if not SHORTEST <= seconds <= LONGEST:
        raise UserError(f"{printable(path)}: has {seconds:.1f} s; give {SHORTEST:.0f} s to an hour")
    source = Levelled(recording, pitch.RATE)  # the network hears less of what is soft
    waveform = torch.cat(list(source.blocks()))
    if float(waveform.abs().max()) < SILENCE * source.gain:
        raise UserError(f"{printable(path)}: is silent; give a recording of a melody")
    return of_waveform(waveform, pitch.track(waveform, pitch.RATE), alpha, sigma, outer, printable(path))


def of_waveform(
    waveform: torch.Tensor,
    track: Track,
    alpha: float = 40.0,
    sigma: float = 1.0,
    outer: bool = True,
    name: str = "",
) -> Analysis:
    """Analyse `waveform`, (samples,) at 16 kHz, whose pitch is `track`.

    name: of the sound, for errors. The other arguments and errors are as in `analyse`.
    """
    line = _line(waveform, track.cents, name)
    hertz, decibels = spectrum.spectrogram(waveform, pitch.RATE)
    amplitudes = spectrum.cleaned(decibels, alpha, sigma)
    melody = _melody(line)
    cents = line[melody]
    pitches = scales.steady(ends(cents) if outer else cents)
    if len(pitches) < LEAST * pitch.FRAMES:
        raise UserError(f"{name or 'the sound'}: has no melody in its first and last third; use --part whole")
    frames = amplitudes.shape[1] / len(line)
    inner = amplitudes[:, round(melody.start * frames) : round(melody.stop * frames)]
    ranking = scales.fits(scales.histogram(pitches))
    tonic = scales.octave(scales.refined(ranking[0].tonic, pitches), scales.steady(line))
    return Analysis(
        len(waveform) / pitch.RATE,
        tonic,
        ranking,
        [_nearest(third) for third in np.array_split(cents, 3)],
        scales.histogram(scales.steady(line)),
        track,
        ornaments(track.cents),
        (hertz, amplitudes),
        (spectrum.dominant(hertz, amplitudes), spectrum.dominant(hertz, ends(inner))),
    )


def ends(frames: np.ndarray) -> np.ndarray:
    """The first and the last third of an array along its last axis."""
    third = max(1, frames.shape[-1] // 3)
    return np.concatenate([frames[..., :third], frames[..., -third:]], axis=-1)


def _melody(cents: np.ndarray) -> slice:
    """The frames from the first pitch to the last; silence before and after them is no part of a third."""
    heard = np.flatnonzero(np.isfinite(cents))
    return slice(int(heard[0]), int(heard[-1]) + 1)


def name(cents: float, octave: bool = True) -> str:
    """The name of a pitch in cents above MIDI pitch 0: "D3 +12 cents". octave: whether it has the octave."""
    key = round(cents / 100)
    off = round(cents - 100 * key)
    label = key_name(key) if octave else KEYS[key % 12]
    return f"{label} {off:+d} cents" if off else label


def middles(cents: np.ndarray) -> np.ndarray:
    """Pitches with the middle of a vibrato in its place: means over a period of it.

    cents: (frames,), NaN where no pitch is. A swing that is too wide may be a trill, and stays.
    """
    swings = ornaments(cents)
    rates = swings.vibrato_rate + np.where(swings.trill_interval < TRILL, swings.trill_rate, 0.0)
    steady = cents.copy()
    for frame in np.flatnonzero(rates):
        reach = round(pitch.FRAMES / rates[frame] / 2)
        steady[frame] = np.nanmean(cents[max(0, frame - reach) : frame + reach + 1])
    return steady


def _line(waveform: torch.Tensor, cents: np.ndarray, name: str) -> np.ndarray:
    """The pitches of a melody: `cents` or, if too few of them are steady, their `middles`.

    Raises:
        UserError: too little of the sound has a steady pitch, as with drums.
    """
    sounding = _sounding(waveform)
    needed = max(VOICED * sounding, STEADY_SECONDS * pitch.FRAMES)
    if len(scales.steady(cents)) >= needed:
        return cents
    cents = middles(cents)
    if (steady := len(scales.steady(cents))) < needed:
        raise UserError(
            f"{name or 'the sound'}: only {steady / pitch.FRAMES:.1f} s have a steady pitch, of "
            f"{sounding / pitch.FRAMES:.1f} s of sound; give a recording of a melody without chords and drums"
        )
    return cents


def _sounding(waveform: torch.Tensor) -> int:
    """The number of frames that sound (`SOUNDING`)."""
    hop = round(pitch.RATE / pitch.FRAMES)
    frames = waveform[: len(waveform) // hop * hop].reshape(-1, hop).abs().amax(dim=1)
    return int((frames > float(frames.max()) * 10 ** (-SOUNDING / 20)).sum())


def _nearest(cents: np.ndarray) -> Fit | None:
    """The scale that fits a third best; None if the third has no melody."""
    pitches = scales.steady(cents)
    if len(pitches) < LEAST * pitch.FRAMES:
        return None
    best = scales.fits(scales.histogram(pitches))[0]
    return replace(best, tonic=scales.refined(best.tonic, pitches))


def _scale(fit: Fit) -> dict[str, Any]:
    return {
        "maqam": fit.maqam,
        "tonic": name(fit.tonic, octave=False),
        "score": round(fit.score, 4),
        "inside": round(fit.inside, 4),
    }


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else 0.0


def _rounded(values: np.ndarray, digits: int) -> list[float | None]:
    return [round(float(value), digits) if np.isfinite(value) else None for value in values]

"""The tables of priors, of sounds whose place in them is known."""

import warnings

import numpy as np
import pytest
import soundfile
import torch

from msdae.data.sources import ClipLength, SourceFile
from msdae.evaluation.metrics import embeddings
from msdae.evaluation.priors import report
from msdae.evaluation.priors.samples import PEAK, Samples, excerpts, levelled
from msdae.evaluation.priors.settings import Settings
from msdae.symbolic.instruments import FAMILIES

RATE = 22050


def tones(name, base, count=4, seconds=6.0, step=0.5):
    """Lines of plucked tones over the major scale on `base`."""
    rows = []
    for row in range(count):
        rng, time = np.random.default_rng(row), np.arange(int(step * RATE)) / RATE
        notes = []
        for _ in range(int(seconds / step)):
            pitch = base + int(rng.choice([0, 2, 4, 5, 7, 9, 11, 12]))
            hertz = 440 * 2 ** ((pitch - 69) / 12)
            overtones = sum(np.sin(2 * np.pi * k * hertz * time) / k for k in range(1, 5))
            notes.append(overtones * np.exp(-4 * time))
        rows.append(np.concatenate(notes))
    return Samples(name, levelled(torch.tensor(np.stack(rows), dtype=torch.float32)))


def noise(name, count=4, seconds=6.0):
    generator = torch.Generator().manual_seed(0)
    return Samples(name, levelled(torch.randn(count, int(seconds * RATE), generator=generator)), speed=2.0)


def test_music_is_nearer_to_music_than_noise():
    embedding = embeddings.load("embedded")
    systems = [tones("same", 60), noise("noise")]
    table = report.main_table(systems, tones("reference", 60), embedding, RATE, "line")
    kad, notes = table.column("KAD ↓"), table.column("distance of notes ↓")
    assert kad["same"].value < 1e-6 < kad["noise"].value
    assert notes["same"].value < 1e-6 < notes["noise"].value
    assert table.column("speed ↑") == {"same": "-", "noise": table.column("speed ↑")["noise"]}
    assert table.column("notes in one scale")["same"].value > 0.9 and table.command == "line"


def test_where_no_notes_are_heard_in_recordings_nothing_is_said_of_them():
    silence = Samples("silence", torch.zeros(4, 6 * RATE))
    table = report.main_table([tones("tones", 60)], silence, embeddings.load("embedded"), RATE)
    assert table.column("distance of notes ↓")["tones"] == "-"


def test_thirds_in_which_nothing_is_heard_are_drawn_without_a_warning(tmp_path):
    silence = Samples("silence", torch.zeros(2, 18 * RATE))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = report.by_thirds([silence], silence, embeddings.load("embedded"), RATE)
        report.plot_thirds(tmp_path / "thirds.svg", found)
    table = report.middle_table(found, Settings(pieces=2, long=18))
    assert table.column("repetition") == {"silence": "-"}


def test_a_middle_that_is_another_is_seen(tmp_path):
    embedding = embeddings.load("embedded")
    even = tones("even", 60, seconds=18.0)
    size = even.waveforms.shape[1] // 3
    odd = Samples("odd", even.waveforms.clone())
    odd.waveforms[:, size : 2 * size] = noise("noise", seconds=18.0).waveforms[:, :size]
    found = report.by_thirds([even, odd], even, embedding, RATE)
    table = report.middle_table(found, Settings(pieces=4, long=18))
    middle, ends = map(float, table.column("KAD")["odd"].split(" / "))
    assert middle > ends + 1 and table.column("KAD")["even"] == "0.00 / 0.00"
    assert table.column("repetition")["even"].count("/") == 1 and "4 pieces of 18 s" in table.note
    longer = report.by_thirds([tones("longer", 60, seconds=36.0)], even, embedding, RATE)
    notes = [of["notes a second"].mean() for of in (found["even"], longer["longer"])]
    assert notes[0] == pytest.approx(notes[1], rel=0.15)  # of its own length, not the recordings'
    report.plot_thirds(tmp_path / "thirds.png", found)
    assert (tmp_path / "thirds.png").stat().st_size > 10_000


def test_texts_ask_for_every_family():
    asked = report.requests(33)
    assert [family for family, _, _ in asked[:11]] == list(FAMILIES)
    assert {register for _, register, _ in asked} == {"low", "middle", "high"}
    assert len({text for _, _, text in asked}) > 25


def test_what_is_heard_is_counted():
    class Judge:
        def program(self, waveforms, rate):
            return [0] * len(waveforms)  # a piano

    asked = [("keyboard", "middle"), ("keyboard", "high"), ("flute", "middle"), ("flute", "high")]
    name, family, register = report.asked_row("dit", tones("dit", 60), asked, Judge(), RATE)
    assert (name, family.value, register.value) == ("dit", 0.5, 0.5)


def test_excerpts_of_a_part_are_of_that_part_alone(tmp_path):
    """Of a recording whose end is held out: a sine at its start, noise at its end."""
    sine = np.sin(2 * np.pi * 440 * np.arange(4 * RATE) / RATE)
    noisy = np.random.default_rng(0).uniform(-1, 1, 4 * RATE)
    path, clip = tmp_path / "a.wav", ClipLength(4 * RATE, RATE)
    soundfile.write(path, np.concatenate([sine, noisy]), RATE)
    file = SourceFile("a", path, 1, first=1)
    found = excerpts("held out", [file], 1.0, RATE, 8, clip).waveforms
    assert len(found) == 4
    spectra = torch.fft.rfft(found).abs()
    assert (spectra.amax(dim=1) < 10 * spectra.mean(dim=1)).all()


def test_peaks_are_one_level():
    assert levelled(torch.tensor([[0.1, -0.2], [0.0, 0.0]])).tolist() == [[PEAK / 2, -PEAK], [0.0, 0.0]]

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from msdae import codecs
from msdae.errors import UserError
from msdae.evaluation import codecs as codec_comparison
from msdae.evaluation.metrics.distance import si_sdr

SCRIPT = Path(__file__).parents[2] / "experiments" / "compare_codecs.py"


@pytest.fixture(scope="module")
def tables():
    loaded = {name: codecs.load(name) for name in codecs.shipped()}
    return codec_comparison.compare(loaded, cases=20, split="valid")


def test_every_group_has_the_bounds_and_the_codecs(tables):
    assert [table.title for table in tables] == [
        "Codecs: valid split, monophonic melodies",
        "Codecs: valid split, melodies of two voices and more",
        "Codecs: unseen split, monophonic melodies",
        "Codecs: unseen split, melodies of two voices and more",
        "Codecs: speed and size",
    ]
    for table in tables[:4]:
        assert [row[0] for row in table.rows] == [
            "original",
            "mel + Griffin-Lim",
            *codecs.shipped(),
        ]


def test_the_original_is_at_no_distance_and_the_default_codec_nearer_than_the_simple_one(tables):
    column = codec_comparison.HEADER.index("log-mel dB ↓")
    for table in tables[:4]:
        distance = {row[0]: row[column].value for row in table.rows}
        assert distance["original"] == 0
        assert distance[codecs.DEFAULT] < 0.75 * distance["spectral"]


def test_kad_is_not_0_where_recordings_have_changed(tables):
    """Each is compared with the round trips of the others (defect 3: with its own, KAD was always 0)."""
    kad = [row[-1].value for table in tables[:4] for row in table.rows if row[0] != "original"]
    assert all(row[-1].value < 1e-9 for table in tables[:4] for row in table.rows if row[0] == "original")
    assert any(value > 0.1 for value in kad)


def test_the_default_codec_decodes_faster_than_the_simple_one(tables):
    speed = {row[0]: row[2].value for row in tables[4].rows}
    assert speed[codecs.DEFAULT] > 1.5 * speed["spectral"] > 0


def test_small_sets_are_remarked_and_too_small_ones_refused_before_any_work(tables, monkeypatch):
    assert all("FAD is biased upwards" in table.note for table in tables[:4])
    monkeypatch.setattr(codec_comparison, "play", None)
    with pytest.raises(UserError, match="--cases 6"):
        codec_comparison.compare({}, cases=6)


def test_si_sdr_of_known_noise():
    time = torch.arange(44100) / 44100
    tone = torch.sin(2 * torch.pi * 100 * time)
    other = torch.sin(2 * torch.pi * 300 * time)
    assert si_sdr(tone, 3 * (tone + 0.1 * other)) == pytest.approx(20, abs=0.1)
    assert si_sdr(tone, tone) == float("inf")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--codec", "mp3"], "mp3.*spectral-neural"),
        (["--codec", "spectral", "spectral"], "spectral.*NAME=spectral"),
        (["--out", "nowhere/tables.md"], "nowhere/tables.md"),
    ],
)
def test_bad_input_ends_at_once_with_exit_code_2(tmp_path, arguments, message):
    command = [sys.executable, str(SCRIPT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2 and re.search(message, done.stderr)
    assert "Traceback" not in done.stderr

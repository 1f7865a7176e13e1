"""A finished folder of results, without anything being evaluated."""

import json

import numpy as np
from library import MAKERS
from trees import wave

from msdae.evaluation import tables
from msdae.evaluation.swapbench.cases import Case as Swap
from msdae.evaluation.swapbench.cases import Performance, to_json
from msdae.evaluation.swapbench.scores import F1, PITCH, TIMBRE, TOP1
from msdae.evaluation.tables import Table, Value

NAME = "results"
ROWS = [
    ("truth", ""),
    ("copy melody source", ""),
    ("copy timbre source", ""),
    ("codec", ""),
    ("embedded", ""),
    ("embedded", "1"),
]


def _results(path):
    """A finished folder of results with two cases, one of them with sound."""
    rng = np.random.default_rng(0)
    path.mkdir(parents=True)
    records, scores = [], []
    for number in range(2):
        notes = ((0.2, 1.0, 60 + number, 90), (1.0, 2.5, 64 + number, 90))
        timbre, melody = (
            Performance(name, program, "TimGM6mb.sf2", "bwv1", notes)
            for name, program in (("Vibraphone", 11), ("Flute", 73))
        )
        case = Swap(f"test-melodies-{number}", "melodies", "monophonic", "test", timbre, melody)
        records.append(case)
        for row, levels in ROWS:
            if number == 0 and row.startswith(("truth", "codec", "embedded")):
                wave(path / "audio" / case.id / f"{f'{row} {levels}'.strip()}.wav", 1.0)
            value = float(rng.random())
            scores.append(
                {
                    "case": case.id,
                    "row": row,
                    "levels": levels,
                    F1: value,
                    TOP1: value,
                    TIMBRE: value,
                    PITCH: value,
                }
            )
    for role in ("timbre", "melody"):
        wave(path / "audio" / records[0].id / f"{role}.wav", 1.0)
    manifest = {
        "format": 1, "date": "2026-01-02", "seed": 0,
        "codec": {"name": "spectral", "fingerprint": "cd34" * 16},
        "settings": {"sampling": {"steps": 20, "sampler": "dpmpp_2m"}, "report cases": 1},
        "splits": {"test": {"monophonic": 2}},
        "checkpoints": {"embedded": {"path": "embedded", "hash": "ab12" * 16, "model": "msdae", "steps": 7}},
    }  # fmt: skip
    tables.write(
        path / "tables.json",
        [Table("A table", ("output", "melody F1 ↑"), (("embedded {1}", Value(0.5, 0.4, 0.6)),), "n", "c")],
    )
    (path / "manifest.json").write_text(json.dumps(manifest))
    (path / "cases.jsonl").write_text("".join(json.dumps(to_json(case)) + "\n" for case in records))
    (path / "scores.jsonl").write_text("".join(json.dumps(score) + "\n" for score in scores))


MAKERS[NAME] = _results

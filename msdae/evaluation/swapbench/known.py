"""A cache of scores that do not depend on a model, for the next evaluation on the same cases."""

import hashlib
import json
from pathlib import Path

import numpy as np

from msdae import checkpoint, files, folders
from msdae.codecs import Codec
from msdae.evaluation import source_hash
from msdae.evaluation.metrics import f0, timbre
from msdae.evaluation.metrics.embeddings import Embedding
from msdae.evaluation.swapbench.cases import references, to_json
from msdae.evaluation.swapbench.real import Library
from msdae.evaluation.swapbench.results import Results
from msdae.evaluation.swapbench.sounds import SOUNDFONTS
from msdae.evaluation.swapbench.systems import BOUNDS, CODEC, UNTAUGHT, Output
from msdae.synthesis import soundfont

# The code on which such scores depend, beside cases, sounds and networks.
CODE = (
    "msdae.audio",
    "msdae.codecs",
    "msdae.evaluation.metrics",
    "msdae.evaluation.swapbench.cases",
    "msdae.evaluation.swapbench.real",
    "msdae.evaluation.swapbench.scores",
    "msdae.evaluation.swapbench.sounds",
    "msdae.evaluation.swapbench.systems",
    "msdae.inference.mixing",
    "msdae.inference.sources",
    "msdae.symbolic",
    "msdae.synthesis",
)
ROWS = (*BOUNDS, *UNTAUGHT)


class KnownScores:
    """The cached scores of `ROWS` on the cases of `results`.

    Each row has a file, whose name is a hash of all that its scores depend on.

    library: as in `sounds.play`.
    """

    def __init__(self, results: Results, codec: Codec, library: Library | None, embedding: Embedding):
        self.results = results
        sets = sorted({(case.split, case.set) for case in results.cases})
        compared = [clip for one in sets for clip in references(*one)]  # with the timbre of outputs
        played = [line for case in results.cases for line in (case.timbre, case.melody)]
        fonts = {line.soundfont for line in (*played, *compared)}
        facts = {
            "cases": [to_json(case) for case in results.cases],
            "references": [vars(clip) for clip in compared],
            "sounds": [soundfont.fingerprint(SOUNDFONTS[font]()) for font in sorted(fonts & set(SOUNDFONTS))],
            "samples": library.fingerprint if library else "",
            "timbre": checkpoint.fingerprint(timbre.load().state_dict(), {}),
            "embedding": embedding.fingerprint,
            "f0": f0.available(),
            "code": source_hash.fingerprint(CODE),
        }
        whole = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        self.keys = {row: f"{whole} {row} {codec.identity if row == CODEC else ''}" for row in ROWS}

    def use(self) -> None:
        """Add the cached scores to the results.

        Raises:
            UserError: a file of the cache is damaged.
        """
        for row in ROWS:
            path, output = self._path(row), Output(row)
            if path.is_file():
                known = files.read_json(path, fix="delete it")
                with files.reading(path, "delete it"):
                    cases = self.results.cases
                    points = np.array([known[case.id]["embedding"] for case in cases], np.float32)
                    self.results.add(output, cases, [known[case.id]["scores"] for case in cases], points)

    def keep(self) -> None:
        """Write the rows that have scores for all cases, and are not in the cache, to the cache."""
        cases = self.results.cases
        for row in ROWS:
            output, path = Output(row), self._path(row)
            if not path.is_file() and self.results.complete(cases, [output]):
                points = self.results.embeddings(output, cases).tolist()
                rows = {
                    case.id: {"scores": self.results.scores[(case.id, *output)], "embedding": point}
                    for case, point in zip(cases, points, strict=True)
                }
                with files.atomic(path) as temporary:
                    temporary.write_text(json.dumps(rows))

    def _path(self, row: str) -> Path:
        return folder() / f"{hashlib.sha256(self.keys[row].encode()).hexdigest()[:24]}.json"


def folder() -> Path:
    """The folder of the cached scores."""
    return folders.cache() / "scores"

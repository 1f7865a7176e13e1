"""The manifest of a results folder: what was scored, on what, and how."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from msdae import checkpoint, config
from msdae.codecs import Codec
from msdae.evaluation.metrics import timbre
from msdae.evaluation.metrics.embeddings import Embedding
from msdae.evaluation.swapbench.cases import Case
from msdae.evaluation.swapbench.real import Library
from msdae.inference.pipeline import Pipeline, Sampling
from msdae.models.config import ModelConfig


def manifest(
    seed: int,
    sampling: Sampling,
    report_cases: int,
    codec: Codec,
    embedding: Embedding,
    checkpoints: Mapping[str, dict],
    library: Library | None = None,
) -> dict[str, Any]:
    """The content of manifest.json, without the cases.

    checkpoints: as `described` returns. library: of recorded samples, if one plays.
    """
    return {
        "date": str(date.today()),
        "seed": seed,
        "checkpoints": checkpoints,
        "codec": {
            "name": codec.name,
            "fingerprint": codec.fingerprint,
            "weights": checkpoint.fingerprint(codec.state_dict(), {}),
        },
        "settings": {
            "sampling": asdict(sampling),
            "embedding": {"name": embedding.name, "fingerprint": embedding.fingerprint},
            "timbre": checkpoint.fingerprint(timbre.load().state_dict(), {}),
            "report cases": report_cases,
            **({"samples": library.fingerprint} if library else {}),
        },
    }


def described(models: Mapping[str, str | Path], pipelines: Mapping[str, Pipeline]) -> dict[str, dict]:
    """For each checkpoint: its path, the hash of weights and settings, its kind of model and training steps.

    models: {name: checkpoint}. pipelines: {name: pipeline}.
    """
    return {
        name: {
            "path": str(models[name]),
            "hash": identity(pipeline),
            "model": pipeline.model.kind,
            "steps": sum(pipeline.model.provenance.get("steps", [])),
        }
        for name, pipeline in pipelines.items()
    }


def identity(pipeline: Pipeline) -> str:
    """A hash of the weights and settings of a model, and of its student if that renders."""
    return checkpoint.fingerprint(pipeline.model.state_dict(), _settings(pipeline))


def _settings(pipeline: Pipeline) -> dict[str, Any]:
    """The settings that differ from the defaults, and a hash of the student if that renders.

    Defaults are left out so that the hash stays the same if a later msdae has more settings.
    """
    defaults, student = config.to_mapping(ModelConfig()), pipeline.student
    own = {k: v for k, v in config.to_mapping(pipeline.model.config).items() if v != defaults[k]}
    if student is None or not pipeline.sampling.by_student:
        return own
    return {**own, "student": checkpoint.fingerprint(student.state_dict(), {})}


def sizes(drawn: Sequence[Case]) -> dict[str, dict[str, int]]:
    """The numbers of cases, {split: {texture: number}}."""
    numbers: dict[str, dict[str, int]] = {}
    for case in drawn:
        textures = numbers.setdefault(case.split, {})
        textures[case.texture] = textures.get(case.texture, 0) + 1
    return numbers

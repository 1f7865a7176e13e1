"""What a results folder says of itself: what was scored, on what, and how."""

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
    """The content of manifest.json but for the cases. library: of recorded samples, where one plays."""
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
    """Of each checkpoint: where it is, the hash of its weights and settings, what it is."""
    loaded = {name: pipeline.model for name, pipeline in pipelines.items()}
    return {
        name: {
            "path": str(models[name]),
            "hash": checkpoint.fingerprint(model.state_dict(), _settings(model.config)),
            "model": model.kind,
            "steps": sum(model.provenance.get("steps", [])),
        }
        for name, model in loaded.items()
    }


def _settings(model: ModelConfig) -> dict[str, Any]:
    """What of a configuration is no default: the same when a later msdae has more to configure."""
    defaults = config.to_mapping(ModelConfig())
    return {key: value for key, value in config.to_mapping(model).items() if value != defaults[key]}


def sizes(drawn: Sequence[Case]) -> dict[str, dict[str, int]]:
    """{split: {texture: cases}}."""
    numbers: dict[str, dict[str, int]] = {}
    for case in drawn:
        textures = numbers.setdefault(case.split, {})
        textures[case.texture] = textures.get(case.texture, 0) + 1
    return numbers

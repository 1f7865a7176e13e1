"""SwapBench and the thesis's tables for any set of models: plan, render, swap, score, and the tables."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from msdae import checkpoint, codecs, config
from msdae.codecs import Codec
from msdae.data import ClipCache
from msdae.errors import UserError
from msdae.evaluation.metrics import embeddings, timbre
from msdae.evaluation.metrics.embeddings import Embedding
from msdae.evaluation.swapbench import cases, pairs, tables
from msdae.evaluation.swapbench import run as running
from msdae.evaluation.swapbench import scores as scoring
from msdae.evaluation.swapbench.cases import Case
from msdae.evaluation.swapbench.results import Results
from msdae.evaluation.swapbench.systems import (
    BOUNDS,
    CODEC,
    Batch,
    Bounds,
    Folder,
    Function,
    Model,
    Output,
    System,
)
from msdae.evaluation.tables import Table, write_folder
from msdae.inference.pipeline import Sampling
from msdae.models.autoencoder import WEIGHTS, Autoencoder
from msdae.models.config import ModelConfig

SOUNDS = ("timbre", "melody")  # files beside the outputs of a case
PAIRS = "pairs"  # subfolder for what is scored on prepared recordings
QUICK = {"monophonic": 32, "two voices": 8, "polyphonic": 8}
SPLIT_OF_TABLES = ("test", "valid", "unseen")  # the first that is there has Tables 1, 4 and 5


@dataclass(frozen=True)
class Settings:
    """What is evaluated on.

    splits: of SwapBench. cases: of all of them together.
    seed: of the cases; `sampling.seed` is that of the noise.
    embedding: of FAD and KAD. report_cases: whose sound is kept.
    data: a prepared split (a cache), on pairs of whose clips Tables 1, 4 and 5 are made instead.
    """

    splits: tuple[str, ...] = ("test", "unseen")
    cases: int = 200
    seed: int = 0
    sampling: Sampling = Sampling()
    embedding: str = "embedded"
    report_cases: int = 12
    data: Path | None = None


@dataclass(frozen=True)
class Quick:
    """A model on a few melodies: mean melody F1 and timbre top-1 of a swap, and their swap score."""

    melody_f1: float
    timbre_top1: float
    score: float


def evaluate(
    models: Mapping[str, str | Path],
    out: str | Path,
    settings: Settings = Settings(),
    device: torch.device = torch.device("cpu"),
    functions: Mapping[str, Callable] | None = None,
    outputs: Mapping[str, str | Path] | None = None,
    command: str = "",
) -> tuple[list[Table], list[Table]]:
    """Score models and other systems in the folder `out`, or continue there; write and return the tables.

    models: checkpoints by the name of their rows; "embedded", files, folders or hub repositories.
    functions: further systems, f(timbre, melody) -> waveform, (samples,) at 44.1 kHz each.
    outputs: further systems' recordings: folders with CASE.wav, see `running.write_sources`. Nothing tells
        whether a function or recording has changed since it was scored: give it a new name then.
    command: that is said to have made the tables.

    Returns the tables for the screen, and all of them.

    Raises:
        UserError: models of different codecs, a folder of other settings, what the parts raise.
    """
    loaded = {name: Autoencoder.from_pretrained(path).to(device) for name, path in models.items()}
    codec = _codec(loaded, device)
    embedding = embeddings.load(settings.embedding)
    others: list[System] = [Function(name, swap) for name, swap in (functions or {}).items()]
    folders = [Folder(name, folder) for name, folder in (outputs or {}).items()]
    swappers = [Model(name, model, codec, settings.sampling) for name, model in loaded.items()]
    manifest = _manifest(settings, codec, embedding, _described(models, loaded))

    if not settings.splits and settings.data is None:
        raise UserError("nothing to evaluate on; name a --split, or --data")
    short: list[Table] = []
    full: list[Table] = []
    if settings.splits:
        drawn = plan(settings)
        systems = [Bounds(codec, device), *swappers, *others, *folders]
        results = Results.begin(out, {**manifest, "splits": _sizes(drawn)}, drawn)
        running.run(systems, results, running.render, embedding, _spread(drawn, settings.report_cases))
        short, full = tables.swapbench(results, command)
        if settings.data is None:
            split = next(split for split in SPLIT_OF_TABLES if split in settings.splits)
            short += tables.thesis(results, split, command)
    if settings.data is not None:
        paired = pairs.Pairs(ClipCache(settings.data), settings.cases, settings.seed)
        source = {**manifest, "splits": _sizes(paired.cases), "data": str(settings.data)}
        found = Results.begin(Path(out) / PAIRS, source, paired.cases)
        running.run([Bounds(codec, device, truth=False), *swappers, *others], found, paired, embedding)
        short += tables.thesis(found, pairs.SPLIT, command)
    write_folder(out, [*short, *full])
    return short, [*short, *full]


def quick(
    model: Autoencoder,
    split: str = "valid",
    levels: tuple[int, ...] = (1,),
    sampling: Sampling = Sampling(),
    counts: Mapping[str, int] = QUICK,
) -> Quick:
    """How well `model` swaps `levels` on a few melodies of `split`: in seconds, to choose between recipes.

    counts: cases by texture.

    Raises:
        UserError: the model has no other level than `levels`; as `plan`.
    """
    device = next(model.parameters()).device
    codec = codecs.load(model.config.codec.name, device)
    system = Model("model", model, codec, sampling, [levels])
    if len(system.outputs) < 2:
        raise UserError(f"levels {levels}: this model has levels 1 to {model.stage}, and one has to stay")
    ceiling = _quick_ceiling(split, codec.name, str(device), tuple(counts.items()))
    found = _quick_scores(system, system.outputs[1], split, tuple(counts.items()))
    return Quick(*found, float(tables.swap_score(np.array([[*found, *ceiling]]))[0]))


def plan(settings: Settings) -> list[Case]:
    """The cases of all splits."""
    shares = cases.counts(settings.splits, settings.cases)
    return [case for split, counts in shares.items() for case in cases.plan(split, settings.seed, counts)]


def named(given: Sequence[str]) -> dict[str, str]:
    """{name: path} of "NAME=PATH" or "PATH", which is called by its file's name or, of a run, its folders'.

    Raises:
        UserError: a name that is given twice, is a row's already or cannot be a file's.
    """
    found: dict[str, str] = {}
    for text in given:
        name, equals, path = text.partition("=")
        path = path if equals else text
        name = name if equals else _name(Path(path))
        if not name or name in found or name in BOUNDS or name in SOUNDS or "/" in name:
            raise UserError(f"{text}: '{name}' cannot be a row's name, or is one already; write NAME=PATH")
        found[name] = path
    return found


def _name(path: Path) -> str:
    """runs/hdae/stage1/model.safetensors or its folder: "hdae stage1"; mine.safetensors: "mine"."""
    folder = path.parent if path.name == WEIGHTS else path
    if folder.name.startswith("stage") and folder.parent.name:
        return f"{folder.parent.name} {folder.name}"
    return folder.stem if folder.suffix == ".safetensors" else folder.name


def _spread(drawn: Sequence[Case], count: int) -> list[str]:
    """The ids of `count` cases, in turn from each split and texture."""
    groups: dict[tuple[str, str], list[str]] = {}
    for case in drawn:
        groups.setdefault((case.split, case.texture), []).append(case.id)
    turns = sorted((turn, group, name) for group in groups for turn, name in enumerate(groups[group]))
    return [name for _, _, name in turns[:count]]


# -- what the folder says of itself


def _manifest(
    settings: Settings, codec: Codec, embedding: Embedding, checkpoints: dict[str, dict]
) -> dict[str, Any]:
    return {
        "date": str(date.today()),
        "seed": settings.seed,
        "checkpoints": checkpoints,
        "codec": {
            "name": codec.name,
            "fingerprint": codec.fingerprint,
            "weights": checkpoint.fingerprint(codec.state_dict(), {}),
        },
        "settings": {
            "sampling": asdict(settings.sampling),
            "embedding": {"name": embedding.name, "fingerprint": embedding.fingerprint},
            "timbre": checkpoint.fingerprint(timbre.load().state_dict(), {}),
            "report cases": settings.report_cases,
        },
    }


def _described(models: Mapping[str, str | Path], loaded: Mapping[str, Autoencoder]) -> dict[str, dict]:
    return {
        name: {
            "path": str(models[name]),
            "hash": checkpoint.fingerprint(model.state_dict(), _own(model.config)),
            "model": model.kind,
            "steps": sum(model.provenance.get("steps", [])),
        }
        for name, model in loaded.items()
    }


def _own(model: ModelConfig) -> dict[str, Any]:
    """What of a configuration is no default: the same when a later msdae has more to configure."""
    defaults = config.to_mapping(ModelConfig())
    return {key: value for key, value in config.to_mapping(model).items() if value != defaults[key]}


def _sizes(drawn: Sequence[Case]) -> dict[str, dict[str, int]]:
    """{split: {texture: cases}}."""
    sizes: dict[str, dict[str, int]] = {}
    for case in drawn:
        textures = sizes.setdefault(case.split, {})
        textures[case.texture] = textures.get(case.texture, 0) + 1
    return sizes


def _codec(loaded: Mapping[str, Autoencoder], device: torch.device) -> Codec:
    """The codec of the models, the default where there are none; `Model` checks that they agree."""
    names = [model.config.codec.name for model in loaded.values()] or [codecs.DEFAULT]
    return codecs.load(names[0], device)


# -- quick


@functools.lru_cache(maxsize=8)
def _quick_ceiling(
    split: str, codec: str, device: str, counts: tuple[tuple[str, int], ...]
) -> tuple[float, float]:
    """Melody F1 and timbre top-1 of the codec's round trip of the truth."""
    bounds = Bounds(codecs.load(codec, device), torch.device(device))
    return _quick_scores(bounds, Output(CODEC), split, counts)


def _quick_scores(
    system: System, output: Output, split: str, counts: tuple[tuple[str, int], ...]
) -> tuple[float, float]:
    drawn = cases.plan(split, 0, dict(counts))
    scores = []
    for chosen in running.batches(drawn):
        batch = Batch(chosen, *running.render(chosen))
        scores += scoring.melody_and_timbre(chosen, system.render(batch, output))
    f1, top1, _ = np.mean(scores, axis=0)
    return float(f1), float(top1)

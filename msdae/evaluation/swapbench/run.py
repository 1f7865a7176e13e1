"""SwapBench and the thesis's tables for any set of models: plans, renders, swaps, scores, makes tables."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch

from msdae import audio, codecs, files
from msdae.audio.files import SAMPLE_RATE
from msdae.codecs import Codec
from msdae.data import ClipCache
from msdae.data.draws import CPU
from msdae.errors import UserError
from msdae.evaluation.metrics import embeddings
from msdae.evaluation.metrics.embeddings import Embedding
from msdae.evaluation.swapbench import cases, pairs, real, tables
from msdae.evaluation.swapbench import scores as scoring
from msdae.evaluation.swapbench.cases import Case
from msdae.evaluation.swapbench.known import KnownScores
from msdae.evaluation.swapbench.manifest import described, manifest, sizes
from msdae.evaluation.swapbench.real import Library
from msdae.evaluation.swapbench.results import AUDIO, Results
from msdae.evaluation.swapbench.settings import EvaluationConfig
from msdae.evaluation.swapbench.sounds import play
from msdae.evaluation.swapbench.systems import (
    BOUNDS,
    UNTAUGHT,
    Bounds,
    CaseBatch,
    Folder,
    Function,
    Learnt,
    Model,
    Output,
    System,
    can_learn,
    check_names,
    unique,
    untaught,
)
from msdae.evaluation.tables import Table, write_folder
from msdae.inference.pipeline import Pipeline, Sampling
from msdae.nn.device import workers
from msdae.progress import Progress, silent

SOUNDS = ("timbre", "melody")  # names of the source files beside the outputs of a case
BATCH = 16  # cases rendered at once
PAIRS = "pairs"  # subfolder of the results on prepared recordings
SPLIT_OF_TABLES = ("test", "valid", "unseen", *real.SPLITS)  # the first one evaluated is in Tables 1, 4 and 5


Recordings = tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]  # timbre, melody, truth (batch, samples)


def evaluate(
    models: Mapping[str, str | Path],
    out: str | Path,
    settings: EvaluationConfig = EvaluationConfig(),
    device: torch.device = CPU,
    functions: Mapping[str, Callable] | None = None,
    outputs: Mapping[str, str | Path] | None = None,
    command: str = "",
    codec: str | Path | None = None,
    progress: Progress = silent,
) -> tuple[list[Table], list[Table]]:
    """Score models and other systems in the folder `out`, or continue there; write and return the tables.

    models: {name of the rows: checkpoint}, each "embedded", a file, a folder or a hub repository.
    functions: {name: f(timbre, melody) -> waveform}, further systems; waveforms are (samples,) at 44.1 kHz.
        A change of a function since it was scored is not noticed: give it a new name.
    outputs: {name: folder with CASE.wav for each case}, recordings of further systems; see `write_sources`.
    command: the command line that the tables name.
    codec: name or file of the models' codec; by default the one that each checkpoint was trained with.

    Returns the tables for the screen, and all tables.

    Raises:
        UserError: a name is taken, models have different codecs, the folder has other settings, or as
            `Pipeline.from_pretrained`, `plan`, `pairs.Pairs`, `Folder` and `sounds.play`.
    """
    check_names([*models, *(functions or {}), *(outputs or {})], (*BOUNDS, *UNTAUGHT, *SOUNDS))
    pipelines = load(models, device, settings.sampling, codec)
    _require_cases(settings, bool(outputs))
    paired = _paired(settings)
    shared, library = shared_codec(pipelines, codec, device), settings.library
    embedding = embeddings.load(settings.embedding)
    others: list[System] = [Function(name, swap) for name, swap in (functions or {}).items()]
    others += untaught()
    folders = {name: Folder(name, folder) for name, folder in (outputs or {}).items()}
    swappers = [Model(name, pipeline) for name, pipeline in pipelines.items()]
    facts = manifest(
        settings.seed,
        settings.sampling,
        settings.report_cases,
        shared,
        embedding,
        described(models, pipelines),
        library,
    )
    facts["functions"] = {name: {"hash": ""} for name in functions or {}}
    short: list[Table] = []
    full: list[Table] = []
    if settings.splits:
        drawn = plan(settings)
        for folder in folders.values():
            folder.check(drawn)
        systems = [Bounds(shared, device), *swappers, *others, *folders.values()]
        given = {name: {"hash": folder.fingerprint} for name, folder in folders.items()}
        results = Results.begin(out, {**facts, "outputs": given, "splits": sizes(drawn)}, drawn)
        kept = _spread(drawn, settings.report_cases)
        known = KnownScores(results, shared, library, embedding)
        run(systems, results, library, embedding, kept, progress, known=known)
        known.keep()
        if settings.learn is not None:
            able = {name: pipeline for name, pipeline in pipelines.items() if can_learn(pipeline)}
            learning = [Learnt(name, pipeline, settings.learn) for name, pipeline in able.items()]
            run(learning, results, library, embedding, kept, progress, alone=True)
        short, full = tables.swapbench(results, command)
        if paired is None:
            split = next(split for split in SPLIT_OF_TABLES if split in settings.splits)
            short += tables.thesis(results, split, command)
    if paired is not None:
        source = {**facts, "splits": sizes(paired.cases), "data": str(settings.data)}
        recorded = Results.begin(Path(out) / PAIRS, source, paired.cases)
        systems = [Bounds(shared, device, truth=False), *swappers, *others]
        run(systems, recorded, None, embedding, progress=progress, recordings=paired)
        short += tables.thesis(recorded, pairs.SPLIT, command)
    write_folder(out, [*short, *full])
    return short, [*short, *full]


def _paired(settings: EvaluationConfig) -> pairs.Pairs | None:
    if settings.data is None:
        return None
    return pairs.Pairs(ClipCache(settings.data), settings.cases or cases.DEFAULT, settings.seed)


def load(
    models: Mapping[str, str | Path],
    device: torch.device,
    sampling: Sampling,
    codec: str | Path | None = None,
) -> dict[str, Pipeline]:
    """The pipelines of checkpoints, {name of the rows: pipeline}. codec: as in `evaluate`."""
    return {name: Pipeline.from_pretrained(path, device, sampling, codec) for name, path in models.items()}


def _require_cases(settings: EvaluationConfig, outputs: bool) -> None:
    """Raise a UserError if there are no cases, or none of SwapBench, which some options need."""
    if settings.splits:
        return
    if settings.data is None:
        raise UserError("nothing to evaluate on; name a --split, or --data")
    if outputs or settings.learn is not None:
        option = "--outputs" if outputs else "--learn"
        raise UserError(f"{option}: of SwapBench's cases alone; name a --split, or leave it out")


def plan(settings: EvaluationConfig) -> list[Case]:
    """The cases of all splits that the settings name."""
    shares = cases.counts(settings.splits, settings.cases)
    return [case for split, counts in shares.items() for case in cases.plan(split, settings.seed, counts)]


def run(
    systems: Sequence[System],
    results: Results,
    library: Library | None,
    embedding: Embedding,
    kept: Sequence[str] = (),
    progress: Progress = silent,
    recordings: Callable[[Sequence[Case]], Recordings] | None = None,
    alone: bool = False,
    known: KnownScores | None = None,
) -> None:
    """Score every output of every case that `results` does not have yet.

    library: as in `sounds.play`. kept: ids of the cases whose sounds are written, too.
    recordings: function of some cases that returns their recordings; by default they are rendered.
    alone: render one output of one case at a time, with all of torch's threads.
    known: scores of earlier evaluations, which are used after the batches with `kept` cases (at least one).
    """
    recordings = recordings or functools.partial(render, library=library)
    makers = unique(systems)
    total = len(makers) * len(results.cases)
    desc = "learning" if alone else "evaluating"
    pool = nullcontext() if alone else workers()
    with pool as shared, progress(total=total, desc=desc, unit="output") as bar:
        ordered = sorted(results.cases, key=lambda case: case.id not in kept)
        for number, group in enumerate(batches(ordered, 1 if alone else BATCH)):
            if known and number and not any(case.id in kept for case in group):
                known.use()  # the first batch has put the rows in their order
                known = None
            missing = [output for output in makers if not all(results.has(case, output) for case in group)]
            bar.update((len(makers) - len(missing)) * len(group))
            if not missing:
                continue
            batch = CaseBatch(group, *recordings(group))
            _keep(results, batch, {"timbre": batch.timbre, "melody": batch.melody}, kept)
            scored = functools.partial(_scored, scoring.facts(batch, library), makers, embedding)
            for output, waveforms, scores, points in (shared.map if shared else map)(scored, missing):
                _keep(results, batch, {" ".join(output).strip(): waveforms}, kept)
                results.add(output, group, scores, points)
                bar.update(len(group))


def batches(cases: Sequence[Case], size: int = BATCH) -> Iterator[list[Case]]:
    """`cases` in lists of `size`; the last may be shorter."""
    for start in range(0, len(cases), size):
        yield list(cases[start : start + size])


def render(cases: Sequence[Case], library: Library | None = None) -> Recordings:
    """The recordings of SwapBench cases, (cases, samples) each at 44.1 kHz. library: as in `sounds.play`."""
    sources = zip(*((case.timbre, case.melody, case.truth) for case in cases), strict=True)
    timbre, melody, truth = (torch.stack([play(source, library) for source in role]) for role in sources)
    return timbre, melody, truth


def write_sources(
    cases: Sequence[Case],
    folder: str | Path,
    library: Library | None = None,
    progress: Progress = silent,
) -> None:
    """Write `CASE/timbre.wav` and `CASE/melody.wav` of every case, for a system that runs elsewhere.

    library: as in `sounds.play`.

    Raises:
        UserError: the folder cannot be written to, or as `sounds.play`.
    """
    for case in progress(cases, desc="rendering", unit="case"):
        _write(Path(folder) / case.id, {role: play(getattr(case, role), library) for role in SOUNDS})


def _scored(
    facts: scoring.Facts, makers: Mapping[Output, System], embedding: Embedding, output: Output
) -> tuple[Output, torch.Tensor, list[scoring.Scores], np.ndarray]:
    """An output of a batch: itself, its waveforms, its scores and its embeddings (batch, dim)."""
    waveforms = makers[output].render(facts.batch, output)
    scores = scoring.score(facts, waveforms, swapped=bool(output.levels))
    return output, waveforms, scores, embedding.embed(waveforms, SAMPLE_RATE).numpy()


def _keep(
    results: Results, batch: CaseBatch, sounds: Mapping[str, torch.Tensor], kept: Sequence[str]
) -> None:
    for index, case in enumerate(batch.cases):
        if case.id in kept:
            own_sounds = {name: waveforms[index] for name, waveforms in sounds.items()}
            _write(results.folder / AUDIO / case.id, own_sounds)


def _write(folder: Path, sounds: Mapping[str, torch.Tensor]) -> None:
    files.make_folder(folder)
    for name, waveform in sounds.items():
        audio.write(folder / f"{name}.wav", waveform)


def _spread(drawn: Sequence[Case], count: int) -> list[str]:
    """The ids of `count` cases, taken in turn from each split and texture."""
    groups: dict[tuple[str, str], list[str]] = {}
    for case in drawn:
        groups.setdefault((case.split, case.texture), []).append(case.id)
    turns = sorted((turn, group, name) for group in groups for turn, name in enumerate(groups[group]))
    return [name for _, _, name in turns[:count]]


def shared_codec(pipelines: Mapping[str, Pipeline], codec: str | Path | None, device: torch.device) -> Codec:
    """The codec that all models share or, if there are no models, `codec` or the default one.

    Raises:
        UserError: the models have different codecs, or decode the same latents in different ways: the row of
            the codec, by which swap scores are measured, would be of one of them.
    """
    if not pipelines:
        return codecs.load(codec or codecs.DEFAULT, device)
    first, *others = pipelines
    shared = pipelines[first].codec
    for name in others:
        if pipelines[name].codec.fingerprint != shared.fingerprint:
            raise UserError(
                f"{name}: trained on codec '{pipelines[name].codec.name}', {first} on '{shared.name}'; "
                "evaluate models of one codec together and give each codec its own --out"
            )
        if pipelines[name].codec.identity != shared.identity:
            raise UserError(
                f"{name}: has another decoder of codec '{shared.name}' than {first}; give one for all with "
                "--codec, or each decoder its own --out"
            )
    return shared

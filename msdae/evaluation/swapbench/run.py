"""Cases through systems into a results folder, batch by batch."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from msdae import audio
from msdae.audio.files import SAMPLE_RATE
from msdae.errors import UserError
from msdae.evaluation.metrics.embeddings import Embedding
from msdae.evaluation.swapbench import scores as scoring
from msdae.evaluation.swapbench.cases import Case
from msdae.evaluation.swapbench.results import Results
from msdae.evaluation.swapbench.sounds import play
from msdae.evaluation.swapbench.systems import Batch, Output, System, unique

BATCH = 16

Recordings = tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]  # timbre, melody, truth (batch, samples)


def run(
    systems: Sequence[System],
    results: Results,
    recordings: Callable[[Sequence[Case]], Recordings],
    embedding: Embedding,
    kept: Sequence[str] = (),
) -> None:
    """Score every output of every case that `results` does not have yet.

    recordings: of some of its cases. kept: ids of the cases whose sound is written.
    """
    made = unique(systems)
    total = len(made) * len(results.cases)
    with _workers() as pool, tqdm(total=total, desc="evaluating", unit="output") as bar:
        for chosen in batches(results.cases):
            wanted = [output for output in made if not all(results.has(case, output) for case in chosen)]
            bar.update((len(made) - len(wanted)) * len(chosen))
            if not wanted:
                continue
            batch = Batch(chosen, *recordings(chosen))
            _keep(results, batch, {"timbre": batch.timbre, "melody": batch.melody}, kept)
            scored = functools.partial(_scored, scoring.facts(batch), made, embedding)
            for output, waveforms, scores, points in pool.map(scored, wanted):
                _keep(results, batch, {" ".join(output).strip(): waveforms}, kept)
                results.add(output, chosen, scores, points)
                bar.update(len(chosen))


def batches(cases: Sequence[Case]) -> Iterator[list[Case]]:
    """`cases`, `BATCH` at a time."""
    for start in range(0, len(cases), BATCH):
        yield list(cases[start : start + BATCH])


def render(cases: Sequence[Case]) -> Recordings:
    """The recordings of SwapBench cases."""
    sources = zip(*((case.timbre, case.melody, case.truth) for case in cases), strict=True)
    timbre, melody, truth = (torch.stack([play(source) for source in role]) for role in sources)
    return timbre, melody, truth


def write_sources(cases: Sequence[Case], folder: str | Path) -> None:
    """Write `CASE/timbre.wav` and `CASE/melody.wav` of every case, for a system that runs elsewhere.

    Raises:
        UserError: the folder cannot be written to.
    """
    for case in tqdm(cases, desc="rendering", unit="case"):
        _write(Path(folder) / case.id, {"timbre": play(case.timbre), "melody": play(case.melody)})


def _scored(
    facts: scoring.Facts, made: Mapping[Output, System], embedding: Embedding, output: Output
) -> tuple[Output, torch.Tensor, list[scoring.Scores], np.ndarray]:
    """An output of a batch, its scores and its embeddings."""
    waveforms = made[output].render(facts.batch, output)
    scores = scoring.score(facts, waveforms, swapped=bool(output.levels))
    return output, waveforms, scores, embedding.embed(waveforms, SAMPLE_RATE).numpy()


@contextmanager
def _workers() -> Iterator[Executor]:
    """A worker for each of torch's threads, of one thread itself: most steps are too small to be shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(threads)


def _keep(results: Results, batch: Batch, sounds: Mapping[str, torch.Tensor], kept: Sequence[str]) -> None:
    for index, case in enumerate(batch.cases):
        if case.id in kept:
            chosen = {name: waveforms[index] for name, waveforms in sounds.items()}
            _write(results.folder / "audio" / case.id, chosen)


def _write(folder: Path, sounds: Mapping[str, torch.Tensor]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made ({error.strerror}); choose another folder") from error
    for name, waveform in sounds.items():
        audio.write(folder / f"{name}.wav", waveform)

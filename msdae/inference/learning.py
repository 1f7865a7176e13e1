"""Learning a sound with a pipeline."""

import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from msdae.audio.windows import Source
from msdae.inference.sounds import LearntSound
from msdae.progress import Progress
from msdae.training import sound


def learn(
    pipeline: Any,
    sources: Sequence[Source],
    seconds: float,
    steps: int | None,
    folder: str | Path | None,
    progress: Progress,
) -> LearntSound:
    """Learn the sound of `sources`, which are at the codec's rate; otherwise as `Pipeline.learn`."""
    config = sound.LearnConfig(seconds=seconds, steps=steps)
    with nullcontext(folder) if folder else tempfile.TemporaryDirectory() as state:
        lesson = sound.learn(pipeline.model, pipeline.codec, sources, config, state, progress)
    paths = (getattr(source, "path", None) for source in sources)  # an object of a user's may have any
    names = tuple(Path(path).name for path in paths if isinstance(path, (str, Path)))
    facts = pipeline.fingerprint, names, lesson.seconds, lesson.steps, lesson.held_out
    return LearntSound(lesson.code, lesson.adapter, *facts, tokens=lesson.tokens)

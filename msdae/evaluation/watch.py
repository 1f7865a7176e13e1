"""Where the time of a swap goes, from the start of a process; prints {part: seconds} as JSON.

The text of this file is run by a fresh process, `python -c`, so that it can also measure a checkout of
another version, which need not have this file.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import reduce
from importlib import _bootstrap, import_module
from types import GeneratorType, ModuleType
from typing import Any

IMPORTS, REST = "imports", "the rest"
PARTS = (  # (part, module, function or method whose time belongs to the part)
    ("models read", "msdae.models.autoencoder", "Autoencoder.load"),
    ("models read", "msdae.models.codec_files", "load"),
    ("models read", "msdae.models.student", "beside"),
    ("models read", "msdae.models.student", "Student.unet"),
    ("recordings read", "msdae.audio.files", "Recording.blocks"),
    ("log-mels", "msdae.audio.mel", "LogMel.forward"),
    ("encoders", "msdae.nn.encoders", "PatchEncoder.forward"),
    ("encoders", "msdae.nn.encoders", "MelEncoder.forward"),
    ("encoders", "msdae.nn.tokens", "TokenEncoder.forward"),
    ("denoiser", "msdae.nn.unet", "UNet.forward"),
    ("codec: network", "msdae.codecs.neural", "NeuralCodec.magnitude"),
    ("codec: phases", "msdae.codecs.neural", "accumulated"),
    ("codec: Griffin-Lim", "msdae.codecs.neural", "griffin_lim"),
    ("loudness", "msdae.audio.loudness", "Loudness.add"),
    ("recording written", "msdae.audio.files", "_encode"),
)


class Watch:
    """A stopwatch for the parts of a program; the time of a part inside another counts for the inner one.

    clock: `time.perf_counter`, or `time.process_time`, which counts processor time only.
    """

    def __init__(self, clock: Callable[[], float]):
        self.seconds: Counter[str] = Counter()
        self.clock, self.parts, self.mark = clock, [REST], clock()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the time of the block for the part `name`."""
        self._note()
        self.parts.append(name)
        try:
            yield
        finally:
            self._note()
            self.parts.pop()

    def _note(self) -> None:
        now = self.clock()
        self.seconds[self.parts[-1]] += now - self.mark
        self.mark = now

    def watched(self, name: str, call: Callable) -> Callable:
        """`call`, but its time counts for the part `name`, as does that of a generator that it returns."""

        def watching(*arguments: Any, **options: Any) -> Any:
            with self.part(name):
                result = call(*arguments, **options)
            return self._steps(name, result) if isinstance(result, GeneratorType) else result

        return watching

    def _steps(self, name: str, items: Iterator[Any]) -> Iterator[Any]:
        ended = object()
        while True:
            with self.part(name):
                item = next(items, ended)
            if item is ended:
                return
            yield item


def attach(watch: Watch, parts: tuple[tuple[str, str, str], ...] = PARTS) -> None:
    """Watch the functions of `parts`; those that this version of msdae does not have are left out."""
    for name, module, path in parts:
        *owners, attribute = path.split(".")
        try:
            owner: Any = reduce(getattr, owners, import_module(module))
            call = getattr(owner, attribute)
        except (ImportError, AttributeError):
            continue
        watched = watch.watched(name, call)
        is_static = not isinstance(owner, ModuleType) and isinstance(vars(owner)[attribute], staticmethod)
        setattr(owner, attribute, staticmethod(watched) if is_static else watched)


def main(clock: str, arguments: list[str]) -> None:
    """Swap by the command line `arguments` and print the seconds of each part.

    clock: the name of a function of the module `time`.
    """
    watch = Watch(getattr(time, clock))
    _bootstrap._find_and_load = watch.watched(IMPORTS, _bootstrap._find_and_load)
    with watch.part(IMPORTS):
        commands = import_module("msdae.commands")
        import_module("msdae.inference.pipeline")
    attach(watch)
    commands.main(["swap", *arguments])
    with watch.part(REST):
        pass
    sys.stdout.write(f"{json.dumps(watch.seconds)}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

import gc
import logging
import os
import signal
import threading
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch starts its threads: tests run beside each other
if worker := os.environ.get("PYTEST_XDIST_WORKER"):  # numba's cache is not made for two that fill it at once
    os.environ["NUMBA_CACHE_DIR"] = str(Path(__file__).parents[1] / ".pytest_cache" / f"numba-{worker}")
    os.environ["NUMBA_OPT"] = "1"  # compiling takes longer than what is computed

from contextlib import contextmanager

import pytest
import torch


def pytest_collection_finish():
    """The modules of all tests stay until the end: the garbage collector looks through them no more."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A synth data set of a few clips, prepared with the shipped codec: by one worker, to be read by all."""
    from msdae import codecs
    from msdae.data.encode import Encoding
    from msdae.data.prepare import prepare_set
    from msdae.data.rendering import RenderConfig
    from msdae.locks import in_turn

    base, config = tmp_path_factory.getbasetemp(), RenderConfig(clips=24, seed=7)
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "tiny" / "synth"
    with in_turn(folder.parent.with_suffix(".lock")):  # what is prepared is left as it is
        prepare_set("synth", folder, Encoding(codecs.DEFAULT), config=config, workers=1)
    return folder


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A file of an untrained model of the shipped codec, so small that it takes no time."""
    from msdae import codecs
    from msdae.models.config import CodecConfig, ModelConfig
    from msdae.models.msdae import MSDAE

    torch.manual_seed(0)
    codec = CodecConfig(fingerprint=codecs.load(codecs.DEFAULT).fingerprint)
    sizes = {"widths": (16, 16, 16, 16, 16), "code_channels": (8, 8, 8), "encoder_widths": (8, 8)}
    model = MSDAE(ModelConfig(**sizes, codec=codec))
    for parameter in model.parameters():  # an untrained model ends in zeros and would ignore its codes
        parameter.data += 0.1 * torch.randn_like(parameter)
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    model.save(path)
    return path


_FEW: dict = {}


@pytest.fixture(scope="module")
def few_references():
    """The judge of timbre compares outputs with one clip of each instrument, not with eight."""
    from msdae.evaluation.swapbench import cases, scores

    made = scores.instruments.__wrapped__

    def few(*of):
        if of not in _FEW:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(cases, "REFERENCES", 1)
                _FEW[of] = made(*of)
        return _FEW[of]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scores, "instruments", few)
        yield


_DISTANCES: dict = {}


@pytest.fixture(scope="module")
def decoded_once():
    """The check of the codec that each training begins with decodes the same latents once."""
    from msdae.checkpoint import fingerprint
    from msdae.training import stages

    check = stages.check_decoding

    def distance(codec, z, mel, config):
        key = fingerprint({"z": z, "mel": mel}, {"codec": codec.identity, "mel": str(config)})
        if key not in _DISTANCES:
            _DISTANCES[key] = check(codec, z, mel, config)
        return _DISTANCES[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "check_decoding", distance)
        yield


@pytest.fixture(autouse=True)
def process():
    """What command lines set for their process ends with the test: the log, SIGTERM, errors of threads, and
    torch's threads, which UMAP changes: two for each of two workers slow both down several times. Weights
    that a test draws are the same in each run."""
    torch.manual_seed(0)
    log = logging.getLogger("msdae")
    hook, terminate = threading.excepthook, signal.getsignal(signal.SIGTERM)
    log.handlers.clear()  # of what a fixture of more than one test has run
    log.propagate = True
    log.setLevel(logging.NOTSET)
    yield
    threading.excepthook = hook
    signal.signal(signal.SIGTERM, terminate)
    torch.set_num_threads(1)


@pytest.fixture
def largest():
    """A block in which no file may grow above so many bytes, as if the disk were full."""
    resource = pytest.importorskip("resource")

    @contextmanager
    def limited(size: int):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


@pytest.fixture(scope="session")
def melody():
    """A function of (seconds, seed): see `_melody`."""
    return _melody


def _melody(seconds: float, seed: int = 0) -> torch.Tensor:
    """(1, samples): tones of four partials, each decaying, one every quarter of a second."""
    generator = torch.Generator().manual_seed(seed)
    samples = int(seconds * 44100)
    time = torch.arange(samples) / 44100
    waveform = torch.zeros(samples)
    for onset in torch.arange(0, seconds, 0.25):
        pitch = int(torch.randint(45, 80, (), generator=generator))
        since = (time - onset).clamp_min(0)
        for partial in range(1, 5):
            frequency = 440 * 2 ** ((pitch - 69) / 12) * partial
            waveform += torch.sin(2 * torch.pi * frequency * since) * torch.exp(-6 * since) / partial
    return (0.3 * waveform / waveform.abs().max())[None]


@pytest.fixture(scope="session")
def tune() -> torch.Tensor:
    """(1, 131072): one clip."""
    return _melody(3.0)[:, :131072]


DX7 = """
import os, time
import numpy as np

class Patch:
    def __init__(self, algorithm):
        self.algorithm = algorithm

    @classmethod
    def from_packed(cls, voice):
        return cls(voice[110])

    @classmethod
    def from_raw(cls, parameters):
        return cls(parameters[134] * (parameters[134] != 5))  # no voice at random hangs

class DexedSynth:
    def __init__(self, rate):
        self.rate = rate

    def load_patch(self, patch):
        self.fault = {1: "silent", 2: "clipped", 3: "out of tune", 4: "crash", 5: "hang"}.get(patch.algorithm)

    def render(self, key, velocity, held, seconds):
        print("what packages print is no answer")
        if self.fault == "crash":
            os.abort()
        if self.fault == "hang":
            time.sleep(60)
        time_axis = np.arange(round(seconds * self.rate)) / self.rate
        key = key / 2 if self.fault == "out of tune" else key
        phase = 2 * np.pi * 440 * 2 ** ((key - 69) / 12) * time_axis
        sound = sum(np.sin(k * phase) / k for k in range(1, 6)) * (time_axis < held) * velocity / 127
        sound *= self.fault != "silent"
        return np.clip(sound, -0.5, 0.5) if self.fault == "clipped" else sound
"""


@pytest.fixture
def dx7(tmp_path, monkeypatch):
    """A package dexed-py that plays sums of sines; voices of the first algorithms have faults."""
    from msdae.synthesis import plugins

    folder = tmp_path / "packages"
    (folder / "dexed_py-9.0.dist-info").mkdir(parents=True)
    (folder / "dexed_py-9.0.dist-info" / "METADATA").write_text("Name: dexed-py\nVersion: 9.0\n")
    (folder / "dexed.py").write_text(DX7)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setattr("msdae.synthesis.plugin_presets.BANKS", str(tmp_path / "none"))
    for cache in (plugins._host, plugins.judge, plugins.voices):
        cache.cache_clear()
    plugins.refused.clear()
    yield
    for cache in (plugins._host, plugins.judge, plugins.voices):
        cache.cache_clear()

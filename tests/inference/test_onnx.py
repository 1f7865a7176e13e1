"""The ONNX files of a small model say what the model says."""

import json
import runpy
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
import soundfile
import torch

from msdae import audio
from msdae.audio.levels import Levelled
from msdae.audio.windows import Waveform
from msdae.checkpoint import fingerprint
from msdae.codecs.neural import NeuralCodec, NeuralConfig
from msdae.errors import UserError
from msdae.inference import onnx
from msdae.inference.latents import latents
from msdae.inference.longform import noise
from msdae.inference.pipeline import Pipeline
from msdae.inference.route import route
from msdae.inference.settings import Sampling
from msdae.models.config import CodecConfig, ModelConfig
from msdae.models.registry import MODELS
from msdae.models.student import Student, StudentConfig
from msdae.nn.tokens import Tokens, weights_of

PROGRAM = Path(__file__).parents[2] / "docs" / "onnx_swap.py"
TOKENS = {"tokens": 8, "token_hidden": 8, "heads": 2}
CLOSE = {"rtol": 1e-3, "atol": 1e-3}


def small(**settings):
    """A small model, whose every layer does something, and its codec."""
    torch.manual_seed(0)
    codec = NeuralCodec(NeuralConfig(encoder=(8, 1), context=(8, 1), frame=(8, 1)))
    trained_on = CodecConfig("spectral-neural", "", codec.fingerprint)
    sizes = {"widths": (16, 16), "inject": (1, 1, 0), "hidden": 16}
    model = MODELS["msdae"](ModelConfig(codec=trained_on, **sizes, **settings))
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model.eval(), codec.eval()


def run(path, **inputs):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return [torch.from_numpy(y) for y in session.run(None, {k: v.numpy() for k, v in inputs.items()})]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A function of the settings of a small model: it, its codec, its student and their files, made once.

    The codec of all is the same; its decoder is exported once.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"writing ONNX needs {package}: pip install 'msdae[onnx,eval]'")

    export, decoders = onnx._export, {}

    def exported_once(path, network, *rest):
        if not isinstance(network, onnx.Decoder):
            return export(path, network, *rest)
        weights = fingerprint(network.state_dict(), {})
        if weights not in decoders:
            decoders[weights] = export(path, network, *rest).read_bytes()
        path.write_bytes(decoders[weights])
        return path

    @cache
    def made(**settings):
        model, codec = small(**settings)
        student = Student.fresh(model, StudentConfig(rank=2), torch.Generator().manual_seed(0))
        for parameter in student.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
        return model, codec, student, onnx.write(model, codec, tmp_path_factory.mktemp("onnx"), student)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx, "_export", exported_once)
        yield made


@pytest.mark.parametrize("settings", [{}, TOKENS], ids=["codes", "tokens"])
def test_files_say_what_the_model_says(settings, exported):
    model, codec, student, (*paths, decoder, facts) = exported(**settings)
    names = [path.name for path in (*paths, decoder, facts)]
    assert names == [onnx.ENCODERS, onnx.DENOISER, onnx.STUDENT, onnx.DECODER, onnx.SETTINGS]
    mel = torch.rand(3, 128, 512)  # another batch than the one that was exported
    with torch.no_grad():
        expected = onnx.Encoders(model)(mel)
        for code, ours in zip(run(paths[0], mel=mel), expected, strict=True):
            torch.testing.assert_close(code, ours, **CLOSE)
        x, sigma = torch.randn(3, codec.channels, codec.clip_frames), torch.tensor([0.1, 1.0, 20.0])
        drop = torch.tensor([[False, True, False], [True, False, False], [False, False, False]])
        given = {
            "x": x,
            "sigma": sigma,
            "drop": drop,
            "h1": expected[0],
            "h2": expected[1],
            "h3": expected[2],
        }
        if settings:
            heard = Tokens(expected[3].repeat(1, 1, 2), weights_of(expected[4]).repeat(1, 2) / 2)
            given |= {"tokens": heard.values, "weights": heard.weights}
        ours = model.denoise(x, sigma, expected[:3], drop, heard if settings else None)
        torch.testing.assert_close(run(paths[1], **given)[0], ours, **CLOSE)
        weights, following = torch.tensor([[2.0, 1.0, 2.0]] * 3), sigma / torch.tensor([1.0, 2.0, 50.0])
        ours = onnx.FewSteps(model, student)(x, sigma, weights, following, *list(given.values())[3:])
        del given["drop"]
        few = run(paths[2], **given, guidance=weights, following=following)[0]
        torch.testing.assert_close(few, ours, **CLOSE)
        z = torch.randn(1, codec.channels, 45)  # another length
        torch.testing.assert_close(run(decoder, z=z)[0], codec.magnitude(z), **CLOSE)
    settings = json.loads(facts.read_text())
    assert settings["sigmas of the student"][0] == pytest.approx(model.edm.sigma_max)
    assert (settings["frames"], settings["hop"], settings["mel"]["bands"]) == (32, 4096, 128)
    assert settings["decoder"].items() >= {"n_fft": 2048, "hop": 512, "rounds": 4}.items()


@torch.no_grad()
@pytest.mark.parametrize("few", [True, False], ids=["student", "model"])
def test_the_program_beside_the_documents_says_what_the_model_says(few, exported, melody, tmp_path):
    model, codec, student, (*_, facts) = exported()
    folder = shutil.copytree(facts.parent, tmp_path / "onnx")
    if not few:
        (folder / onnx.STUDENT).unlink()
    program, pipeline = SimpleNamespace(**runpy.run_path(str(PROGRAM))), Pipeline(model, codec)
    files, sound = program.Model(folder), melody(4.5)[0]  # two windows
    files.settings["peak"] = Levelled(Waveform(sound), 44100).gain * float((sound - sound.mean()).abs().max())
    codes, given = pipeline.encode(sound), program.encode(files, sound.numpy())
    for level, code in codes.levels.items():
        ours = code.expand(codes.windows, -1, -1)
        torch.testing.assert_close(torch.from_numpy(given[f"h{level}"]), ours, **CLOSE)
    way = route(model, Sampling(), student if few else None)._replace(antithetic=0)
    (z,) = latents(model, [codes], [0], way, 8)
    drawn = noise(0, codec.channels, codes.length, codes.stride)
    ours = torch.from_numpy(program.sample(files, given, drawn.numpy())).float()
    torch.testing.assert_close(ours, z, rtol=1e-2, atol=1e-2)
    wanted = codec.magnitude(z[None])[0]
    far = [
        float((codec.spectrogram(torch.as_tensor(waveform).float()[None])[0] - wanted).norm() / wanted.norm())
        for waveform in (program.decode(files, z.numpy()), codec.decode(z[None])[0])
    ]
    assert far[0] < 1.1 * far[1]


def test_the_program_beside_the_documents_swaps_without_torch(exported, melody, tmp_path):
    facts = exported()[-1][-1]
    for name, seconds in (("a", 1.0), ("b", 4.5)):
        audio.write(tmp_path / f"{name}.wav", melody(seconds, seed=1)[0])
    alone = "import runpy, sys; sys.modules.update(torch=None, msdae=None); sys.argv.pop(0)"
    start = f"{alone}; runpy.run_path(sys.argv[0], None, '__main__')"
    line = [sys.executable, "-c", start, PROGRAM, facts.parent, *(f"{name}.wav" for name in "aby")]
    subprocess.run(line, cwd=tmp_path, check=True)
    waveform, rate = soundfile.read(tmp_path / "y.wav")
    assert (len(waveform), rate) == (round(4.5 * 44100), 44100) and 0 < abs(waveform).max() < 0.9
    soundfile.write(tmp_path / "b.wav", waveform, 48000)
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("b.wav: silent, or at 48000 Hz; give")


def test_the_program_beside_the_documents_refuses_what_it_leaves_out(exported):
    facts = exported(**TOKENS)[-1][-1]
    with pytest.raises(SystemExit, match="with tokens, an unpooled level 1 or no decoder.onnx"):
        runpy.run_path(str(PROGRAM))["Model"](facts.parent)


def test_a_student_of_one_step_says_where_it_begins_and_ends():
    model, codec = small()
    student = Student.fresh(model, StudentConfig(says="consistency", rank=2), torch.Generator())
    sigmas = onnx._settings(model, codec, student)["sigmas of the student"]
    assert sigmas == [pytest.approx(model.edm.sigma_max), 0]


def test_a_missing_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(onnx.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"package onnx is missing; install it: pip install 'msdae\[onnx\]'"):
        onnx.write(*small(), tmp_path / "files")
    assert not (tmp_path / "files").exists()

"""The ONNX files of a small model say what the model says."""

import json

import pytest
import torch

from msdae.codecs.neural import NeuralCodec, NeuralConfig
from msdae.errors import UserError
from msdae.inference import onnx
from msdae.models.config import CodecConfig, ModelConfig
from msdae.models.registry import MODELS
from msdae.models.student import Student, StudentConfig
from msdae.nn.tokens import Tokens, weights_of

CLOSE = {"rtol": 1e-3, "atol": 1e-3}


def small(**settings):
    """A small model, whose every layer does something, and its codec."""
    torch.manual_seed(0)
    codec = NeuralCodec(NeuralConfig(encoder=(8, 1), context=(8, 1), frame=(8, 1)))
    trained_on = CodecConfig("spectral-neural", "", codec.fingerprint)
    model = MODELS["msdae"](ModelConfig(widths=(16,) * 3, hidden=16, codec=trained_on, **settings))
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model.eval(), codec.eval()


def run(path, **inputs):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return [torch.from_numpy(y) for y in session.run(None, {k: v.numpy() for k, v in inputs.items()})]


@pytest.mark.parametrize(
    "settings", [{}, {"tokens": 8, "token_hidden": 8, "heads": 2}], ids=["codes", "tokens"]
)
def test_files_say_what_the_model_says(settings, tmp_path):
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"writing ONNX needs {package}: pip install 'msdae[onnx,eval]'")
    model, codec = small(**settings)
    student = Student.fresh(model, StudentConfig(rank=2), torch.Generator().manual_seed(0))
    for parameter in student.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    *paths, decoder, facts = onnx.write(model, codec, tmp_path, student)
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

"""A model and its codec as ONNX files: the encoders, one evaluation of the denoiser, one of the student, and
the codec's decoder.

What is computed between them is not in the files: log-mels, the sampler, guidance, and phases for the
magnitudes. settings.json says how to compute it, and docs/onnx_swap.py does so with NumPy.
"""

import contextlib
import importlib.util
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn as nn
from torch.export import Dim

from msdae import config, files
from msdae.audio.levels import MODEL_PEAK
from msdae.audio.phase import MOMENTUM
from msdae.codecs.base import Codec
from msdae.codecs.neural import NeuralCodec, NeuralConfig
from msdae.errors import UserError
from msdae.inference.route import route
from msdae.inference.settings import FEW, Sampling
from msdae.models.autoencoder import Autoencoder
from msdae.models.student import Student
from msdae.nn.tokens import Tokens

PACKAGES = ("onnx", "onnxscript")  # in the extra `onnx`
ENCODERS, DENOISER, STUDENT, DECODER = "encoders.onnx", "denoiser.onnx", "student.onnx", "decoder.onnx"
SETTINGS = "settings.json"
STFT = {"window": "periodic hann", "centred": True}  # of log-mels and of the decoder
MEL = {**STFT, "padding": "reflect", "filters": "triangles that peak at 1", "scale": "slaney", "f_min": 0}
Input = tuple[torch.Tensor, Mapping[int, str]]  # an example, and {axis: name} of its axes of any length
CLIPS = {0: "batch"}  # the axes of an input that only has any number of clips


class Encoders(nn.Module):
    """A model's encoders: log-mels x3 (batch, bands, mel frames), or latents if it reads these, to codes.

    The output is the codes of all levels and, if the model has tokens, the tokens and how loud each is.
    """

    def __init__(self, model: Autoencoder):
        super().__init__()
        self.model = model

    def forward(self, source: torch.Tensor) -> tuple[torch.Tensor, ...]:
        model = self.model
        codes = model.encode(None, source) if model.needs_mel else model.encode(source, None)
        return (*codes, *(model.encode_tokens(source) or ()))


class Denoiser(nn.Module):
    """One evaluation of a model's denoiser, D(x; sigma); guidance combines several of them.

    drop: (batch, levels) bool, which levels are left out.
    conditions: the codes of all levels and, if the model has tokens, their values and weights.
    """

    def __init__(self, model: Autoencoder):
        super().__init__()
        self.model = model

    def forward(
        self, x: torch.Tensor, sigma: torch.Tensor, drop: torch.Tensor, *conditions: torch.Tensor
    ) -> torch.Tensor:
        codes, tokens = conditions[: self.model.stage], conditions[self.model.stage :]
        if not tokens:
            return self.model.denoise(x, sigma, codes, drop)
        return self.model.denoise(x, sigma, codes, drop, Tokens(*tokens))


class FewSteps(nn.Module):
    """One evaluation of a model's student, with guidance as an input: all that a step of its sampler needs.

    guidance: weights, (batch, levels). following: the noise level after the step, (batch,).
    conditions: as for `Denoiser`.
    """

    def __init__(self, model: Autoencoder, student: Student):
        super().__init__()
        self.model, self.student, self.unet = model, student, student.unet(model)

    def forward(
        self,
        x: torch.Tensor,
        sigma: torch.Tensor,
        guidance: torch.Tensor,
        following: torch.Tensor,
        *conditions: torch.Tensor,
    ) -> torch.Tensor:
        codes, tokens = conditions[: self.model.stage], conditions[self.model.stage :]
        control = self.student.control(guidance, self.student.ratio(sigma, following))
        unet = partial(self.unet, control=control)
        return self.model.denoise(x, sigma, codes, None, Tokens(*tokens) if tokens else None, unet)


class Decoder(nn.Module):
    """A codec's network from latents (batch, channels, frames) to magnitudes (batch, bins, STFT frames)."""

    def __init__(self, codec: Codec):
        super().__init__()
        self.codec = codec

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.codec.magnitude(z)


def write(model: Autoencoder, codec: Codec, folder: Path, student: Student | None = None) -> list[Path]:
    """Write the files and settings.json, which says how to use them, to `folder`; return their paths.

    There is no student file without a student, and no decoder file for a codec without `magnitude`.

    Raises:
        UserError: the packages are missing, or a file cannot be written.
    """
    require_packages()
    files.make_folder(folder)
    model, codec = model.eval().cpu(), codec.eval().cpu()
    frames, source = codec.clip_frames, _source(model, codec)
    with torch.no_grad():
        encoded = Encoders(model)(source)
    levels, tokens = encoded[: model.stage], encoded[model.stage :]
    names = [f"h{level}" for level in range(1, model.stage + 1)]
    conditions: dict[str, Input] = {name: (code, CLIPS) for name, code in zip(names, levels, strict=True)}
    if tokens:
        values, loudness = tokens
        conditions["tokens"] = values, {0: "batch", 2: "tokens"}
        conditions["weights"] = torch.full_like(loudness, 1 / loudness.shape[1]), {0: "batch", 1: "tokens"}
    x, drop = torch.randn(2, codec.channels, frames), torch.zeros(2, model.stage, dtype=torch.bool)
    noisy: dict[str, Input] = {"x": (x, CLIPS), "sigma": (torch.ones(2), CLIPS)}
    given: dict[str, Input] = {"mel" if model.needs_mel else "z": (source, CLIPS)}
    outputs = [*names, *(("tokens", "levels") if tokens else ())]
    paths = [
        _export(folder / ENCODERS, Encoders(model), given, {}, outputs),
        _export(
            folder / DENOISER, Denoiser(model), {**noisy, "drop": (drop, CLIPS)}, conditions, ["denoised"]
        ),
    ]
    if student is not None:
        guidance, following = torch.ones(2, model.stage), torch.full((2,), 0.5)
        step = {**noisy, "guidance": (guidance, CLIPS), "following": (following, CLIPS)}
        few = FewSteps(model, student.eval().cpu())
        paths.append(_export(folder / STUDENT, few, step, conditions, ["denoised"]))
    if hasattr(codec, "magnitude"):
        latents: dict[str, Input] = {"z": (x, {0: "batch", 2: "frames"})}
        paths.append(_export(folder / DECODER, Decoder(codec), latents, {}, ["magnitude"]))
    with files.atomic(folder / SETTINGS) as temporary:
        temporary.write_text(json.dumps(_settings(model, codec, student), indent=1))
    return [*paths, folder / SETTINGS]


def require_packages() -> None:
    """Raise a UserError unless the packages that write ONNX are installed."""
    for name in PACKAGES:
        if importlib.util.find_spec(name) is None:
            raise UserError(f"ONNX: the package {name} is missing; install it: pip install 'msdae[onnx]'")


def _export(
    path: Path,
    network: nn.Module,
    inputs: Mapping[str, Input],
    conditions: Mapping[str, Input],
    outputs: Sequence[str],
) -> Path:
    """Write a network to an ONNX file and return its path.

    inputs: the arguments of its `forward`, by the names that they have in the file. conditions: those that
        `forward` takes after them as `*conditions`.
    outputs: their names in the file.
    """
    every = {**inputs, **conditions}
    lengths = {name: Dim(name, min=1) for _, axes in every.values() for name in axes.values()}
    shapes, more = (
        tuple({axis: lengths[name] for axis, name in axes.items()} for _, axes in group.values())
        for group in (inputs, conditions)
    )
    with files.atomic(path) as temporary, _quiet(), torch.no_grad():
        torch.onnx.export(
            network.eval(),
            tuple(tensor for tensor, _ in every.values()),
            str(temporary),
            input_names=list(every),
            output_names=list(outputs),
            dynamic_shapes=(*shapes, more) if more else shapes,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    return path


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide the messages and warnings of the exporter inside the block."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _source(model: Autoencoder, codec: Codec) -> torch.Tensor:
    """Example input of the encoders for two clips: log-mels or latents."""
    if not model.needs_mel:
        return torch.randn(2, codec.channels, codec.clip_frames)
    mel = model.config.mel
    return torch.rand(2, mel.bands, codec.clip_samples // mel.hop)


def _settings(model: Autoencoder, codec: Codec, student: Student | None) -> dict[str, Any]:
    """The content of settings.json: what a program that runs the files has to know."""
    few: dict[str, Any] = {}
    if student is not None:
        few["sigmas of the student"] = student.sigmas(model, min(FEW, student.most)).tolist()
        few["sampler of the student"] = student.sampler
    own, mel = route(model, Sampling(), None), config.to_mapping(model.config.mel)
    return {
        **few,
        "model": model.kind,
        "stage": model.stage,
        "pooled": list(model.pooled),
        "tokens": model.token_channels,
        "peak": MODEL_PEAK,
        "mel": {**mel, **MEL, "f_max": mel["sample_rate"] / 2},
        "guidance": model.guidance_weights(None),
        "sigma_min": model.edm.sigma_min,
        "sigma_max": model.edm.sigma_max,
        "sigmas": own.sigmas.tolist(),
        "sampler": own.sampler,
        "antithetic": own.antithetic,
        "sample_rate": codec.sample_rate,
        "channels": codec.channels,
        "hop": codec.hop,
        "frames": codec.clip_frames,
        "codec": {"name": codec.name, "fingerprint": codec.fingerprint},
        **({"decoder": _phases(codec.config)} if isinstance(codec, NeuralCodec) else {}),
    }


def _phases(settings: NeuralConfig) -> dict[str, Any]:
    """How the decoder's magnitudes become sound (`NeuralCodec.continued`)."""
    return {
        "n_fft": settings.n_fft,
        "hop": settings.hop,
        **STFT,
        "padding": "constant",
        "full_scale": settings.n_fft / 4,  # the magnitude of a sine of amplitude 1
        "phases": "single pass spectrogram inversion, then fast Griffin-Lim",
        "rounds": settings.rounds,
        "momentum": MOMENTUM,
    }

"""Sounds and pictures as data: URLs, small enough to be embedded in a page."""

import io
from base64 import b64encode
from pathlib import Path

import numpy as np
import soundfile
import torch
from PIL import Image

from msdae.audio.files import SAMPLE_RATE
from msdae.files import reading

SOUND_BYTES = 13_000_000  # most bytes that all sounds of a page take, in base64
RATES = (96, 80, 64, 48, 40)  # kb/s; the first that fits is taken
_LAME = (320, 32)  # kb/s at libsndfile's compression levels 0 and 1
SPECTROGRAM, WIDEST = (384, 176), 1400  # pixels


def bit_rate(samples: int) -> int:
    """The highest of `RATES`, in kb/s, at which `samples` samples fit into `SOUND_BYTES`; else the lowest."""
    seconds = samples / SAMPLE_RATE
    fitting = [rate for rate in RATES if seconds * rate * 1000 / 8 * 4 / 3 <= SOUND_BYTES]
    return fitting[0] if fitting else RATES[-1]


def mp3(waveform: torch.Tensor, rate: int) -> str:
    """waveform: (samples,), [-1, 1], at `SAMPLE_RATE` -> data: URL of an MP3 of `rate` kb/s."""
    buffer = io.BytesIO()
    most, least = _LAME
    soundfile.write(
        buffer,
        waveform.clamp(-1, 1).numpy(),
        SAMPLE_RATE,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT",
        compression_level=(most - rate) / (most - least),
    )
    return _address("audio/mpeg", buffer.getvalue())


def spectrogram(mel: np.ndarray, highest: float) -> str:
    """The picture of a log-mel as the data: URL of a WebP file.

    mel: (bands, frames), 0 to `highest`, which gets the brightest colour.
    """
    import matplotlib

    shades = np.round(255 * mel[::-1] / max(highest, 1e-9)).clip(0, 255).astype(np.uint8)
    colours = matplotlib.colormaps["magma"](np.arange(256), bytes=True)[:, :3]
    return _webp(Image.fromarray(colours[shades]).resize(SPECTROGRAM, Image.Resampling.LANCZOS), quality=60)


def picture(path: str | Path) -> str:
    """The picture in `path`, scaled to at most `WIDEST` pixels wide, as the data: URL of a WebP file.

    Raises:
        UserError: the file is missing or is not a picture.
    """
    with reading(path, "make it again"):
        try:
            with Image.open(path) as image:
                image = image.convert("RGBA" if image.has_transparency_data else "RGB")
        except Image.DecompressionBombError as error:
            raise ValueError(str(error)) from error
    image.thumbnail((WIDEST, image.height), Image.Resampling.LANCZOS)
    return _webp(image, quality=85)


def svg(text: str) -> str:
    """The text of an SVG file as a data: URL."""
    return _address("image/svg+xml", text.encode())


def _webp(image: Image.Image, quality: int) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=quality)
    return _address("image/webp", buffer.getvalue())


def _address(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{b64encode(data).decode()}"

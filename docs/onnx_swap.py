"""A swap with the ONNX files of a model: the notes of one wav file with the sound of another.

    python experiments/export.py embedded --onnx onnx
    python docs/onnx_swap.py onnx a.wav b.wav swap.wav

It needs numpy, onnxruntime and soundfile alone. It leaves out much of what `msdae swap` does: other rates and
formats, noise in the timbre source, tuning, slides and dynamics of the melody source, drafts for sounds that
the model does not know, dropouts, phases of low partials, accents and loudness over time, a limiter, learnt
sounds, strengths between 0 and 1, levels but the first, HDAE, and models with tokens or an unpooled level 1.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import soundfile


class Model:
    """The files in a folder, and what settings.json says of them. stride: latent frames between windows."""

    def __init__(self, folder):
        self.settings = json.loads((Path(folder) / "settings.json").read_text())
        self.frames, self.hop = self.settings["frames"], self.settings["hop"]
        self.stride = self.frames - self.frames // 4
        files = Path(folder).glob("*.onnx")
        self.networks = {file.stem: onnxruntime.InferenceSession(file) for file in files}
        plain = self.settings["pooled"][0] and not self.settings["tokens"]
        if not plain or self.settings["model"] == "hdae" or "decoder" not in self.settings:
            sys.exit(
                f"{folder}: of HDAE, with tokens, an unpooled level 1 or no decoder.onnx; msdae plays it"
            )

    def __call__(self, network, **inputs):
        return self.networks[network].run(None, inputs)

    def starts(self, frames):
        """The first latent frame of each window over so many; the last one ends where the sound ends."""
        return [*range(0, frames - self.frames, self.stride), max(0, frames - self.frames)]


def read(path, settings):
    """A wav file as mono: (samples,)."""
    sound, rate = soundfile.read(path, always_2d=True)
    if rate != settings["sample_rate"] or not np.abs(sound.mean(axis=1)).max(initial=0):
        sys.exit(f"{path}: silent, or at {rate} Hz; give a sound at {settings['sample_rate']} Hz")
    return sound.mean(axis=1)


def stft(padded, transform):
    """Spectra of every whole window: (bins, windows)."""
    frames = np.lib.stride_tricks.sliding_window_view(padded, transform["n_fft"])[:: transform["hop"]]
    return np.fft.rfft(frames * np.hanning(transform["n_fft"] + 1)[:-1]).T


def inverse(spectrum, transform):
    """The waveform of a centred STFT: (bins, windows) -> ((windows - 1) * hop,)"""
    n_fft, hop, window = transform["n_fft"], transform["hop"], np.hanning(transform["n_fft"] + 1)[:-1]
    length = (spectrum.shape[1] - 1) * hop
    total, weight = np.zeros((2, length + n_fft))
    for number, frame in enumerate(np.fft.irfft(spectrum.T) * window):
        total[number * hop :][:n_fft] += frame
        weight[number * hop :][:n_fft] += window**2
    return (total / weight.clip(1e-9))[n_fft // 2 :][:length]


def log_mel(waveform, mel):
    """(samples,) -> (bands, samples // hop); the bands are triangles that peak at 1."""
    half, frames = mel["n_fft"] // 2, len(waveform) // mel["hop"]
    magnitude = np.abs(stft(np.pad(waveform, half, mode="reflect"), mel)[:, :frames])
    octave = 27 / np.log(6.4)  # Slaney's scale: linear below 1 kHz, which is 15, logarithmic above
    steps = np.linspace(0, 15 + octave * np.log(mel["f_max"] / 1000), mel["bands"] + 2)[:, None]
    edges = np.where(steps < 15, 200 / 3 * steps, 1000 * np.exp((steps - 15) / octave))
    slopes, widths = edges - np.linspace(0, mel["sample_rate"] / 2, half + 1), np.diff(edges, axis=0)
    filters = np.minimum(-slopes[:-2] / widths[:-1], slopes[2:] / widths[1:]).clip(0)
    return np.log1p(mel["gain"] * filters @ magnitude)


def encode(model, waveform):
    """Codes of a sound, {"h1": (windows, channels, code frames), ...}; a pooled level's are all the same."""
    waveform = waveform - waveform.mean()
    waveform *= model.settings["peak"] / np.abs(waveform).max()
    frames = -(-len(waveform) // model.hop)
    padded = np.pad(waveform, (0, max(frames, model.frames) * model.hop - len(waveform)))
    windows = [padded[first * model.hop :][: model.frames * model.hop] for first in model.starts(frames)]
    mel = np.stack([log_mel(window, model.settings["mel"]) for window in windows])
    codes, power = model("encoders", mel=np.float32(mel)), np.square(windows).mean(axis=1)
    for level in np.flatnonzero(model.settings["pooled"]):  # quiet windows say nothing of a sound
        mean = codes[level][power >= 1e-3 * power.max()].mean(axis=0)
        codes[level] = np.repeat(mean[None], len(windows), axis=0)
    return {f"h{level}": code for level, code in enumerate(codes, 1)}


def denoise(model, x, sigma, following, codes):
    """The guided estimate of latents (channels, frames) at a noise level, the mean where windows overlap.

    following: the noise level after the step, which a student has to know.
    """
    index = np.array(model.starts(x.shape[1]))[:, None] + np.arange(model.frames)
    count, weights = len(index), np.float32(model.settings["guidance"])
    given = {"x": np.float32(x[:, index].swapaxes(0, 1)), "sigma": np.full(count, sigma, np.float32), **codes}
    if "student" in model.networks:
        later, weights = np.full(count, following, np.float32), np.tile(weights, (count, 1))
        (estimates,) = model("student", guidance=weights, following=later, **given)
    else:
        drops = [np.arange(len(weights)) == level for level in range(-1, len(weights))]  # none, then each
        every, *without = (model("denoiser", drop=np.tile(drop, (count, 1)), **given)[0] for drop in drops)
        pairs = zip(weights, without, strict=True)
        estimates = every + sum((weight - 1) * (every - other) for weight, other in pairs)
    ramp = np.arange(1, model.frames + 1).clip(max=model.frames - model.stride + 1)
    ramp, total, shares = np.minimum(ramp, ramp[::-1]), np.zeros(x.shape), np.zeros(x.shape[1])
    for place, estimate in zip(index, estimates, strict=True):
        total[:, place] += ramp * estimate
        shares[place] += ramp
    return total / shares


def sample(model, codes, noise):
    """Latents from standard normal noise (channels, frames): Euler's steps, or DPM-Solver++(2M)'s."""
    few = " of the student" * ("student" in model.networks)
    sigmas, sampler = model.settings[f"sigmas{few}"], model.settings[f"sampler{few}"]
    x, before, last = sigmas[0] * noise, None, None
    for sigma, following in zip(sigmas[:-1], sigmas[1:], strict=True):
        estimate = direction = denoise(model, x, sigma, following, codes)
        step = np.log(sigma / following) if following else np.inf
        if sampler == "dpmpp_2m" and before is not None and following:
            direction = estimate + step / last / 2 * (estimate - before)
        x = following / sigma * x + (1 - following / sigma) * direction
        before, last = estimate, step
    return x


def decode(model, z):
    """Latents (channels, frames) -> (samples,): magnitudes, and phases that rounds of Griffin-Lim mend."""
    transform = model.settings["decoder"]
    (magnitude,) = model("decoder", z=np.float32(z[None]))
    magnitude = np.pad(magnitude[0], ((0, 0), (0, 1)), mode="edge")  # a centred STFT has one frame more
    wanted, before = magnitude * np.exp(1j * phases(magnitude, transform)), 0
    for _ in range(transform["rounds"]):
        rebuilt = stft(np.pad(inverse(wanted, transform), transform["n_fft"] // 2), transform)
        direction = rebuilt - transform["momentum"] / (1 + transform["momentum"]) * before
        wanted, before = magnitude * direction / np.abs(direction).clip(1e-15), rebuilt
    return inverse(wanted, transform)


def phases(magnitude, transform):
    """(bins, frames): each peak is a sinusoid that goes on from frame to frame, and its bins with it."""
    bins, made = np.arange(len(magnitude)), np.empty(magnitude.shape)
    advance = 2 * np.pi * transform["hop"] / transform["n_fft"]  # of a bin's own frequency, over a hop
    phase = np.pi * (np.sqrt(5) - 1) * bins**2  # without order at first: equal ones would be an impulse
    for frame, level in enumerate(np.log(magnitude.clip(1e-7)).T):
        rise = np.pad(np.diff(level), 1)
        peak = np.flatnonzero((rise[:-1] >= 0) & (rise[1:] < 0))
        if len(peak):  # its frequency is where a parabola through three levels has its vertex
            lower, upper = rise[peak], rise[peak + 1]
            vertex = peak + ((lower + upper) / (lower - upper).clip(1e-6) / 2).clip(-0.5, 0.5)
            owner = np.searchsorted((peak[1:] + peak[:-1]) / 2, bins)
            lobe = np.pi * ((bins - peak[owner]) % 2)  # signs in a Hann window's main lobe alternate
            phase = phase[peak[owner]] + advance * vertex[owner] + lobe
        made[:, frame] = phase
    return made


def main(folder, timbre, melody, out):
    model = Model(folder)
    sound, notes = (read(path, model.settings) for path in (timbre, melody))
    sound = np.resize(sound, max(len(sound), model.frames * model.hop))  # repeated, if it is short
    codes, frames = encode(model, notes), -(-len(notes) // model.hop)
    codes["h1"] = np.repeat(encode(model, sound)["h1"][:1], len(codes["h1"]), axis=0)
    noise = np.random.default_rng(0).standard_normal((model.settings["channels"], max(frames, model.frames)))
    z, opposite = (sample(model, codes, sign * noise) for sign in (1, -1))
    z += model.settings["antithetic"] * (opposite - z)
    waveform = decode(model, z[:, :frames])[: len(notes)]
    waveform *= min(notes.std() / max(waveform.std(), 1e-9), 0.89 / np.abs(waveform).max())  # under -1 dBFS
    soundfile.write(out, waveform, model.settings["sample_rate"])


if __name__ == "__main__":
    main(*sys.argv[1:])

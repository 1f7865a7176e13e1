"""A live engine as a plugin file for Neutone FX (package neutone_sdk), which runs in music programs.

`Engine.window` is traced; the code around it (the input's buffer and level, the cross-fade and the matching
of loudness) is written again for TorchScript, more simply than in `Engine`: loudness is the root mean square.
Importing this module needs neutone_sdk.
"""

import tempfile
import warnings
from pathlib import Path

import torch
from neutone_sdk import WaveformToWaveformBase
from neutone_sdk.utils import save_neutone_model
from torch import Tensor, nn

import msdae
from msdae import files
from msdae.inference.streaming import CLICK, HOP, LEVEL, LOUDEST, MEMORY, QUIETEST, Engine, bent, forgetting

FILE = "model.nm"  # as the SDK names it
NOISE = 1 << 12  # latent frames of noise, after which it repeats


class _Window(nn.Module):
    """`Engine.window` as a module, which can be traced."""

    def __init__(self, engine: Engine):
        super().__init__()
        self.engine = engine

    def forward(
        self, heard: Tensor, z: Tensor, start: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        return self.engine.window(heard, z, start, state)


class Plugin(WaveformToWaveformBase):
    """What the plugin runs: it takes and returns blocks (1, stride), with a delay of `ahead` samples."""

    def __init__(self, engine: Engine, name: str):
        # The SDK's own __init__ already calls the methods that return names and sizes.
        self.name, self.version = name, msdae.__version__
        self.stride, self.fade, self.frames = engine.stride, engine.fade, engine.pipeline.window
        self.step, self.ahead = engine.config.stride, engine.delay - engine.stride
        self.rate, self.memory = engine.sample_rate, round(MEMORY * engine.sample_rate)
        self.loudest = LOUDEST
        self.level, self.quietest, self.click, self.hop = LEVEL, QUIETEST, CLICK, HOP
        self.forgetting = forgetting(engine.stride, engine.sample_rate)
        self.place = 0
        super().__init__(_traced(engine))
        windows = [engine.noise(number) for number in range(0, NOISE // self.step, self.frames // self.step)]
        silence = torch.zeros(1, engine.pipeline.codec.clip_samples)
        z = engine.pipeline.codec.encode(silence)
        *_, state = engine.window(silence, z, windows[0])
        self.register_buffer("noise", torch.cat(windows, dim=2))
        self.register_buffer("silence", z)
        self.register_buffer("heard", silence)
        self.register_buffer("played", silence[:, : self.memory].clone())
        self.register_buffer("z", z.clone())
        self.register_buffer("state", torch.zeros_like(state))
        self.register_buffer("tail", torch.zeros(1, engine.fade))
        self.register_buffer("gain", torch.zeros(1))
        self.register_buffer("loud", torch.full((1,), QUIETEST))

    def get_model_name(self) -> str:
        """The name that the plugin shows."""
        return self.name

    def get_model_authors(self) -> list[str]:
        """Who made the model."""
        return ["msdae"]

    def get_model_short_description(self) -> str:
        """One line on the plugin."""
        return "Plays what is heard with another sound."

    def get_model_long_description(self) -> str:
        """What goes in and what comes out."""
        return "A melody in, the same melody in a sound that was learnt from a recording out."

    def get_technical_description(self) -> str:
        """How it works."""
        return "Multi-scale spectral diffusion autoencoder, windows of three seconds, outpainted."

    def get_tags(self) -> list[str]:
        """Words by which the plugin is found."""
        return ["timbre transfer"]

    def get_model_version(self) -> str:
        """The version of msdae."""
        return self.version

    def is_experimental(self) -> bool:
        """Whether the plugin is experimental."""
        return True

    def is_input_mono(self) -> bool:
        """The input has one channel."""
        return True

    def is_output_mono(self) -> bool:
        """The output has one channel."""
        return True

    def get_native_sample_rates(self) -> list[int]:
        """The codec's sample rate, in Hz."""
        return [self.rate]

    def get_native_buffer_sizes(self) -> list[int]:
        """The size of a block, one stride, in samples."""
        return [self.stride]

    @torch.jit.export
    def calc_model_delay_samples(self) -> int:
        """The delay: samples at the end of a window that are not played yet."""
        return self.ahead

    def reset_model(self) -> bool:
        """Start anew, as after silence."""
        self.place = 0
        self.z.copy_(self.silence)
        for part in (self.heard, self.played, self.state, self.tail, self.gain):
            part.zero_()
        self.loud.fill_(self.quietest)
        return True

    def do_forward_pass(self, x: Tensor, params: dict[str, Tensor]) -> Tensor:
        """The next block of input x, (1, stride) -> the next block of output, of the same shape."""
        finite = torch.nan_to_num(x, 0.0, 0.0, 0.0).clamp(-1, 1)
        self.heard = torch.cat([self.heard[:, self.stride :], finite], dim=1)
        start = self.noise[:, :, self.place : self.place + self.frames]
        self.place = (self.place + self.step) % (self.noise.size(2) - self.frames)
        peaks = self.heard.abs().view(-1, self.hop).amax(dim=1).topk(self.click + 1).values[-1:]
        self.loud = torch.maximum(self.forgetting * self.loud, peaks.clamp_min(self.quietest))
        heard = self.level / self.loud * self.heard
        self.z, sound, self.state = self.model(heard, self.z, start, self.state)
        ramp = torch.linspace(0.0, 1.0, self.fade)
        first = torch.lerp(self.tail, sound[:, : self.fade], ramp)
        self.tail = sound[:, self.stride :]
        output = torch.cat([first, sound[:, self.fade : self.stride]], dim=1)
        self.played = torch.cat([self.played, output], dim=1)[:, -self.memory :]
        end = self.heard.size(1) - self.ahead
        power = self.heard[:, end - self.memory : end].square().mean()
        gain = (power / self.played.square().mean().clamp_min(1e-12)).sqrt().clamp(max=self.loudest)
        output = torch.cat(
            [output[:, : self.fade] * torch.lerp(self.gain, gain, ramp), output[:, self.fade :] * gain], dim=1
        )
        self.gain = gain.reshape(1)
        return bent(output)


def write(engine: Engine, path: Path, name: str) -> None:
    """Write the engine, with its sound, as the plugin file `path` (.nm).

    name: the name that the plugin shows, of which the first 30 characters are taken.

    Raises:
        UserError: the file cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder, files.atomic(path) as temporary:
        save_neutone_model(
            Plugin(engine, name[:30]), Path(folder), speed_benchmark=False, test_offline_mode=False
        )
        temporary.write_bytes((Path(folder) / FILE).read_bytes())


def _traced(engine: Engine) -> torch.jit.ScriptModule:
    """`Engine.window` as TorchScript, with the sizes and settings of the engine."""
    codec = engine.pipeline.codec
    for network in (engine.pipeline.model, codec, engine.unet):
        network.requires_grad_(False)
    silence = torch.zeros(1, codec.clip_samples)
    example = silence, codec.encode(silence), engine.noise(0)
    *_, state = engine.window(*example)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # about sizes, which are fixed here
        return torch.jit.trace(_Window(engine), (*example, torch.zeros_like(state)), check_trace=False)

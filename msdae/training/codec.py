"""Training of the neural codec: its latents first, then, with these frozen, its decoder, at last against
discriminators of spectrograms.

A step is a pure function of (seed, step): a run that is resumed repeats the one that it continues.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from msdae import audio, checkpoint, config
from msdae.codecs.neural import NeuralCodec
from msdae.errors import UserError
from msdae.nn.discriminators import MultiBandDiscriminator, decoder_losses, discriminator_loss
from msdae.training.loop import EMA, LOG, Schedule, mix_seed, noted_signals, prefetch, trim_log

STAGES = ("latents", "decoder", "adversarial")
_SURVEYED = 64  # batches over which bands and latents are standardised
_VALIDATED = 32  # recordings whose beginnings losses are reported on


@dataclass(frozen=True)
class CodecTrainConfig(Schedule):
    """How the neural codec is trained.

    steps: of each of `STAGES`; the last ones may be left out. batch_size: excerpts of `frames` latent frames.
    noise: highest standard deviation of the noise on latents; an excerpt's is uniform below it.
    mixed, hissed: shares of the excerpts that are two at once, and that have white noise under them.
    adversarial, matching: weights of the discriminators' scores and of the distance of their features.
    opposed_rate: the learning rate then. crop: spectrogram frames of an excerpt that they see.
    """

    steps: tuple[int, ...] = (8000, 7000, 700)
    batch_size: int = 16
    frames: int = 24
    noise: float = 0.4
    mixed: float = 0.3
    hissed: float = 0.1
    adversarial: float = 0.05
    matching: float = 0.1
    opposed_rate: float = 3e-4
    crop: int = 96
    warmup: int = 100
    decay: float = 0.4
    bf16: bool = False
    log_every: int = 100
    save_every: int = 500
    audio_every: int = 2000

    def __post_init__(self):
        if not 1 <= len(self.steps) <= len(STAGES):
            raise UserError(f"steps {self.steps}: give one number for each of {', '.join(STAGES)}, or fewer")


def train(
    settings: CodecTrainConfig,
    recordings: Mapping[str, Sequence[Path]],
    folder: Path,
    device: torch.device,
    known: NeuralCodec | None = None,
) -> NeuralCodec | None:
    """A codec, on `device`, trained from the state in `folder` on; None when a signal stopped the training.

    recordings: of "train" and, where there are any, "valid". known: a codec whose latents are kept.

    Raises:
        UserError: an unreadable recording; as `CodecTrainer.run`.
    """
    torch.manual_seed(settings.seed)
    codec = known or NeuralCodec()
    samples, rate = settings.frames * codec.hop, codec.sample_rate
    excerpts = Excerpts(recordings["train"], settings, samples, rate)
    held_out = list(recordings.get("valid", recordings["train"]))
    chosen = held_out[:: -(-len(held_out) // _VALIDATED)]
    valid = torch.stack([audio.open_recording(path, rate).part(0, samples) for path in chosen])
    first = 0 if known is None else 1
    for stage in STAGES[first : len(settings.steps)]:
        trainer = CodecTrainer(settings, stage, codec, excerpts, valid, folder, device)
        if not trainer.run():
            return None
        codec = trainer.finish()
    return codec


class Excerpts:
    """Batches of random excerpts of recordings: item `step` is (batch, samples), mono, in [-1, 1]."""

    def __init__(self, paths: Sequence[Path], settings: CodecTrainConfig, samples: int, rate: int):
        self.recordings = [audio.open_recording(path, rate) for path in paths]
        self.settings, self.samples = settings, samples

    def __getitem__(self, step: int) -> torch.Tensor:
        rng = np.random.default_rng([self.settings.seed, step])
        return torch.from_numpy(np.stack([self._excerpt(rng) for _ in range(self.settings.batch_size)]))

    def _excerpt(self, rng: np.random.Generator) -> np.ndarray:
        excerpt = self._cut(rng)
        if rng.random() < self.settings.mixed:
            excerpt = excerpt + np.float32(rng.uniform(0.1, 1)) * self._cut(rng)
        if rng.random() < self.settings.hissed:
            hiss = rng.standard_normal(self.samples, dtype=np.float32)
            excerpt = excerpt + np.float32(10 ** rng.uniform(-3, -1)) * hiss
        gain = 10 ** rng.uniform(-0.8, 0.0) / max(1e-3, np.abs(excerpt).max())
        return excerpt * np.float32(min(4.0, gain))

    def _cut(self, rng: np.random.Generator) -> np.ndarray:
        recording = self.recordings[rng.integers(len(self.recordings))]
        return recording.part(rng.integers(max(1, recording.samples - self.samples)), self.samples).numpy()


class CodecTrainer:
    """Trains one stage of a codec in `folder`; call `run`.

    valid: excerpts (clips, samples) that losses are reported on.
    """

    def __init__(
        self,
        settings: CodecTrainConfig,
        stage: str,
        codec: NeuralCodec,
        train: Excerpts,
        valid: torch.Tensor,
        folder: Path,
        device: torch.device,
    ):
        if stage == "adversarial":
            settings = replace(settings, learning_rate=settings.opposed_rate)
        self.settings, self.stage, self.train, self.folder = settings, stage, train, folder
        self.device, self.codec, self.valid = device, codec.to(device), valid.to(device)
        self.steps = settings.steps[STAGES.index(stage)]
        self.first = sum(settings.steps[: STAGES.index(stage)])
        self.codec.requires_grad_(False)
        own = (codec.encoder, codec.shortcut) if stage == "latents" else (codec.frame,)
        self.trained = [p.requires_grad_(True) for part in (*own, codec.context) for p in part.parameters()]
        self.optimizers = {"optimizer": _optimizer(self.trained, settings)}
        self.discriminator = None
        if stage == "adversarial":
            self.discriminator = MultiBandDiscriminator().to(device)
            self.optimizers["opponent"] = _optimizer(self.discriminator.parameters(), settings)
        self.ema = EMA(codec, settings.ema)
        self.latents = "" if stage == "latents" else codec.fingerprint  # what the decoder belongs to
        self.step = 0

    def run(self) -> bool:
        """Train to the end of the stage, continuing a saved state; False when a signal stopped it.

        Raises:
            UserError: the loss is not finite, or the saved state is of other settings.
        """
        self._resume()
        if self.step == 0 and self.stage == "latents":
            self._survey_bands()
        writer = self._writer()
        with noted_signals() as self.signals:
            self._loop(writer)
        if self.step < self.steps:
            print(f"{self.stage}: stopped at step {self.step}; the same command continues", flush=True)
            return False
        return True

    def finish(self) -> NeuralCodec:
        """The codec with the averaged weights, its latents standardised; rounded as a file stores it."""
        self.ema.swap()
        self.codec.load_state_dict(self.codec.stored())
        if self.stage == "latents":
            self._survey_latents()
        return self.codec.eval().requires_grad_(False)

    def _loop(self, writer: Any) -> None:
        s = self.settings
        numbers = range(self.first + self.step, self.first + self.steps)
        started, losses = time.perf_counter(), []
        for waveform in prefetch(self.train[number] for number in numbers):
            rate = s.rate(self.step, self.steps)
            for optimizer in self.optimizers.values():
                for group in optimizer.param_groups:
                    group["lr"] = rate
            losses.append(self._train_step(waveform.to(self.device)))
            self.step += 1
            ended = self.step == self.steps or bool(self.signals)
            if self.step % s.log_every == 0 or ended:
                seconds, started = time.perf_counter() - started, time.perf_counter()
                self._log(writer, {"loss": np.mean(losses), "steps/s": len(losses) / seconds})
                losses = []
            if self.step % s.save_every == 0 or ended:
                self._log(writer, self.validate())
                self._save_state()
            if self.stage != "latents" and writer is not None and self.step % s.audio_every == 0:
                self._log_audio(writer)
            if ended:
                return

    def _train_step(self, waveform: torch.Tensor) -> float:
        self.codec.train(self.stage == "latents")
        generator = torch.Generator().manual_seed(mix_seed((self.settings.seed, self.first + self.step)))
        with self._autocast():
            losses, real, fake = self._losses(waveform, generator)
        if self.discriminator is not None:
            losses |= self._opposed(real, fake, generator)
        loss = sum(losses.values())
        if not torch.isfinite(loss):
            self._save_state("failed")
            raise UserError(f"{self.folder}: the loss is not finite at step {self.step}; lower learning_rate")
        self._update("optimizer", loss, self.trained)
        self.ema.update(self.step)
        return loss.item()

    def _opposed(
        self, real: torch.Tensor, fake: torch.Tensor, generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """Train the discriminators a step on one part of the excerpts; what they then say of the decoder."""
        s = self.settings
        start = int(torch.randint(max(1, real.shape[1] - s.crop + 1), (), generator=generator))
        real, fake = (x[:, start : start + s.crop] for x in (real, fake))
        judge = self.discriminator.requires_grad_(True)
        with self._autocast():
            loss = discriminator_loss(judge(real), judge(fake.detach()))
        self._update("opponent", loss, judge.parameters())
        judge.requires_grad_(False)
        with self._autocast():
            scores, distance = decoder_losses(judge(real), judge(fake))
        return {"adversarial": s.adversarial * scores, "matching": s.matching * distance}

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.bf16)

    def _update(self, name: str, loss: torch.Tensor, parameters: Iterable[torch.nn.Parameter]) -> None:
        self.optimizers[name].zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, self.settings.clip)
        self.optimizers[name].step()

    def _losses(
        self, waveform: torch.Tensor, noise: torch.Generator | None
    ) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
        """Terms of the loss, and the spectrograms that they compare; without a generator the latents get no
        noise.

        Means of absolute differences: of log-mels, of compressed mels, whose loud parts weigh more, and, of
        the decoder, of log-magnitudes, of magnitudes against the clip's mean and of the mels they make.
        """
        codec = self.codec
        magnitude = codec.spectrogram(waveform)
        mel = codec.log_mel(magnitude)
        z = codec.project(mel)
        if noise is not None:
            level = self.settings.noise * torch.rand(len(z), 1, 1, generator=noise)
            z = z + (level * torch.randn(z.shape, generator=noise)).to(self.device)
        features = codec.features(z)
        predicted_mel = features[..., : codec.config.bands].float()
        losses = self._mel_losses(predicted_mel, mel)
        if self.stage == "latents":
            return losses, mel, predicted_mel
        log = codec.log_magnitude(features).float()
        target = magnitude.transpose(1, 2)
        log_target = (target + codec.config.floor).log()
        predicted = (log.clamp(max=8).exp() - codec.config.floor).clamp_min(0)
        losses = {f"inner {key}": value for key, value in losses.items()}
        losses["log-magnitude"] = 0.5 * (log - log_target).abs().mean()
        scale = target.mean(dim=(1, 2), keepdim=True).clamp_min(codec.config.floor)
        losses["magnitude"] = 0.5 * ((predicted - target).abs() / scale).mean()
        losses |= self._mel_losses(codec.log_mel(predicted.transpose(1, 2)), mel)
        return losses, log_target, log

    def _mel_losses(self, predicted: torch.Tensor, mel: torch.Tensor) -> dict[str, torch.Tensor]:
        codec = self.codec
        raw = [(x * codec.std + codec.mean).clamp(max=8).exp() for x in (predicted, mel)]
        return {
            "log-mel": ((predicted - mel) * codec.std).abs().mean(),
            "mel": (torch.log1p(raw[0]) - torch.log1p(raw[1])).abs().mean(),
        }

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The terms of the loss on the validation clips, with averaged weights and no noise."""
        self.codec.eval()
        with self.ema.swapped_in():
            terms = [self._losses(clips, None)[0] for clips in self.valid.split(self.settings.batch_size)]
        return {f"valid/{key}": float(np.mean([term[key].item() for term in terms])) for key in terms[0]}

    # -- what is measured before and after

    @torch.no_grad()
    def _survey_bands(self) -> None:
        """Mean and standard deviation of each band of the log-mel, over the first batches."""
        codec = self.codec
        mel = torch.cat([codec.log_mel(codec.spectrogram(x)).flatten(0, 1) for x in self._surveyed()])
        codec.mean.copy_(mel.mean(0))
        codec.std.copy_(mel.std(0))

    @torch.no_grad()
    def _survey_latents(self) -> None:
        """Mean and variance of each channel under the averaged weights, over the first batches."""
        codec, norm = self.codec.eval(), self.codec.standardise
        norm.reset_running_stats()
        norm.momentum = None  # cumulative
        norm.train()
        for waveform in self._surveyed():
            codec.project(codec.log_mel(codec.spectrogram(waveform)))

    def _surveyed(self) -> Iterator[torch.Tensor]:
        return (self.train[step].to(self.device) for step in range(_SURVEYED))

    # -- logs and state

    def _log(self, writer: Any, values: dict[str, float]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / LOG, "a") as file:
            file.write(json.dumps({"stage": self.stage, "step": self.step, **values}) + "\n")
        if writer is not None:
            for key, value in values.items():
                writer.add_scalar(f"{self.stage}/{key}", value, self.step)
        short = "  ".join(f"{key} {value:.4g}" for key, value in values.items())
        print(f"{self.stage} {self.step}/{self.steps}  {short}", flush=True)

    @torch.no_grad()
    def _log_audio(self, writer: Any) -> None:
        """Round trips of two validation clips."""
        self.codec.eval()
        with self.ema.swapped_in():
            decoded = self.codec.decode(self.codec.encode(self.valid[:2])).cpu()
        for index, waveform in enumerate(decoded.clamp(-1, 1)):
            writer.add_audio(f"round trip/{index}", waveform[None], self.step, self.codec.sample_rate)

    def _writer(self) -> Any:
        if find_spec("tensorboard") is None:
            return None
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(str(self.folder / "logs"))

    @property
    def _state(self) -> Path:
        return self.folder / f"{self.stage}-state.safetensors"

    def _save_state(self, name: str | None = None) -> None:
        tensors = {f"codec.{key}": value for key, value in self.codec.state_dict().items()}
        for index, average in enumerate(self.ema.averages):
            tensors[f"ema.{index}"] = average
        for kind, optimizer in self.optimizers.items():
            for index, values in optimizer.state_dict()["state"].items():
                tensors |= {f"{kind}.{index}.{key}": value for key, value in values.items()}
        if self.discriminator is not None:
            weights = self.discriminator.state_dict()
            tensors |= {f"discriminator.{key}": value for key, value in weights.items()}
        path = self._state if name is None else self.folder / f"{name}.safetensors"
        header = {"step": self.step, "training": config.to_mapping(self.settings), "latents": self.latents}
        checkpoint.save(path, "codec training state", tensors, header)

    def _resume(self) -> None:
        if not self._state.exists():
            return
        tensors, header = checkpoint.load(self._state, "codec training state")
        self._require_same(header)
        self.codec.load_state_dict(_below("codec.", tensors))
        if self.discriminator is not None:
            self.discriminator.load_state_dict(_below("discriminator.", tensors))
        self.ema.averages = [
            tensors[f"ema.{index}"].to(self.device) for index in range(len(self.ema.averages))
        ]
        for kind, optimizer in self.optimizers.items():
            moments: dict[int, dict[str, torch.Tensor]] = {}
            for key, value in _below(f"{kind}.", tensors).items():
                index, moment = key.split(".")
                moments.setdefault(int(index), {})[moment] = value
            optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
        self.step = header["step"]
        trim_log(self.folder, lambda line: line["stage"] != self.stage or line["step"] <= self.step)
        print(f"{self.stage}: continues at step {self.step} of {self.steps}", flush=True)

    def _require_same(self, header: dict[str, Any]) -> None:
        if header["latents"] != self.latents:
            raise UserError(f"{self._state}: a decoder of other latents; choose another folder with --run")
        saved, now = header["training"], config.to_mapping(self.settings)
        for key in ("batch_size", "frames", "noise", "mixed", "hissed", "seed"):
            if saved.get(key) != now[key]:
                raise UserError(
                    f"{self._state}: saved with another '{key}' ({saved[key]}); continue with the same "
                    "settings, or choose another folder with --run"
                )


def _optimizer(parameters: Iterable[torch.nn.Parameter], settings: CodecTrainConfig) -> torch.optim.Optimizer:
    rate = settings.learning_rate
    return torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.99), weight_decay=1e-3)


def _below(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors whose names begin with `prefix`, without it."""
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}

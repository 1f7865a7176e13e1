import pytest
import torch

from msdae.codecs.base import CODECS, Codec


class ToyCodec(Codec):
    """Latents that are means over eighths of a frame: another hop, rate and width than those that ship."""

    name, channels, hop, sample_rate, fingerprint = "toy", 8, 512, 48000, "7" * 64

    @classmethod
    def pretrained(cls):
        return cls()

    def encode(self, waveform):
        waveform = torch.nn.functional.pad(waveform, (0, -waveform.shape[-1] % self.hop))
        frames = waveform.unflatten(-1, (-1, self.channels, self.hop // self.channels))
        return frames.mean(dim=-1).transpose(1, 2)

    def stream(self, latents):
        for z in latents:
            yield z.transpose(1, 2).repeat_interleave(self.hop // self.channels, dim=-1).flatten(1)


@pytest.fixture
def toy(monkeypatch):
    """A codec called "toy" of hop 512 at 48 kHz."""
    assert len(CODECS)  # imports the package's own entries first
    monkeypatch.setitem(CODECS._entries, "toy", ToyCodec)
    return ToyCodec()

import torch

from msdae import audio

FAST = ["--steps", "2", "--device", "cpu"]


def test_interpolate(tmp_path, sounds, checkpoint, run):
    a, b = sounds
    out = tmp_path / "series"
    arguments = [
        "--checkpoint",
        checkpoint,
        "--count",
        "3",
        "--levels",
        "1",
        "--out",
        out,
        "--steps",
        "2",
        "--device",
        "cpu",
    ]
    run("interpolate", "--timbre", a, "--melody", b, *arguments)
    names = ["1-strength-0.00.wav", "2-strength-0.50.wav", "3-strength-1.00.wav"]
    assert sorted(path.name for path in out.iterdir()) == names
    series = [audio.read(out / name) for name in names]
    assert all(len(waveform) == 160_002 for waveform in series)
    assert not torch.allclose(series[0], series[2], atol=1e-3)

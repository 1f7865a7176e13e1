"""The tables of the benchmark, whose clock is replaced."""

import torch

from msdae import codecs
from msdae.commands import benchmark
from msdae.evaluation import loop_speed, profile, speed, tables
from msdae.evaluation.loop_speed import StepSpeed


def test_the_published_configuration_is_the_peer():
    published = speed.published(codecs.load(codecs.DEFAULT))
    assert (published.sampling.sampler, published.sampling.steps) == ("heun", 18)
    assert published.model.config.widths == (64, 256, 512, 512, 1024)
    assert published.model.guidance_weights(published.sampling.guidance) == [1, 1, 1]
    assert published.swap(*0.1 * torch.randn(2, 4096)).shape == (4096,)


def test_tables_compare_with_the_peer(monkeypatch, tmp_path):
    monkeypatch.setattr(speed, "training_step", lambda *case: None)
    monkeypatch.setattr(speed, "swap", lambda *case: None)
    monkeypatch.setattr(speed, "published", lambda codec, of=speed.published: Peer())
    monkeypatch.setattr(speed.published, "__doc__", "The peer. More.")
    monkeypatch.setattr(speed, "medians", lambda cases, rounds: {case: seconds(case) for case in cases})
    monkeypatch.setattr(loop_speed, "measure", lambda *case: StepSpeed(0.5, 0.4))
    monkeypatch.setattr(profile, "swaps", lambda *case: {("now", 5): dict.fromkeys(profile.ORDER, 1.0)})
    benchmark.main(["--rounds", "1", "--device", "cpu", "--out", str(tmp_path / "speed.json")])
    training, loop, swap, _ = tables.read(tmp_path / "speed.json")
    assert str(training.column("times released ↑")["small, stage 3"]) == "8.0"
    assert str(training.column("times released ↑")["released, stage 3"]) == "1.0"
    assert str(loop.column("not the network, % ↓")["thesis, stage 3"]) == "20.0"
    fast, real = swap.column("times as fast as released ↑"), swap.column("times real time ↑")
    assert (
        str(fast["60 s of sound, of a known sound"]) == "6.0"
        and str(real["60 s of sound, of a known sound"]) == "12.0"
    )
    assert str(fast["60 s of sound, by the model itself"]) == "3.0"
    assert str(fast["60 s of sound, released"]) == "1.0"


def test_files_are_found_from_the_folders_of_all_checkouts(monkeypatch, tmp_path):
    """Regression: swaps that are profiled run in another folder, where mine.safetensors is no file."""
    given = []

    def swaps(checkouts, lengths, rounds, options, *rest):
        given.append(dict(zip(options[::2], options[1::2], strict=True)))
        return {("now", 5): dict.fromkeys(profile.ORDER, 1.0)}

    monkeypatch.setattr(profile, "swaps", swaps)
    monkeypatch.chdir(tmp_path)
    for name in ("mine.safetensors", "codec.safetensors", "embedded"):
        (tmp_path / name).touch()
    line = ["--only", "profile", "--rounds", "1"]
    benchmark.main([*line, "--checkpoint", "mine.safetensors", "--codec", "codec.safetensors"])
    benchmark.main([*line, "--codec", "spectral"])
    files = [str(tmp_path / name) for name in ("mine.safetensors", "codec.safetensors")]
    assert [(o["--checkpoint"], o["--codec"]) for o in given] == [tuple(files), ("embedded", "spectral")]


class Peer:
    """Of which only the model is moved."""

    model = torch.nn.Identity()


def seconds(case):
    """Of training 2 s a step of the peer and 1 s of others; of swaps 5 s, 10 s and 30 s of the peer."""
    if len(case) == 3:
        return 2.0 if case[0] == speed.PUBLISHED else 1.0
    return {speed.PUBLISHED: 30.0, "by the model itself": 10.0}.get(case[1], 5.0)

from concurrent.futures import ThreadPoolExecutor, wait

import pytest
import torch

from msdae import audio
from msdae.data import pcm
from msdae.errors import UserError


@pytest.fixture
def paths(tmp_path):
    rng = torch.Generator().manual_seed(0)
    for index in range(5):
        waveform = 0.2 * torch.randn(3000 + 100 * index, generator=rng)
        audio.write(tmp_path / f"{index}.flac", waveform, 44100, subtype="PCM_16")
    return sorted(tmp_path.glob("*.flac"))


def test_samples_are_those_of_the_recordings(paths, tmp_path, monkeypatch):
    monkeypatch.setattr(pcm, "GROUP", 2)
    monkeypatch.setattr("msdae.data.parts.cores", lambda: 1)
    decoded = pcm.decoded(paths, 44100, tmp_path / "cache")
    left = sorted(path.suffix for path in (tmp_path / "cache").iterdir())
    assert left == [".lock", ".pcm"]  # the parts are gone
    for path, start, length in zip(paths, decoded.starts, decoded.lengths, strict=True):
        found = decoded.samples[start : start + length].float() / pcm.FULL_SCALE
        torch.testing.assert_close(found, torch.cat(list(audio.open_recording(path).blocks())))


def test_recordings_are_decoded_once(paths, tmp_path, monkeypatch):
    first = pcm.decoded(paths, 44100, tmp_path / "cache")
    monkeypatch.setattr(pcm, "_decode", None)
    assert torch.equal(pcm.decoded(paths, 44100, tmp_path / "cache").samples, first.samples)


def test_two_trainings_with_one_cache_decode_once(paths, tmp_path, monkeypatch, caplog):
    """Regression: the parts that one of them was about to join were gone, as the other had joined them. Then
    the other one waited without a word."""
    caplog.set_level("INFO", "msdae")
    join, other = pcm._join, ThreadPoolExecutor(1)
    found = []

    def joined(*arguments):
        monkeypatch.setattr(pcm, "_join", join)
        found.append(other.submit(pcm.decoded, paths, 44100, tmp_path / "cache"))
        wait(found, timeout=2)  # the other one ends here, or waits for this one
        join(*arguments)

    monkeypatch.setattr(pcm, "_join", joined)
    first = pcm.decoded(paths, 44100, tmp_path / "cache")
    assert torch.equal(found[0].result(60).samples, first.samples)
    assert caplog.messages == [
        f"{tmp_path / 'cache'}: another process decodes the same recordings; waiting for it"
    ]


def test_other_recordings_have_another_file(paths, tmp_path):
    assert pcm.key(paths[:4]) != pcm.key(paths)
    audio.write(paths[0], 0.1 * torch.randn(5000), 44100, subtype="PCM_16")
    assert pcm.key(paths) != pcm.key(paths[:1])


def test_recordings_that_were_edited_in_place_are_decoded_anew(paths, tmp_path):
    """Regression: a file was told by its name and size, which most edits leave."""
    path = tmp_path / "a.wav"
    for level in (0.1, 0.2):
        audio.write(path, torch.full((5000,), level), 44100, subtype="PCM_16")
        samples = pcm.decoded([path], 44100, tmp_path / "cache").samples.float() / pcm.FULL_SCALE
        torch.testing.assert_close(samples, torch.full((5000,), level), atol=1e-4, rtol=0)


def test_a_missing_recording_is_named(paths, tmp_path):
    with pytest.raises(UserError, match="nowhere.flac"):
        pcm.key([tmp_path / "nowhere.flac"])


def test_a_process_does_not_wait_for_parts_that_the_first_one_has_joined(paths, tmp_path, monkeypatch):
    whole, run = pcm.decoded(paths, 44100, tmp_path / "alone"), pcm.parts.run

    def run_last(*arguments, **options):
        run(*arguments, **options)
        monkeypatch.setattr(pcm.parts, "run", run)
        monkeypatch.setenv("RANK", "0")
        pcm.decoded(paths, 44100, tmp_path / "cache")  # the first process, meanwhile
        monkeypatch.setenv("RANK", "1")

    monkeypatch.setattr(pcm.parts, "run", run_last)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("MSDAE_PATIENCE", "0")
    assert torch.equal(pcm.decoded(paths, 44100, tmp_path / "cache").samples, whole.samples)

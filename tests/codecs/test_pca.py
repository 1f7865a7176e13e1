import math

import pytest
import torch
from safetensors.torch import save_file

from msdae import codecs
from msdae.audio.mel import LogMel
from msdae.codecs import pca as spectral
from msdae.codecs.pca import SpectralConfig
from msdae.errors import UserError

SMALL = SpectralConfig(channels=8, bands=32, block=4)


@pytest.fixture(scope="module")
def codec():
    return codecs.load("spectral")


@pytest.fixture(scope="module")
def sound(melody):
    """Four recordings to fit on."""
    return [melody(4.0, seed) for seed in range(4)]


@pytest.fixture(scope="module")
def small(sound):
    return spectral.fit(sound, SMALL)


def level(waveform):
    return 20 * math.log10(waveform.square().mean().sqrt())


def test_keeps_the_spectrum_and_the_loudness(codec, tune):
    decoded = codec.decode(codec.encode(tune))
    mels = LogMel()
    before, after = mels(tune), mels(decoded)
    assert (before - after).norm() / before.norm() < 0.4
    assert abs(level(decoded) - level(tune)) < 4


def test_equal_input_gives_equal_output_in_any_batch(codec, tune):
    batch = torch.cat([tune, tune.flip(1), tune / 3])
    z = codec.encode(batch)
    torch.testing.assert_close(z[1:2], codec.encode(batch[1:2]), atol=1e-4, rtol=0)
    together, alone = codec.decode(z), codec.decode(z[1:2])
    assert torch.equal(alone, codec.decode(z[1:2]))
    # 32 rounds of Griffin-Lim amplify how a processor rounds batched products: 1e-3 was seen, -60 dB
    assert (together[1:2] - alone).norm() < 5e-3 * alone.norm()


def test_encoding_in_pieces_is_exact(small, melody, monkeypatch):
    waveform = melody(6.0)
    whole = small.encode(waveform)
    monkeypatch.setattr(spectral, "CHUNK", 5)
    torch.testing.assert_close(small.encode(waveform), whole, atol=1e-5, rtol=0)


def test_decoding_in_chunks_has_no_clicks(codec, melody, monkeypatch):
    z = codec.encode(melody(6.0))
    whole = codec.decode(z)
    monkeypatch.setattr(spectral, "CHUNK", 16)
    chunked = codec.decode(z)
    jumps = chunked.diff().abs()[0]
    seams = [
        jumps[start * codec.hop - 64 : start * codec.hop + 64].max() for start in range(16, z.shape[-1], 16)
    ]
    assert max(seams) <= whole.diff().abs().max()
    assert abs(level(chunked) - level(whole)) < 0.5


def test_weak_components_are_raised_only_halfway(small, sound):
    z = torch.cat([small.encode(waveform) for waveform in sound], dim=-1)
    assert z.std().item() == pytest.approx(1, abs=0.1)
    assert z.mean().item() == pytest.approx(0, abs=0.05)
    deviations = z.std(dim=(0, 2))
    blocks = torch.cat([b for waveform in sound for b in small.blocks(waveform)], dim=1)
    components = ((blocks - small.mean) @ small.components.T).std(dim=(0, 1))
    expected = (components / components[0]).sqrt()
    torch.testing.assert_close(deviations / deviations[0], expected, rtol=0.05, atol=0.01)


def test_neighbours_help_to_predict_a_block(small, sound):
    alone = spectral.fit(sound, SpectralConfig(channels=8, bands=32, block=4, reach=0))
    assert spectral.explained_variance(small, sound) > spectral.explained_variance(alone, sound) + 0.005


def test_prediction_alone_is_the_principal_subspace(sound):
    config = SpectralConfig(channels=8, bands=32, block=4, reach=0, noise=1e-4)
    codec = spectral.fit(sound, config)
    rows = torch.cat([b for waveform in sound for b in codec.blocks(waveform)], dim=1)[0].double()
    variances = torch.linalg.svdvals(rows - rows.mean(0)) ** 2
    best = (variances[:8].sum() / variances.sum()).item()
    assert spectral.explained_variance(codec, sound) == pytest.approx(best, abs=1e-3)


def test_a_file_holds_the_same_codec(small, tune, tmp_path):
    small.save(tmp_path / "codec.safetensors")
    again = codecs.load(str(tmp_path / "codec.safetensors"))
    assert again.fingerprint == small.fingerprint
    assert torch.equal(again.encode(tune), small.encode(tune))


def test_fingerprint_depends_on_settings_and_tensors(small):
    tensors = small.mean, small.components, small.weight, small.prediction
    other_settings = spectral.SpectralCodec(SpectralConfig(channels=8, bands=32, block=4, gain=2.0), *tensors)
    other_mean = spectral.SpectralCodec(small.config, small.mean + 1e-3, *tensors[1:])
    assert len({small.fingerprint, other_settings.fingerprint, other_mean.fingerprint}) == 3


def test_refuses_a_truncated_file(small, tmp_path):
    path = tmp_path / "codec.safetensors"
    small.save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="codec.safetensors.*truncated"):
        codecs.load(str(path))


def test_refuses_a_foreign_file(tmp_path):
    save_file({"weight": torch.zeros(3)}, tmp_path / "foreign.safetensors")
    with pytest.raises(UserError, match="foreign.safetensors"):
        codecs.load(str(tmp_path / "foreign.safetensors"))


def test_refuses_too_little_sound(melody):
    with pytest.raises(UserError, match="too little sound"):
        spectral.fit([melody(0.2)], SMALL)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bands": 10**9}, "bands: is 1000000000, expected 1 to"),
        ({"bands": 64}, "do not fit"),
        ({"block": 0}, "block: is 0"),
        ({"hop": 4096}, "hop: is 4096, expected at most n_fft"),
        ({"f_max": 1e5}, "expected at most half of sample_rate"),
        ({"n_fft": float("nan")}, "n_fft: expected int"),
        ({"unknown": 1}, "unknown key"),
        ({"reach": 16}, "do not fit"),
        ({"channels": 512}, "a block has only 128 values"),
        ({"gain": 1e30}, "gain: is"),
    ],
)
def test_edited_headers_are_refused(small, refuses_header, change, said):
    refuses_header(small, change, said)

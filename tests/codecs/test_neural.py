import math

import pytest
import torch

from msdae import checkpoint, codecs
from msdae.codecs import neural
from msdae.codecs import pca as spectral
from msdae.codecs.check import check_round_trip
from msdae.codecs.neural import NeuralCodec, NeuralConfig
from msdae.errors import UserError

SMALL = NeuralConfig(bands=32, channels=8, encoder=(16, 1), context=(16, 1), frame=(16, 1), extra=4)


@pytest.fixture(scope="module")
def codec():
    return codecs.load("spectral-neural")


WIDE = NeuralConfig(
    block=4,
    bands=64,
    channels=8,
    encoder=(16, 2),
    context=(16, 1),
    frame=(16, 1),
    neighbours=1,
    shortcuts=True,
)


@pytest.fixture
def wide():
    """A codec of short blocks whose encoder sees its neighbours."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return NeuralCodec(WIDE).eval()


@pytest.fixture
def small():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return NeuralCodec(SMALL).eval()


def level(waveform):
    return 20 * math.log10(waveform.square().mean().sqrt())


def test_is_the_default(codec):
    assert codec.name == codecs.DEFAULT


def test_is_small(codec):
    assert sum(tensor.numel() for tensor in codec.state_dict().values()) * 2 < 20e6


def test_is_nearer_to_the_recording_than_principal_components(codec, tune):
    decoded = codec.decode(codec.encode(tune))
    assert abs(level(decoded) - level(tune)) < 3
    assert check_round_trip(codec, tune) < check_round_trip(codecs.load("spectral"), tune) - 1


def test_latents_have_unit_variance_and_stay_near_a_gaussian(codec, melody):
    z = torch.cat([codec.encode(melody(4.0, seed)) for seed in range(4)], dim=-1)
    assert 0.3 < z.std().item() < 3
    assert (z.abs() > 6).float().mean() < 0.01


def test_latents_are_local_in_time(codec, tune):
    z = codec.encode(tune)
    changed = tune.clone()
    changed[:, 20 * 4096 :] = 0
    torch.testing.assert_close(codec.encode(changed)[..., :19], z[..., :19], atol=1e-4, rtol=0)


def test_encoding_in_pieces_is_exact(codec, melody, monkeypatch):
    waveform = melody(6.0)
    whole = codec.encode(waveform)
    monkeypatch.setattr(neural, "CHUNK", 5)
    torch.testing.assert_close(codec.encode(waveform), whole, atol=1e-4, rtol=0)


@pytest.mark.parametrize("chunk", [1, 3, 16])
def test_an_encoder_with_neighbours_is_exact_in_pieces_and_local(wide, melody, monkeypatch, chunk):
    waveform = melody(3.0)
    whole = wide.encode(waveform)
    monkeypatch.setattr(neural, "CHUNK", chunk)
    torch.testing.assert_close(wide.encode(waveform), whole, atol=1e-4, rtol=0)
    both = torch.cat([waveform, waveform.flip(1)])
    torch.testing.assert_close(wide.encode(both)[:1], whole, atol=1e-4, rtol=0)
    changed = waveform.clone()
    changed[:, 30 * wide.hop :] = 0
    seen = 2 + 1  # two layers, and the window of the transform
    found = wide.encode(changed)
    torch.testing.assert_close(found[..., : 30 - seen], whole[..., : 30 - seen], atol=1e-4, rtol=0)
    assert not torch.allclose(found[..., 28], whole[..., 28])


@pytest.mark.parametrize("chunk", [5, 24])
def test_short_blocks_decode_in_chunks(wide, melody, monkeypatch, chunk):
    z = wide.encode(melody(6.0))
    whole = wide.decode(z)
    assert whole.shape[1] == z.shape[-1] * wide.hop and wide.clip_frames == 64
    monkeypatch.setattr(neural, "CHUNK", chunk)
    torch.testing.assert_close(wide.decode(z), whole, atol=1e-4, rtol=0)


def test_the_fingerprint_is_the_same_with_another_decoder(wide):
    before = wide.fingerprint
    with torch.no_grad():
        wide.context_shortcut.weight += 1
        wide.frame_shortcut.weight += 1
    assert wide.fingerprint == before


def test_the_codec_of_earlier_models_is_unchanged(codec):
    """Its file has no settings that came later; models know it by this fingerprint."""
    assert codec.fingerprint.startswith("66ce20c0513c24f9")


@pytest.mark.parametrize("chunk", [16, 23])
def test_chunked_equals_whole(codec, melody, monkeypatch, chunk):
    z = codec.encode(melody(12.0))
    whole = codec.decode(z)
    monkeypatch.setattr(neural, "CHUNK", chunk)
    torch.testing.assert_close(codec.decode(z), whole, atol=1e-4, rtol=0)


@pytest.mark.parametrize("block", [1, 7, 200])
def test_a_stream_does_not_depend_on_its_blocks(codec, melody, block):
    z = codec.encode(melody(14.0))
    streamed = torch.cat(list(codec.stream(z.split(block, dim=-1))), dim=-1)
    torch.testing.assert_close(streamed, codec.decode(z), atol=1e-4, rtol=0)


@pytest.mark.parametrize("block", [1, 7, 200])
def test_a_recording_is_followed_whatever_the_blocks(codec, melody, block):
    sound = melody(14.0)
    sound = sound[:, : sound.shape[1] // codec.hop * codec.hop]
    z = codec.encode(sound)
    blocks = zip(z.split(block, dim=-1), sound.split(block * codec.hop, dim=-1), strict=True)
    latents, heard = zip(*blocks, strict=True)
    streamed = torch.cat(list(codec.follow(latents, heard)), dim=-1)
    whole = torch.cat(list(codec.follow([z], [sound])), dim=-1)
    torch.testing.assert_close(streamed, whole, atol=1e-4, rtol=0)
    assert (whole - codec.decode(z)).abs().max() > 0.01


@pytest.mark.parametrize("hertz", [41.2, 55.0, 73.4])
def test_a_low_note_has_the_pitch_of_the_recording_that_is_followed(codec, hertz):
    """Latents do not tell semitones below 90 Hz."""
    time = torch.arange(16 * codec.hop) / codec.sample_rate
    note = sum(0.2 / n * torch.sin(2 * torch.pi * n * hertz * time)[None] for n in range(1, 20))
    (followed,) = codec.follow([codec.encode(note)], [note])
    made = followed[0, codec.hop : -codec.hop]
    correlation = torch.fft.irfft(torch.fft.rfft(made, 2 * len(made)).abs().square())
    first, last = round(codec.sample_rate / 130), round(codec.sample_rate / 30)
    lag = first + int(correlation[first:last].argmax())
    assert codec.sample_rate / lag == pytest.approx(hertz, rel=0.02)


def test_noise_begins_no_louder_than_it_goes_on(codec):
    noise = 0.1 * torch.randn(1, 3 * 44100, generator=torch.Generator().manual_seed(0))
    decoded = codec.decode(codec.encode(noise))
    assert decoded[:, :1300].abs().max() < 0.5 and decoded.abs().max() < 0.6
    assert codec.decode(codec.encode(torch.zeros(1, 44100))).abs().max() < 1e-4


def test_a_state_of_zeros_is_a_beginning(codec, tune):
    """As a plugin's memory begins, which holds no None."""
    z = codec.encode(tune)[..., :20]
    first, state = codec.continued(z, 0, 10)
    torch.testing.assert_close(codec.continued(z, 0, 10, torch.zeros_like(state))[0], first)


def test_a_batch_is_what_its_members_are(codec, tune):
    z = codec.encode(torch.cat([tune, tune.flip(1)]))
    torch.testing.assert_close(codec.decode(z)[1:], codec.decode(z[1:]), atol=1e-4, rtol=0)


def test_a_file_holds_the_same_codec(small, tune, tmp_path):
    small.save(tmp_path / "codec.safetensors")
    first = codecs.load(str(tmp_path / "codec.safetensors"))
    first.save(tmp_path / "again.safetensors")
    again = codecs.load(str(tmp_path / "again.safetensors"))
    assert again.fingerprint == first.fingerprint and again.config == SMALL
    assert torch.equal(again.decode(again.encode(tune)), first.decode(first.encode(tune)))


def test_the_fingerprint_is_that_of_the_latents(small):
    before = small.fingerprint
    with torch.no_grad():
        small.frame[0].weight += 1
        small.context[0].weight += 1
    assert small.fingerprint == before
    small.standardise.running_mean += 1e-3
    assert small.fingerprint != before


def test_refuses_a_truncated_file_and_another_shape(small, tmp_path):
    path = tmp_path / "codec.safetensors"
    small.save(path)
    tensors, header = checkpoint.load(path, neural.NeuralCodec.kind)
    checkpoint.save(
        tmp_path / "other.safetensors", header["kind"], {**tensors, "mean": torch.zeros(3)}, header
    )
    with pytest.raises(UserError, match=r"other.safetensors.*do not fit.*train_codec"):
        codecs.load(str(tmp_path / "other.safetensors"))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"codec.safetensors.*truncated"):
        codecs.load(str(path))


def test_refuses_a_codec_of_another_kind(small, tmp_path):
    small.save(tmp_path / "codec.safetensors")
    with pytest.raises(UserError, match="holds a spectral-neural codec"):
        spectral.SpectralCodec.from_file(tmp_path / "codec.safetensors")


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
        ({"encoder": [4096, 32]}, "do not fit"),
        ({"encoder": [16]}, "encoder: is"),
        ({"rounds": 10**9}, "rounds: is"),
        ({"floor": 0}, "floor: is 0.0"),
    ],
)
def test_edited_headers_are_refused(small, refuses_header, change, said):
    refuses_header(small, change, said)

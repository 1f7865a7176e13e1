"""The codec around the package's own network (58 M parameters, slow on a CPU), randomly initialised."""

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from msdae import codecs
from msdae.codecs import check, music2latent
from msdae.errors import UserError

models = pytest.importorskip("music2latent.models")


@pytest.fixture(scope="module")
def network():
    """Random weights; those that start at zero too, so that every part of the network takes part."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = models.UNet()
        for parameter in network.parameters():
            if not parameter.any():
                parameter.data.normal_(0, 0.02)
    return network


@pytest.fixture(scope="module")
def codec(network):
    return music2latent.Music2Latent(network)


@pytest.fixture(scope="module")
def z(codec, tune):
    return codec.encode(tune[:, : 2 * 4096])


@pytest.mark.parametrize("samples", [1, 4096, 4097])
def test_no_frame_is_invented_or_lost(codec, tune, samples):
    assert codec.encode(tune[:, :samples]).shape == (1, 64, -(-samples // 4096))


def test_a_clip_has_32_frames(codec, tune):
    assert codec.encode(tune).shape == (1, 64, 32)


@pytest.mark.filterwarnings("ignore:CUDA is not available")  # the package asks for it by name
def test_encodes_as_the_package_does(codec, tune, z):
    from music2latent.inference import encode_audio_inference

    padded = F.pad(tune[:, : 2 * 4096], (music2latent._MARGIN, music2latent._MARGIN))
    trainer = type("Trainer", (), {"gen": codec.network})
    theirs = encode_audio_inference(padded, trainer, 44100 * 60, 1, device="cpu")
    torch.testing.assert_close(z, theirs)


def test_decoding_repeats_in_any_batch(codec, z):
    batch = torch.cat([z, -z])
    waveforms = codec.decode(batch)
    assert waveforms.shape == (2, 2 * 4096)
    torch.testing.assert_close(waveforms[:1], codec.decode(z), atol=1e-4, rtol=0)
    assert (waveforms[0] - waveforms[1]).abs().max() > 1e-3


def test_the_transform_is_inverted_to_its_ends(tune):
    from music2latent.audio import to_representation_encoder, to_waveform

    margin = music2latent._MARGIN
    representation = to_representation_encoder(F.pad(tune, (margin, margin)))
    frames = representation.shape[-1]
    assert frames == 32 * 8
    waveform = to_waveform(representation) / music2latent._coverage(frames)
    torch.testing.assert_close(waveform[:, margin:-margin], tune, atol=1e-3, rtol=0)


def test_noise_belongs_to_its_place_in_time():
    whole = music2latent._noise(0, 6)
    assert torch.equal(music2latent._noise(2, 3), whole[..., 2 * 8 : 5 * 8])
    assert whole.std().item() == pytest.approx(1, abs=0.02)


def test_random_weights_stop_the_run(codec, tune):
    with pytest.raises(UserError, match="'music2latent' does not reconstruct"):
        check.require_reconstruction(codec, check.check_round_trip(codec, tune[:, : 2 * 4096]))


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_weights_are_found_by_the_environment_variable(network, codec, tmp_path, monkeypatch, suffix):
    path = tmp_path / f"weights{suffix}"
    state = network.state_dict()
    if suffix == ".pt":
        torch.save({"gen_state_dict": state}, path)
    else:
        save_file(state, path)
    monkeypatch.setenv(music2latent.VARIABLE, str(path))
    assert codecs.load("music2latent").fingerprint == codec.fingerprint


class Evil:
    def __reduce__(self):
        return print, ("this must never run",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"gen_state_dict": {"encoder.gain.scale": torch.ones(1)}}, "lacks"),
        ({"other": 1}, "no 'gen_state_dict'"),
        ({"gen_state_dict": Evil()}, "more than tensors"),
    ],
)
def test_other_files_are_refused_and_nothing_is_unpickled(content, message, tmp_path, capfd):
    path = tmp_path / "weights.pt"
    torch.save(content, path)
    with pytest.raises(UserError, match=f"weights.pt.*{message}"):
        music2latent.load(path)
    assert "never" not in capfd.readouterr().out


@pytest.mark.parametrize("length", [0, 500])
def test_a_truncated_file_is_refused(tmp_path, length):
    path = tmp_path / "weights.pt"
    torch.save({"gen_state_dict": {"a": torch.zeros(1000)}}, path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(UserError, match="weights.pt.*truncated"):
        music2latent.load(path)


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(UserError, match="absent.pt.*no such"):
        music2latent.load(tmp_path / "absent.pt")

import importlib.util

import pytest
from huggingface_hub.errors import HfHubHTTPError

from msdae.commands import export
from msdae.errors import UserError
from msdae.models.autoencoder import Autoencoder


def test_a_model_is_written_in_half_precision(checkpoint, tmp_path, capsys):
    export.main([str(checkpoint), "--out", str(tmp_path / "half.safetensors")])
    assert "half.safetensors: " in capsys.readouterr().out
    assert Autoencoder.load(tmp_path / "half.safetensors").config == Autoencoder.load(checkpoint).config
    (tmp_path / "null.safetensors").symlink_to("/dev/null")
    with pytest.raises(UserError, match="is no regular file, and is not replaced"):
        export.main([str(checkpoint), "--out", str(tmp_path / "null.safetensors")])
    with pytest.raises(UserError, match=r"a.wav: it is written as .safetensors; give a name that ends so"):
        export.main([str(checkpoint), "--out", str(tmp_path / "a.wav")])


def test_what_is_written_beside_a_model_is_said(tmp_path, capsys):
    export.main(["embedded", "--out", str(tmp_path / "half.safetensors")])
    said = capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["half.safetensors", "student.safetensors"]
    assert f"{tmp_path / 'student.safetensors'}: belongs to it" in said


def test_a_model_is_not_replaced_by_its_half(checkpoint, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(checkpoint.read_bytes())
    for given in (path, tmp_path):
        with pytest.raises(UserError, match="is also an input"):
            export.main([str(given), "--out", str(path)])
    assert path.read_bytes() == checkpoint.read_bytes()


def test_a_sound_is_of_a_plugin(checkpoint, tmp_path):
    with pytest.raises(UserError, match="give --neutone FILE, or leave them out"):
        export.main([str(checkpoint), "--out", str(tmp_path / "a.safetensors"), "--sound", "a.sound"])


@pytest.mark.parametrize(
    ("name", "said"),
    [("mine", "give a hub id"), ("../../x", "give a hub id"), ("me/mine", "did not take it")],
)
def test_what_the_hub_does_not_take_is_said(checkpoint, monkeypatch, name, said):
    def refused(self, name):
        raise HfHubHTTPError.__base__("Name or service not known")

    monkeypatch.setattr(Autoencoder, "push_to_hub", refused)
    with pytest.raises(UserError, match=f"--push {name}: .*{said}"):
        export.main([str(checkpoint), "--push", name])


def test_a_plugin_needs_its_package_and_a_sound(checkpoint, monkeypatch, tmp_path):
    line = [str(checkpoint), "--neutone", str(tmp_path / "a.nm")]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install --no-deps neutone_sdk"):
        export.main(line)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    with pytest.raises(UserError, match="--neutone: no sound; give --sound FILE"):
        export.main(line)
    line[-1] = str(tmp_path / "a.wav")
    with pytest.raises(UserError, match=r"a\.wav: it is written as \.nm"):
        export.main([*line, "--timbre", "b.wav"])

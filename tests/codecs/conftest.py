import pytest

from msdae import checkpoint, codecs
from msdae.errors import UserError


@pytest.fixture
def refuses_header(tmp_path):
    """A function of a codec: its file with `change` in its settings is refused in a line that says `said`."""

    def check(codec, change, said):
        codec.save(tmp_path / "a.safetensors")
        tensors, header = checkpoint.load(tmp_path / "a.safetensors", codec.kind)
        settings = {"config": {**header["config"], **change}}
        checkpoint.save(tmp_path / "b.safetensors", codec.kind, tensors, settings)
        with pytest.raises(UserError, match=rf"b.safetensors: .*{said}.*; "):
            codecs.load(tmp_path / "b.safetensors")
        checkpoint.save(tmp_path / "b.safetensors", codec.kind, tensors, {"config": [1]})
        with pytest.raises(UserError, match="'config' of its header"):
            codecs.load(tmp_path / "b.safetensors")

    return check

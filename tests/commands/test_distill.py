"""The command line that makes a student, with a tiny model, beside which it is found."""

import pytest
import torch

from msdae import codecs, commands
from msdae.errors import UserError
from msdae.models import student
from msdae.models.autoencoder import Autoencoder
from msdae.models.config import CodecConfig, ModelConfig
from msdae.models.hub import STUDENT
from msdae.models.msdae import MSDAE

FEW = (
    "steps=1",
    "clips=4",
    "shard=4",
    "batch_size=4",
    "student.rank=2",
    "student.points=2",
    "segments=[1,2]",
)


def test_a_student_is_made_and_found_beside_its_model(tiny, tmp_path, capsys):
    torch.manual_seed(0)
    codec = CodecConfig(fingerprint=codecs.load(codecs.DEFAULT).fingerprint)
    MSDAE(ModelConfig(widths=(16, 16, 16), hidden=16, codec=codec)).save(tmp_path / "model.safetensors")
    line = ["--checkpoint", str(tmp_path), "--data", str(tiny), "--device", "cpu", "--run", str(tmp_path)]
    commands.run("distill", [*line, *(word for change in FEW for word in ("--set", change))])
    assert f"wrote {tmp_path / STUDENT}" in capsys.readouterr().out
    found = student.beside(Autoencoder.from_pretrained(tmp_path))
    assert found.config.points == 2 and found.provenance == {"steps": 1, "clips": 4}


@pytest.mark.parametrize("change", ["clips=0", "student.rank=0", "segments=[0]", "segments=[99]", "local=2"])
def test_impossible_settings_are_refused(change, tmp_path):
    with pytest.raises(UserError, match=change.partition("=")[0].rpartition(".")[2]):
        commands.run("distill", ["--set", change, "--run", str(tmp_path / "run")])
    assert not (tmp_path / "run").exists()

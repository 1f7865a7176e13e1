import pytest
import torch

from msdae import codecs
from msdae.evaluation.swapbench import known
from msdae.models.config import CodecConfig, ModelConfig
from msdae.models.msdae import MSDAE


@pytest.fixture(scope="session", autouse=True)
def scores(tmp_path_factory):
    """The folder of kept scores, for the tests alone."""
    folder = tmp_path_factory.mktemp("scores")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(known, "folder", lambda: folder)
        yield folder


@pytest.fixture(scope="session")
def codec():
    return codecs.load(codecs.DEFAULT)


@pytest.fixture(scope="session")
def tiny_model(codec):
    """tiny_model(stage): a small model whose codes matter although nothing is trained."""

    def build(stage=3):
        torch.manual_seed(0)
        trained_on = CodecConfig(fingerprint=codec.fingerprint)
        model = MSDAE(ModelConfig(widths=(16,) * 6, encoder_widths=(4, 8), codec=trained_on), stage)
        for parameter in model.parameters():  # an untrained model ends in zeros
            parameter.data += 0.1 * torch.randn_like(parameter)
        return model.eval()

    return build

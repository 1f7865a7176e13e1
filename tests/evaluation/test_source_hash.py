import shutil

import pytest

from msdae.evaluation import source_hash


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package, to change."""
    folder = shutil.copytree(source_hash.PACKAGE, tmp_path / "msdae", ignore=shutil.ignore_patterns("*.pyc"))
    monkeypatch.setattr(source_hash, "PACKAGE", folder)
    source_hash._modules.cache_clear()
    yield folder
    source_hash._modules.cache_clear()


def change(path):
    path.write_bytes(path.read_bytes() + b"\n# changed")


def test_a_hash_is_of_the_named_modules_alone_or_of_all_that_they_import(package):
    def both():
        named = ["msdae.evaluation.metrics"]
        return source_hash.fingerprint(named), source_hash.fingerprint(named, with_imports=True)

    alone, reached = both()
    change(package / "analysis" / "umap.py")  # which metrics do not import
    assert both() == (alone, reached)
    change(package / "synthesis" / "soundfont.py")  # which renditions import
    assert both()[0] == alone and both()[1] != reached
    reached = both()[1]
    change(package / "codecs" / "pca.py")  # which only the registry names
    assert both()[0] == alone and both()[1] != reached
    reached = both()[1]
    change(package / "assets" / "timbre.safetensors")
    assert both()[0] == alone and both()[1] != reached
    change(package / "evaluation" / "metrics" / "mfcc.py")
    assert both()[0] != alone

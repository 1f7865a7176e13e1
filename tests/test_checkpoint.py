import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from msdae import checkpoint, codecs, files
from msdae.errors import UserError
from msdae.models.autoencoder import EMBEDDED, Autoencoder


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "a.safetensors"
    checkpoint.save(path, "model", {"w": torch.arange(1000.0)}, {"stage": 2})
    return path


def test_round_trip(saved):
    tensors, header = checkpoint.load(saved, "model")
    assert torch.equal(tensors["w"], torch.arange(1000.0)) and header["stage"] == 2


def test_weights_that_layers_share(tmp_path):
    """Regression: a network whose output layer is its embedding could not be saved."""
    network = torch.nn.Sequential(torch.nn.Embedding(5, 3), torch.nn.Linear(3, 5, bias=False))
    network[1].weight = network[0].weight
    checkpoint.save(tmp_path / "a.safetensors", "model", network.state_dict(), {})
    tensors, _ = checkpoint.load(tmp_path / "a.safetensors", "model")
    assert tensors.keys() == network.state_dict().keys()
    assert all(torch.equal(tensor, network[0].weight) for tensor in tensors.values())


def test_truncated(saved):
    saved.write_bytes(saved.read_bytes()[:-100])
    with pytest.raises(UserError, match="truncated"):
        checkpoint.load(saved, "model")


def test_foreign(tmp_path):
    save_file({"w": torch.zeros(1)}, tmp_path / "b.safetensors")
    with pytest.raises(UserError, match="not one that msdae wrote"):
        checkpoint.load(tmp_path / "b.safetensors", "model")
    (tmp_path / "c.safetensors").write_bytes(b"\x80\x04 a pickle, say")
    with pytest.raises(UserError, match="a pickle, which could run anything"):
        checkpoint.load(tmp_path / "c.safetensors", "model")


def test_newer_and_other_kind(tmp_path, saved):
    header = json.dumps({"format": checkpoint.FORMAT + 1, "kind": "model"})
    save_file({"w": torch.zeros(1)}, tmp_path / "b.safetensors", metadata={"msdae": header})
    with pytest.raises(UserError, match="newer"):
        checkpoint.load(tmp_path / "b.safetensors", "model")
    with pytest.raises(UserError, match="holds a model, expected a codec"):
        checkpoint.load(saved, "codec")


def test_an_error_while_writing_leaves_the_old_file(saved):
    before = saved.read_bytes()
    with pytest.raises(RuntimeError), files.atomic(saved) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_fingerprint_depends_on_every_value():
    tensors = {"a": torch.zeros(3), "b": torch.ones(2)}
    first = checkpoint.fingerprint(tensors, {"x": 1})
    assert first == checkpoint.fingerprint(dict(reversed(tensors.items())), {"x": 1})
    assert first != checkpoint.fingerprint(tensors, {"x": 2})
    assert first != checkpoint.fingerprint({**tensors, "a": torch.tensor([0.0, 0.0, 1e-7])}, {"x": 1})


def test_nothing_is_left_of_a_file_or_folder_whose_making_failed(tmp_path):
    for context in (files.atomic_folder(tmp_path / "folder"), files.atomic(tmp_path / "file")):
        with pytest.raises(KeyError), context as temporary:
            if temporary.is_dir():
                (temporary / "part").write_text("half")
            raise KeyError
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_named_and_the_old_file_stays(saved, largest):
    """safetensors raises an error of its own."""
    before = saved.read_bytes()
    with largest(1000), pytest.raises(UserError, match=f"{saved}: file too large; .*ulimit"):
        checkpoint.save(saved, "model", {"w": torch.zeros(1000)}, {})
    assert saved.read_bytes() == before and list(saved.parent.iterdir()) == [saved]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("{", "damaged"),
        ("[]", "no JSON object"),
        ("[" * 100_000, "nested too deeply"),
        ('{"kind": "model"}', "'format' of its header is None, expected int"),
        ('{"format": "1", "kind": "model"}', "expected int"),
        ('{"format": true, "kind": "model"}', "expected int"),
        ('{"format": 1}', "'kind' of its header is None"),
        ('{"format": 1, "kind": ["model"]}', "'kind' of its header"),
        ('{"format": 1, "kind": "model", "stage": 2.0}', "'stage' of its header is 2.0, expected int"),
    ],
)
def test_headers_of_other_types(tmp_path, document, said):
    save_file({"w": torch.zeros(1)}, tmp_path / "a.safetensors", metadata={"msdae": document})
    with pytest.raises(UserError, match=rf"a.safetensors: .*{said}.*; "):
        checkpoint.read_header(tmp_path / "a.safetensors", "model", {"stage": int})


def test_what_is_no_file(tmp_path):
    for path, said in ((tmp_path, "is not a file"), ("/dev/null", "is not a file"), ("x" * 300, "too long")):
        with pytest.raises(UserError, match=said):
            checkpoint.load(path, "model")
    (tmp_path / "a.pt").write_bytes(b"PK\3\4 a zip")
    with pytest.raises(UserError, match="a pickle"):
        checkpoint.load(tmp_path / "a.pt", "model")


def test_values_that_are_no_numbers(tmp_path):
    checkpoint.save(tmp_path / "a.safetensors", "model", {"w": torch.tensor([0, torch.nan])}, {})
    with pytest.raises(UserError, match="'w' has NaN"):
        checkpoint.load(tmp_path / "a.safetensors", "model")


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"w": torch.zeros(2, 3)}, None),
        ({"w": torch.zeros(2, 3).half()}, None),
        ({}, "lacks 'w'"),
        ({"w": torch.zeros(2, 3), "v": torch.zeros(1)}, "unknown tensor 'v'"),
        ({"w": torch.zeros(3, 2)}, r"'w' is F32 \[3, 2\], expected \[2, 3\]"),
        ({"w": torch.zeros(2, 3).int()}, "'w' is I32"),
        ({"w": torch.zeros(2, 3).cfloat()}, "'w' is C64"),
        ({"w": torch.zeros(2, 3).to(torch.float8_e5m2)}, "'w' is F8"),
    ],
)
def test_tensors_are_compared_by_the_index_of_the_file(tmp_path, tensors, said):
    path = tmp_path / "a.safetensors"
    checkpoint.save(path, "model", tensors, {})
    expected = {"w": torch.zeros(2, 3, device="meta")}
    if said is None:
        return checkpoint.require_tensors(path, expected)
    with pytest.raises(UserError, match=said):
        checkpoint.require_tensors(path, expected)


def test_networks_that_are_read_from_a_file_draw_no_random_numbers():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    model, codec = Autoencoder.load(EMBEDDED), codecs.load(codecs.DEFAULT)
    assert torch.equal(torch.get_rng_state(), before)
    with safe_open(EMBEDDED, "pt") as file:
        assert all(
            torch.equal(tensor, file.get_tensor(name).float()) for name, tensor in model.state_dict().items()
        )
    assert all(tensor.isfinite().all() for tensor in codec.state_dict().values())

"""Chains of Ogg streams, as joined files and live recordings are, and parts of long ones."""

import pytest
import torch

from msdae import audio
from msdae.errors import UserError


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    """The bytes of an Ogg file of so many samples of noise."""

    def encode(samples: int, rate: int = 48000, subtype: str = "VORBIS") -> bytes:
        path = tmp_path_factory.mktemp("ogg") / "a.ogg"
        noise = 0.2 * torch.randn(samples, generator=torch.Generator().manual_seed(0))
        audio.write(path, noise, rate, subtype)
        return path.read_bytes()

    return encode


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_every_link_of_a_chain_is_read(tmp_path, stream, subtype):
    """Fault F3: only the first was; also where all have one serial number, as here."""
    links = [stream(samples, subtype=subtype) for samples in (100_000, 48_000)]
    singles = []
    for link in links:
        (tmp_path / "one.ogg").write_bytes(link)
        singles.append(audio.read(tmp_path / "one.ogg", 48000))
    (tmp_path / "chain.ogg").write_bytes(b"".join([*links, links[0]]))
    whole = torch.cat([*singles, singles[0]])
    recording = audio.open_recording(tmp_path / "chain.ogg", 48000)
    assert recording.samples == len(whole) == 248_000
    assert torch.equal(torch.cat(list(recording.blocks())), whole)
    assert torch.equal(recording.part(90_000, 80_000), whole[90_000:170_000])


def test_a_chain_cut_anywhere_is_refused(tmp_path, stream):
    one, other = stream(50_000), stream(30_000)
    for name, data in (("end", one + other[:-1000]), ("middle", one[:-1000] + other), ("last", one[:-5])):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match="page is missing"):
            audio.open_recording(tmp_path / name)


def test_a_part_is_what_the_whole_has_there(tmp_path, stream):
    """Libsndfile seeks inexactly in the last page of Vorbis."""
    (tmp_path / "a.ogg").write_bytes(stream(2_200_000))
    recording = audio.open_recording(tmp_path / "a.ogg", 48000)
    whole = torch.nn.functional.pad(torch.cat(list(recording.blocks())), (0, 3000))
    for start in (1, 100_000, 2_150_000, 2_199_000):
        torch.testing.assert_close(
            recording.part(start, 3000), whole[start : start + 3000], atol=1e-6, rtol=0
        )

import pytest
import soundfile

from msdae.commands import demo
from msdae.errors import UserError
from msdae.symbolic.instruments import INSTRUMENTS


@pytest.mark.usefixtures("few_references")
def test_demo(tmp_path, checkpoint, run, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "PAIRS", demo.PAIRS[:3])
    (tmp_path / "b.wav").write_text("mine")
    fast = ("--steps", "2", "--learn", "1")
    run("demo", "--out", "demo", "--checkpoint", checkpoint, "--device", "cpu", *fast)
    written = sorted(path.name for path in (tmp_path / "demo").iterdir())
    assert len(written) == 16 and {"1-timbre-piano.wav", "2-melody-koto.wav", "3-swap.png"} < set(written)
    printed = capfd.readouterr()
    assert "b.wav: is there already and stays" in printed.err and "a.wav: is" not in printed.err
    said = printed.out.splitlines()
    rows = [line.split() for line in said if " -> " in line and "melody ->" not in line]
    assert [row[0] for row in rows] == ["flute", "koto", "ocarina"]
    assert all(0 <= float(score) <= 1 for row in rows for score in row[3:5])
    assert float(rows[0][4]) > 0.7  # what the piano itself plays is heard
    learnt = {line.split()[0]: line.split()[-2:] for line in said if line.startswith(("learnt", "truth"))}
    assert learnt["truth"][1] == "1.00" and 0 <= float(learnt["learnt"][0]) <= 1
    assert {"4-sitar.wav", "4-sitar.sound", "4-sitar-learnt.wav"} < set(written)
    assert soundfile.info(tmp_path / "demo" / "4-sitar.wav").duration == 5
    melody, swap = (soundfile.info(tmp_path / "demo" / f"3-{n}.wav") for n in ("melody-ocarina", "swap"))
    assert melody.frames == swap.frames == round(8.5 * 44100)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "demo/1-timbre-piano.wav").read_bytes()
    assert (tmp_path / "b.wav").read_text() == "mine"  # a file of the user's is never replaced


def test_programs_are_of_the_instruments_that_files_are_named_after():
    assert len(demo.PAIRS) == 8
    names = {kind.program: kind.name.lower() for kind in INSTRUMENTS}
    for name, program in (player for pair in demo.PAIRS for player in pair):
        assert all(word.rstrip("s") in names[program] for word in name.split("-"))


def test_a_folder_of_other_files_is_left_alone(tmp_path):
    (tmp_path / ".DS_Store").touch()
    demo.check(tmp_path)
    (tmp_path / "mine.wav").touch()
    with pytest.raises(UserError, match="mine.wav: not made by the demo; choose another --out"):
        demo.check(tmp_path)
    (tmp_path / "mine.wav").unlink()
    (tmp_path / "3-swap.wav").mkdir()
    with pytest.raises(UserError, match="3-swap.wav: is a folder"):
        demo.check(tmp_path)

import soundfile


def test_demo(tmp_path, checkpoint, run, capfd):
    run("demo", "--out", tmp_path / "demo", "--checkpoint", checkpoint, "--device", "cpu")
    written = sorted(path.name for path in (tmp_path / "demo").iterdir())
    assert len(written) == 16 and {"1-timbre-piano.wav", "2-melody-koto.wav", "4-swap.png"} < set(written)
    said = capfd.readouterr().out.splitlines()
    rows = [line.split() for line in said if " -> " in line and "melody ->" not in line]
    assert [row[0] for row in rows] == ["flute", "koto", "ocarina", "soprano-sax"]
    assert all(0 <= float(score) <= 1 for row in rows for score in row[3:5])
    assert float(rows[0][4]) > 0.7  # what the piano itself plays is heard
    melody, swap = (soundfile.info(tmp_path / "demo" / f"3-{n}.wav") for n in ("melody-ocarina", "swap"))
    assert melody.frames == swap.frames == round(8.5 * 44100)

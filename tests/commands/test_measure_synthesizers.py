from msdae.commands import measure_synthesizers


def test_shares_of_presets_that_can_be_used_and_why_others_cannot(dx7, capsys):
    measure_synthesizers.main(["--synthesizer", "dx7", "--presets", "24"])
    title, _, header, row = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["kind", "drawn", "used"]
    kind, drawn, *shares = row.replace(" %", "%").split()
    assert (title, kind, drawn) == ("Presets of synthesizers", "dx7/random", "24")
    shares, speed = [float(share.rstrip("%")) for share in shares[:-1]], float(shares[-1])
    assert 50 <= shares[0] < 100 and abs(sum(shares) - 100) <= 3 and speed > 0

import re

from msdae.commands import measure_synthesizers
from msdae.synthesis import plugins


def test_shares_of_presets_that_can_be_used_and_why_others_cannot(dx7, capsys):
    measure_synthesizers.main(["--synthesizer", "dx7", "--presets", "24"])
    title, _, header, row = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["kind", "drawn", "used"]
    kind, drawn, *shares = row.replace(" %", "%").split()
    assert (title, kind, drawn) == ("Presets of synthesizers", "dx7/random", "24")
    shares, speed = [float(share.rstrip("%")) for share in shares[:-1]], float(shares[-1])
    assert 50 <= shares[0] < 100 and abs(sum(shares) - 100) <= 3 and speed > 0


def test_a_preset_that_crashes_as_it_plays_is_counted_and_measuring_goes_on(dx7, monkeypatch, capsys):
    render, played = plugins.render, []

    def first_crashes(*notes):
        played.append(notes)
        if len(played) == 1:
            raise plugins.Crash("code -11")
        return render(*notes)

    monkeypatch.setattr(plugins, "render", first_crashes)
    measure_synthesizers.main(["--synthesizer", "dx7", "--presets", "24"])
    header, row = (re.split(r"\s{2,}", line.strip()) for line in capsys.readouterr().out.splitlines()[2:])
    shares = dict(zip(header, row, strict=True))
    assert shares["crashed"] == "4 %" and shares["used"] == f"{100 * (len(played) - 1) / 24:.0f} %"


def test_a_preset_that_plays_in_no_time_that_a_clock_sees_has_no_speed(dx7, monkeypatch, capsys):
    """Regression: a division by zero with few presets, as the system counts a core's time in 0.01 s."""
    monkeypatch.setattr(measure_synthesizers, "_seconds", lambda: 1.0)
    measure_synthesizers.main(["--synthesizer", "dx7", "--presets", "4"])
    assert capsys.readouterr().out.split()[-1] == "-"

"""Where the time of a swap goes is measured in processes of this checkout and of others."""

from pathlib import Path

import pytest

from msdae.errors import UserError
from msdae.evaluation import profile, watch

ROOT = Path(__file__).parents[2]


def test_a_swap_spends_time_in_every_part():
    measured = profile.swaps({"now": ROOT}, [1], 1, ["--threads", "1", "--device", "cpu"])
    parts = measured["now", 1]
    assert list(parts) == list(profile.ORDER)
    assert all(seconds > 0 for seconds in parts.values()), parts
    assert parts[watch.IMPORTS] > parts["loudness"]


def test_a_checkout_that_cannot_swap_is_named(tmp_path):
    (tmp_path / "msdae").mkdir()
    (tmp_path / "msdae" / "__init__.py").write_text("raise ValueError('broken')")
    with pytest.raises(UserError, match=rf"{tmp_path}: its swap failed \(ValueError: broken\)"):
        profile.swaps({"before": tmp_path}, [1], 1)


def test_the_table_compares(monkeypatch):
    def measured(checkout, folder, seconds, options, clock):
        return {watch.IMPORTS: 1.0 if checkout == ROOT else 3.0, "denoiser": seconds}

    monkeypatch.setattr(profile, "_measured", measured)
    table = profile.table(profile.swaps({"now": ROOT, "before": ROOT.parent}, [1, 2], 3), "note", "command")
    assert table.header == ("part", "now, 1 s", "before, 1 s", "now, 2 s", "before, 2 s")
    rows = {row[0]: [str(cell) for cell in row[1:]] for row in table.rows}
    assert rows == {
        "imports": ["1.00", "3.00", "1.00", "3.00"],
        "denoiser": ["1.00", "1.00", "2.00", "2.00"],
        "together": ["2.00", "4.00", "3.00", "5.00"],
        "times as long as now": ["-", "2.00", "-", "1.67"],
    }

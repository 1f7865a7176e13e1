from msdae.evaluation.swapbench import cases, players
from msdae.evaluation.tables import Value


class Copy:
    """A pipeline that swaps nothing."""

    class model:
        stage = 3

    class sampling:
        seed = 0


def test_players_are_compared_on_equal_cases(monkeypatch):
    """The melody source itself is scored in place of a swap: whoever plays the notes, they are heard."""
    monkeypatch.setattr(players.Model, "swap", lambda self, batch, levels: batch.melody)
    group = cases.plan("valid", 0, {"monophonic": 2})
    table = players.measure(Copy(), group, ("piano", "held formula"))
    assert [row[0] for row in table.rows] == [players.ORIGINAL, "piano", "held formula"]
    melody = table.column("melody F1 ↑")
    assert all(isinstance(cell, Value) and cell.value > 0.2 for cell in melody.values())

from msdae.evaluation import speed


def test_medians_are_of_rounds_in_turn_after_one_that_warms_up(monkeypatch):
    clock = iter(range(1000))
    calls = []
    monkeypatch.setattr(speed.time, "perf_counter", lambda: float(next(clock)))

    def slow():
        calls.append("slow")
        next(clock)

    assert speed.medians({"slow": slow, "fast": lambda: calls.append("fast")}, 3) == {"slow": 2, "fast": 1}
    assert calls == ["slow", "fast"] * 4


def test_the_median_of_two_rounds_is_between_them(monkeypatch):
    clock = iter((0.0, 1.0, 2.0, 3.0, 6.0))
    monkeypatch.setattr(speed.time, "perf_counter", lambda: next(clock))
    assert speed.medians({"case": lambda: None}, 2) == {"case": 2}

"""Time is counted once, for the innermost part, also of what generators do when they are asked."""

import sys
from types import SimpleNamespace

from msdae.evaluation import watch
from msdae.evaluation.watch import REST, Watch


class Clock:
    """Seconds that pass when they are spent."""

    now = 0.0

    def __call__(self):
        return self.now

    def spend(self, seconds):
        self.now += seconds


def test_parts_within_parts_are_counted_once():
    clock = Clock()
    watched = Watch(clock)
    inner = watched.watched("inner", clock.spend)

    def outer():
        clock.spend(1)
        inner(2)
        clock.spend(4)
        return "result"

    clock.spend(8)
    assert watched.watched("outer", outer)() == "result"
    with watched.part(REST):
        clock.spend(16)
    assert watched.seconds == {"inner": 2, "outer": 5, REST: 24}


def test_generators_are_watched_while_they_work():
    clock = Clock()
    watched = Watch(clock)

    def numbers():
        for number in (1, 2):
            clock.spend(number)
            yield number

    for _ in watched.watched("numbers", numbers)():
        clock.spend(10)
    with watched.part("end"):
        pass
    assert watched.seconds["numbers"] == 3 and watched.seconds[REST] == 20


def test_functions_methods_and_what_is_missing(monkeypatch):
    class Owner:
        @staticmethod
        def static(number):
            return number + 1

        def method(self):
            return self

    module = SimpleNamespace(Owner=Owner)
    monkeypatch.setitem(sys.modules, "watched", module)
    watched = Watch(Clock())
    places = ("Owner.static", "Owner.method", "Owner.gone", "gone.too")
    watch.attach(
        watched, tuple(("part", "watched", place) for place in places) + (("part", "no.module", "f"),)
    )
    owner = Owner()
    assert Owner.static(1) == owner.static(1) == 2 and owner.method() is owner
    assert "part" in watched.seconds

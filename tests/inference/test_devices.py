import ctypes.util
import sys

import pytest

from msdae.errors import UserError
from msdae.inference import devices


def test_portaudio_that_is_missing_is_said(monkeypatch):
    pytest.importorskip("cffi")
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: None)
    for name in [name for name in sys.modules if "sounddevice" in name]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(UserError, match="PortAudio, which is not on this machine; install it .*--in-file"):
        devices.require()


@pytest.mark.parametrize(
    ("package", "ask"), [("sounddevice", devices.require), ("mido", devices.port), ("rtmidi", devices.port)]
)
def test_packages_that_are_missing_are_said(monkeypatch, package, ask):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=r"pip install 'msdae\[live\]'"):
        ask()


def test_a_port_that_is_not_there():
    with pytest.raises(UserError, match="MIDI"):
        devices.port("no such keyboard")

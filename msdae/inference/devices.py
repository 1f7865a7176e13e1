"""Sound cards and MIDI keyboards, through PortAudio and RtMidi (the extra `live`)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from msdae.errors import UserError, printable, required

if TYPE_CHECKING:
    import mido
    import sounddevice

EXTRA = "pip install 'msdae[live]'"
LIBRARY = "install it (Debian: apt install libportaudio2, Fedora: dnf install portaudio), or use --in-file"
LIST = "--list shows which there are"


def require() -> Any:
    """Import and return the package sounddevice.

    Raises:
        UserError: sounddevice or PortAudio is missing.
    """
    try:
        return required("sounddevice", f"a sound card needs sounddevice: {EXTRA}")
    except OSError as error:
        raise UserError(f"a sound card needs PortAudio, which is not on this machine; {LIBRARY}") from error


def listing() -> str:
    """A text that lists the sound devices, numbered, and the MIDI ports, or why there are none.

    Raises:
        UserError: sounddevice or PortAudio is missing.
    """
    try:
        ports = _ports()
    except UserError as error:
        ports = [str(error)]
    cards = str(require().query_devices()) or "  none"
    return "\n".join(
        ["sound (> input, < output):", cards, "MIDI:", *(f"  {port}" for port in ports or ["none"])]
    )


def opened(
    exchange: Callable[[torch.Tensor], torch.Tensor],
    sample_rate: int,
    block: int,
    source: str | None = None,
    output: str | None = None,
    keyboard: Callable[[int], torch.Tensor] | None = None,
) -> "sounddevice.Stream | sounddevice.OutputStream":
    """A stream, for a `with` block, that gives `exchange` each block (samples,) and plays what it returns.

    sample_rate: in Hz. block: samples of a block.
    source, output: names or numbers of devices; by default the system's.
    keyboard: called with a number of samples, returns as many, which replace the input of `source`.

    Raises:
        UserError: PortAudio is missing, or there is no such device, or it does not work at this rate.
    """
    sounddevice = require()

    def both(heard: Any, played: Any, frames: int, moment: Any, status: Any) -> None:
        played[:, 0] = exchange(torch.from_numpy(heard[:, 0].copy())).numpy()

    def keys(played: Any, frames: int, moment: Any, status: Any) -> None:
        played[:, 0] = exchange(keyboard(frames)).numpy()

    source, output = (int(name) if name and name.isdecimal() else name for name in (source, output))
    try:
        if keyboard:
            return sounddevice.OutputStream(sample_rate, block, output, 1, "float32", callback=keys)
        return sounddevice.Stream(sample_rate, block, (source, output), 1, "float32", callback=both)
    except (sounddevice.PortAudioError, ValueError) as error:
        reason = printable(error).strip()[:160]
        raise UserError(f"sound card: cannot be opened at {sample_rate} Hz ({reason}); {LIST}") from error


def port(name: str = "") -> "mido.ports.BaseInput":
    """Open the MIDI input port whose name begins with `name`, by default the first one.

    Raises:
        UserError: a package or the system's MIDI is missing, or there is no such port.
    """
    ports = _ports()
    for known in ports:
        if known.startswith(name):
            import mido

            return mido.open_input(known)
    raise UserError(
        f"MIDI port {printable(name)[:60] or '(any)'}: there are {', '.join(ports) or 'none'}; {LIST}"
    )


def _ports() -> list[str]:
    needs = f"a MIDI keyboard needs mido and python-rtmidi: {EXTRA}"
    mido, rtmidi = required("mido", needs), required("rtmidi", needs)
    try:
        return mido.get_input_names()
    except rtmidi.RtMidiError as error:
        raise UserError(
            f"MIDI: not on this machine ({printable(error)[:120]}); connect a keyboard"
        ) from error

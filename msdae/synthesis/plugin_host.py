"""A separate process that renders notes with other packages' synthesizers, which may crash it.

A request is a line of JSON on stdin: {"synthesizer", "settings", "notes": [[key, velocity, seconds held,
samples]]}. The answer on stdout is the sound of all notes one after another: float32, mono at 44 100 Hz.
"""

import base64
import functools
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from msdae.audio import temperament

RATE = 44100
WAVE = 2048  # samples of one period in Vital's wavetables

Notes = Sequence[tuple[int, int, float, int]]


def main() -> None:
    """Answer requests until stdin ends; anything that the packages print goes to stderr."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process ends with its stdin
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        for line in sys.stdin.buffer:
            request = json.loads(line)
            sounds = RENDERERS[request["synthesizer"]](request["settings"], request["notes"])
            for sound, note in zip(sounds, request["notes"], strict=True):
                mono = np.atleast_2d(sound).mean(axis=0, dtype=np.float32)[: note[3]]
                answers.write(np.pad(mono, (0, note[3] - len(mono))).tobytes())
            answers.flush()


def _dx7(settings: dict[str, Any], notes: Notes) -> Iterator[np.ndarray]:
    """Render by a DX7. settings: a packed voice (128 bytes, as in banks) in hex, or its 155 parameters."""
    from dexed import DexedSynth, Patch

    if "voice" in settings:
        patch = Patch.from_packed(bytes.fromhex(settings["voice"]))
    else:
        patch = Patch.from_raw(np.array(settings["parameters"]))
    synth = DexedSynth(RATE)
    synth.load_patch(patch)
    for key, velocity, held, samples in notes:
        yield synth.render(key, velocity, held, samples / RATE)


def _faust(settings: dict[str, Any], notes: Notes) -> Iterator[np.ndarray]:
    """Render by a model of Faust's physmodels.lib.

    settings: the model, the values of its sliders, its lowest gain, and the lag in samples that flattens its
    pitch and is compensated here.
    """
    engine, processor, sliders = _faust_model(settings["model"])
    for name, value in settings["values"].items():
        processor.set_parameter(sliders[name], value)
    for key, velocity, held, samples in notes:
        gate = np.zeros(samples, np.float32)
        gate[: round(held * RATE)] = 1
        level, frequency = velocity / 127, temperament.hertz(key)
        processor.set_automation(sliders["gate"], gate)
        processor.set_parameter(sliders["freq"], frequency / (1 - settings["lag"] * frequency / RATE))
        processor.set_parameter(sliders["gain"], settings["gain"] + (1 - settings["gain"]) * level)
        engine.render(samples / RATE)
        yield engine.get_audio() * (level if settings["gain"] else 1)


@functools.cache
def _faust_model(model: str) -> tuple[Any, Any, dict[str, str]]:
    """The engine, the compiled model in it, and {name: address} of the model's sliders."""
    import dawdreamer

    engine = dawdreamer.RenderEngine(RATE, 512)
    processor = engine.make_faust_processor(model)
    processor.set_dsp_string(f'import("stdfaust.lib"); process = pm.{model}_ui_MIDI;')
    processor.compile()
    engine.load_graph([(processor, [])])
    addresses = [entry["name"] for entry in processor.get_parameters_description()]
    return engine, processor, {address.rpartition("/")[2]: address for address in addresses}


def _vita(settings: dict[str, Any], notes: Notes) -> Iterator[np.ndarray]:
    """Render by Vital.

    settings: the controls, the modulations (source, destination, amount), and for each oscillator the
    amplitudes of the partials in each frame of its wavetable.
    """
    import vita

    synth = vita.Synth()  # a new one for each request, as the phases of unison voices run on
    synth.set_sample_rate(RATE)
    preset = json.loads(synth.to_json())
    for table, frames in zip(preset["settings"]["wavetables"], settings["waves"], strict=False):
        positions = np.linspace(0, 256, len(frames), dtype=int)
        table["groups"][0]["components"][0]["keyframes"] = [
            {"position": int(position), "wave_data": base64.b64encode(_wave(frame)).decode()}
            for position, frame in zip(positions, frames, strict=True)
        ]
    if not synth.load_json(json.dumps(preset)):
        raise RuntimeError("vita refuses its own preset")
    controls = synth.get_controls()
    for number, (source, destination, amount) in enumerate(settings["modulations"], 1):
        synth.connect_modulation(source, destination)
        controls[f"modulation_{number}_amount"].set(amount)
    for name, value in settings["controls"].items():
        controls[name].set(value)
    for key, velocity, held, samples in notes:
        yield synth.render(key, velocity / 127, held, samples / RATE)


def _wave(partials: Sequence[float]) -> bytes:
    """One period of a sum of sines with these amplitudes, with a peak of 1, as float32 bytes."""
    spectrum = np.zeros(WAVE // 2 + 1, complex)
    spectrum[1 : len(partials) + 1] = -1j * np.array(partials)
    wave = np.fft.irfft(spectrum)
    return (wave / np.abs(wave).max()).astype(np.float32).tobytes()


RENDERERS = {"dx7": _dx7, "faust": _faust, "vita": _vita}

if __name__ == "__main__":
    main()

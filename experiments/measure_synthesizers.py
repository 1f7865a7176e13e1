"""Measure which share of each synthesizer's presets can be used, and how fast they play."""

from msdae import cli
from msdae.commands.measure_synthesizers import main

if __name__ == "__main__":
    cli.run(main)

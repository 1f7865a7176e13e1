"""Measure how steadily the timbre moves between two recordings."""

from msdae import cli
from msdae.commands.measure_interpolation import main

if __name__ == "__main__":
    cli.run(main)

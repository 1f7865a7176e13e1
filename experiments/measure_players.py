"""Measure which plain sound swaps best where the melody source is a score."""

from msdae import cli
from msdae.commands.measure_players import main

if __name__ == "__main__":
    cli.run(main)

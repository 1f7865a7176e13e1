"""Measure how often tonic, maqam and ornaments are found in rendered pieces with known answers."""

from msdae import cli
from msdae.commands.measure_maqam import main

if __name__ == "__main__":
    cli.run(main)

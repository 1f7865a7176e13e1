"""Measure what each code tells of what another should hold."""

from msdae import cli
from msdae.commands.measure_leakage import main

if __name__ == "__main__":
    cli.run(main)

"""Measure what fewer evaluations of the network cost."""

from msdae import cli
from msdae.commands.measure_steps import main

if __name__ == "__main__":
    cli.run(main)

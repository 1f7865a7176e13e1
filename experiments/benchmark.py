"""Measure how fast this machine trains and swaps."""

from msdae import cli
from msdae.commands.benchmark import main

if __name__ == "__main__":
    cli.run(main)

"""Swap eight pairs of rendered recordings and score the results."""

from msdae import cli
from msdae.commands.demo import main

if __name__ == "__main__":
    cli.run(main)

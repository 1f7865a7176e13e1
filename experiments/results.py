"""Measure what the documents show, and write it into them."""

from msdae import cli
from msdae.commands.results import main

if __name__ == "__main__":
    cli.run(main)

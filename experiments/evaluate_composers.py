"""Measure composers: likelihood, likeness of their tunes to held-out ones, and copying, in one table."""

from msdae import cli
from msdae.commands.evaluate_composers import main

if __name__ == "__main__":
    cli.run(main)

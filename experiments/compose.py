"""Compose a tune, and play it with any sound."""

from msdae import cli
from msdae.commands.compose import main

if __name__ == "__main__":
    cli.run(main)

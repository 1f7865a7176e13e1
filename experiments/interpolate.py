"""Render a series of recordings on the way from one to another."""

from msdae import cli
from msdae.commands.interpolate import main

if __name__ == "__main__":
    cli.run(main)

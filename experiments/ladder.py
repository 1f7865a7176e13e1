"""Recipes of training side by side: the same networks, data and steps, measured on the validation split."""

from msdae import cli
from msdae.commands.ladder import main

if __name__ == "__main__":
    cli.run(main)

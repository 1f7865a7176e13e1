"""A series of recordings on the way from one to another, over all levels or some of them."""

from msdae import cli
from msdae.commands.interpolate import main

if __name__ == "__main__":
    cli.run(main)

"""Take one recording apart into codes and put it together again."""

from msdae import cli
from msdae.commands.reconstruct import main

if __name__ == "__main__":
    cli.run(main)

"""One recording through the whole autoencoder: taken apart into codes and put together again."""

from msdae import cli
from msdae.commands.reconstruct import main

if __name__ == "__main__":
    cli.run(main)

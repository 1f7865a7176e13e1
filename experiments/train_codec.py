"""Train a codec like the one that ships, or fit the simple one."""

from msdae import cli
from msdae.commands.train_codec import main

if __name__ == "__main__":
    cli.run(main)

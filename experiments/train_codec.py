"""Train the codec that ships, or fit the simple one; the file can be named wherever a codec can."""

from msdae import cli
from msdae.commands.train_codec import main

if __name__ == "__main__":
    cli.run(main)

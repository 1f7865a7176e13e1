"""Train the transcriber, which reads the notes of recordings."""

from msdae import cli
from msdae.commands.train_transcriber import main

if __name__ == "__main__":
    cli.run(main)

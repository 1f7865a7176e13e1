"""Compare codecs: what their round trips leave of notes, timbre and spectrum."""

from msdae import cli
from msdae.commands.compare_codecs import main

if __name__ == "__main__":
    cli.run(main)

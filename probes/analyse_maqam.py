"""Analyse the maqam of a recording: tonic, nearest scales with quarter tones, ornaments."""

from msdae import cli
from msdae.commands.analyse_maqam import main

if __name__ == "__main__":
    cli.run(main)

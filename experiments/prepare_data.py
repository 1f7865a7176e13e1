"""Prepare a data set for training: scan, report, encode, write caches or shards."""

from msdae import cli
from msdae.commands.prepare_data import main

if __name__ == "__main__":
    cli.run(main)

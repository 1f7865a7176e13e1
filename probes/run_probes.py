"""Probe what each code of a model holds: pitch, instrument, melody and more."""

from msdae import cli
from msdae.commands.run_probes import main

if __name__ == "__main__":
    cli.run(main)

"""Whether a swap of strength 0 to 1 moves smoothly from one timbre to the other while the melody stays."""

from msdae import cli
from msdae.commands.measure_interpolation import main

if __name__ == "__main__":
    cli.run(main)

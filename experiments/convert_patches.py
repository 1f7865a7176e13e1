"""Write Gravis Ultrasound patches as SFZ files, which play as samples."""

from msdae import cli
from msdae.commands.convert_patches import main

if __name__ == "__main__":
    cli.run(main)

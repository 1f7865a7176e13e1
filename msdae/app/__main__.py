"""Makes `python -m msdae.app` run the command `msdae app`."""

from msdae import cli
from msdae.commands.app import main

if __name__ == "__main__":
    cli.run(main)

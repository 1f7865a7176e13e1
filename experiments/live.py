"""Play a microphone, a line or a MIDI keyboard with another sound while it is being played."""

from msdae import cli
from msdae.commands.live import main

if __name__ == "__main__":
    cli.run(main)

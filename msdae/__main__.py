"""`python -m msdae` runs the command `msdae`, so that `accelerate launch -m msdae train-stage` works too."""

from msdae.commands import main

if __name__ == "__main__":
    main()

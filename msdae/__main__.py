"""`python -m msdae` is the command `msdae`, so that `accelerate launch -m msdae train-stage` works too."""

from msdae.commands import main

if __name__ == "__main__":
    main()

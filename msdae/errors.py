"""The one exception that means "the input is wrong, here is what to do"."""


class UserError(Exception):
    """Bad input: the message names the file or option, the reason and the fix.

    Command lines print it without a traceback and exit with code 2 (`msdae.cli.run`).
    """

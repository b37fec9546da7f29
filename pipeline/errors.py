"""The error that a user can mend."""


class UserError(ValueError):
    """A mistake in what the user gave: an argument, a setting, a file.

    The message is one line: the argument, what was expected, what was received, what to do.
    The command `nmt` prints it on stderr and ends with exit status 2; nothing has been lost.
    """

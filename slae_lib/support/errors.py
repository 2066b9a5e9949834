"""Errors that are written for the person at the keyboard: the thing, the reason, the mend."""


class LabError(Exception):
    """Something outside the program stopped it; the message is one sentence with a mend.

    The command line prints the message and leaves with exit code 1.
    """


class UsageError(LabError):
    """The request itself cannot be met, for example a resolution that does not exist.

    The command line prints the message and leaves with exit code 2.
    """

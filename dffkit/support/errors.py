"""The kit's exceptions. Everything that a user can mend is a `DffkitError`; a bad argument is a `ValueError`."""


class DffkitError(Exception):
    """Base of the kit's own exceptions. The message names the thing, what was expected, what came, and what to do."""


class DataError(DffkitError):
    """A file is missing, damaged or of another format. The message names the path, what is wrong, and what to do."""


class CommandError(DffkitError):
    """A command can't go on. The message names what is wrong and what to do."""


class BusyError(CommandError):
    """Another process is at work on the same thing. The message names it."""


class TrainingError(DffkitError):
    """Training can't go on. The message names the recipe and the iteration."""

"""The kit's own exception for files that can't be used."""


class DataError(Exception):
    """A file is missing, damaged or of another format. The message names the path, what is wrong, and what to do."""

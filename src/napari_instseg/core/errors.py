"""Errors whose message is meant for the user: what was found, what was expected, what to do."""


class InstsegError(Exception):
    """Base of all errors that the command line and the window show as words instead of a traceback."""

    def __init__(self, message: str = "") -> None:
        # the name of a file may hold bytes that are no text: shown as \\xff, they can be printed and written anywhere
        super().__init__(message.encode("utf-8", "backslashreplace").decode("utf-8"))


class InputError(InstsegError, ValueError):
    """An image, a label image, an array or a folder is not what is needed."""


class ParameterError(InstsegError, ValueError):
    """A parameter is unknown or out of its range."""


class ModelError(InstsegError):
    """A model folder is missing, incomplete, damaged, unsafe or made by a newer version."""


class OutputError(InstsegError, OSError):
    """A result could not be written."""


class TrainingError(InstsegError, RuntimeError):
    """Training cannot start or go on."""


class ProjectError(InstsegError):
    """A project folder is missing, damaged, open elsewhere or made by a newer version."""

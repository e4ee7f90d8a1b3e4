"""Errors that a person can act on: the message is one line, and no traceback is shown for them."""


class OdzeraError(Exception):
    """Base of all errors caused by input, files or the network; the command line prints its message and exits 2."""


class DataError(OdzeraError):
    """The data cannot be read, recognised or split."""


class TextError(OdzeraError):
    """A text to classify is empty, too long or not text."""


class RecipeError(OdzeraError):
    """A recipe, or one of its settings, is unknown or out of range."""


class CheckpointError(OdzeraError):
    """A checkpoint is missing, damaged or not one of ours."""


class ExportError(OdzeraError):
    """A model can't be written as a graph, or a graph can't be opened; the message is the end of a sentence."""


class HubError(OdzeraError):
    """The Hugging Face Hub cannot be reached, or refuses."""


class SpaceError(OdzeraError):
    """A Space can't be built from what is here."""


class SearchError(OdzeraError):
    """A study can't be searched as asked."""


class StoreError(OdzeraError):
    """The database of results cannot be opened or written."""

class BertqaError(Exception):
    """What bertqa raises."""


class ModelError(BertqaError):
    """The model cannot be found, read or run."""


class OptionsError(BertqaError, ValueError):
    """An option is out of range, or does not go with another."""


class RowError(BertqaError, ValueError):
    """This question has no answer; others may be asked."""


class InputError(BertqaError, ValueError):
    """A table cannot be read, or lacks a column."""


class EndedError(BertqaError, RuntimeError):
    """The last device failed. Nothing more can be asked of this model."""


class ForkError(BertqaError, RuntimeError):
    """The model was loaded in another process, from which this one was forked."""

"""The parts of docker/trace.py."""


class Refused(Exception):
    """Why a model cannot be compiled, in words for the user."""

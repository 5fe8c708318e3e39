"""The command `bertqa`."""

import signal
import sys

from ._bertqa import run


def main() -> None:
    """Runs the command line with this process's arguments, and ends the process."""
    # The program is on its own from here: Python's handlers would only note what came.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if hasattr(signal, "SIGXFSZ"):
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    sys.exit(run(["bertqa", *sys.argv[1:]]))


if __name__ == "__main__":
    main()

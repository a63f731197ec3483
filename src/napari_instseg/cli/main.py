"""The command `instseg`: what takes time to import is imported within, so that Ctrl-C ends in words from the start."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from napari_instseg.cli.exit_codes import STOPPED


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; exit code 0 only on success."""
    try:
        from napari_instseg.cli.app import run

        run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
        sys.exit(STOPPED)


if __name__ == "__main__":
    main()

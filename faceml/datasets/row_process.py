"""Child process that writes the rows of a data set: `python -m faceml.datasets.row_process FILE`.

Its parent is `faceml.datasets.opened_rows`, which sends the request on standard input, and raises an error
that it receives on standard output.
"""

import pickle
import sys
from pathlib import Path

from faceml.config import ConfigError
from faceml.datasets.opened_rows import RowsRequest, write_rows
from faceml.errors import StoppedError, catch_errors


def main(file: Path) -> None:
    """Write the rows of the request, or the error."""
    request: RowsRequest = pickle.load(sys.stdin.buffer)
    with catch_errors(ConfigError, StoppedError, OSError) as caught:
        write_rows(request, file)
    if caught.error is not None:
        pickle.dump(caught.error, sys.stdout.buffer)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

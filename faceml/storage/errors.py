"""Translations of errors that disks and object stores raise."""

import errno
from pathlib import Path

from faceml.config import ConfigError
from faceml.errors import StoppedError, UnreachableError, flatten_message, translate_errors

REPORTABLE_ERRORS = (StoppedError, ConfigError, OSError)
"""Errors whose message tells the user why the work stopped; any other error is a defect of faceml."""

# A full disk, an exhausted quota, and the largest file that a file system or a process may write.
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# No permission, a read-only file system, and a file where a folder is expected.
UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)


def translate_full_disk(folder: Path) -> translate_errors[BaseException]:
    """Raise `StoppedError`, which names the folder, in place of an error that no space is left.

    Args:
        folder: Folder that the block writes to.
    """

    def translate(error: BaseException) -> StoppedError | None:
        cause: BaseException | None = error
        while cause is not None:  # PyTorch raises an error of its own when a write fails
            if isinstance(cause, OSError) and cause.errno in NO_SPACE:
                return StoppedError(
                    f"{folder}: no space left to write ({cause.strerror}). Make room there; the same "
                    "command continues from what is finished."
                )
            cause = cause.__context__
        return None

    return translate_errors(BaseException, translate)


def translate_unwritable(folder: Path) -> translate_errors[OSError]:
    """Raise `ConfigError` in place of an error that a folder cannot be made or written to; others pass.

    Args:
        folder: The folder.
    """

    def translate(error: OSError) -> ConfigError | None:
        if error.errno not in UNWRITABLE:
            return None
        return ConfigError(
            f"{folder}: cannot be written to ({error.strerror}). Choose another folder, or check its "
            "permissions."
        )

    return translate_errors(OSError, translate)


def translate_outage(place: str) -> translate_errors[OSError]:
    """Raise `UnreachableError` in place of an `OSError` of a store that did not answer any attempt.

    Args:
        place: Path or URI that the block reads or writes.
    """

    def translate(error: OSError) -> UnreachableError:
        return UnreachableError(
            f"{place}: cannot be reached ({flatten_message(error)}). The same command continues from "
            "what is finished."
        )

    return translate_errors(OSError, translate)

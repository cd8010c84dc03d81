"""Files that people write by hand, read with care: a pipe, a device or an endless file in their place is refused."""

from __future__ import annotations

import stat
from pathlib import Path

from t2disc.errors import T2DiscError

_MAX_BYTES = 2**20  # 1 MiB


def read_small_file(path: Path, refusal: type[T2DiscError], what: str) -> bytes:
    """Return the bytes of a regular file of at most 1 MiB.

    Parameters
    ----------
    path
        The file.
    refusal
        Error for anything else that stands under the name; its code is that of the caller.
    what
        What the file is, for the refusal: ``a protocol file``.

    Raises
    ------
    FileNotFoundError
        There is no such file; what that means is for the caller to say.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise refusal(f"{what} that is no regular file")
        with path.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise refusal(f"{what} that cannot be read ({type(error).__name__})") from None
    if len(content) > _MAX_BYTES:
        raise refusal(f"{what} of more than 1 MiB")
    return content

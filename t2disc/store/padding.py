"""Random bytes in JPEG and gzip files that no viewer shows: equal pictures have neither equal sums nor sizes."""

from __future__ import annotations

import secrets

_STEP = 2**15  # files are filled up to a multiple of it
_JPEG_START = b"\xff\xd8"
_JFIF = b"\xff\xe0"
_JPEG_COMMENT = b"\xff\xfe"
_GZIP_START = b"\x1f\x8b\x08\x00"  # deflate, no flag
_GZIP_HAS_EXTRA = b"\x1f\x8b\x08\x04"
_N_GZIP_HEAD = 10
_N_SUM_BYTES = 16  # at least so many are random


def padded_jpeg(content: bytes) -> bytes:
    """Return a JPEG with a comment of random bytes that fills it up to a multiple of 32 KiB.

    Source: ITU-T T.81, B.2.4.5 (comment: marker FFFE, length of itself and what follows in two bytes).
    """
    at = _n_jpeg_head(content)
    n_bytes = _n_filling(len(content) + 4)
    comment = _JPEG_COMMENT + (n_bytes + 2).to_bytes(2, "big") + secrets.token_bytes(n_bytes)
    return content[:at] + comment + content[at:]


def padded_gzip(content: bytes) -> bytes:
    """Return a gzip file with an extra field of random bytes that fills it up to a multiple of 32 KiB.

    Source: RFC 1952, section 2.3 (FLG.FEXTRA; XLEN; subfields of two letters and a length).
    """
    assert content.startswith(_GZIP_START), "a gzip file of this package has no fields"
    n_bytes = _n_filling(len(content) + 6)
    subfield = b"t2" + n_bytes.to_bytes(2, "little") + secrets.token_bytes(n_bytes)
    head = _GZIP_HAS_EXTRA + content[len(_GZIP_START) : _N_GZIP_HEAD]
    return head + len(subfield).to_bytes(2, "little") + subfield + content[_N_GZIP_HEAD:]


def _n_jpeg_head(content: bytes) -> int:
    """Return where a comment may stand: after the start, and after the JFIF header, which comes first."""
    n_start = len(_JPEG_START)
    if content[n_start : n_start + 2] != _JFIF:
        return n_start
    return n_start + 2 + int.from_bytes(content[n_start + 2 : n_start + 4], "big")


def _n_filling(n_bytes: int) -> int:
    return _N_SUM_BYTES + -(n_bytes + _N_SUM_BYTES) % _STEP

"""Names for the participants of a heap of files: keyed, so that nobody without the key can guess them back."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from t2disc.errors import PermissionDenied, PseudonymKeyMissing, StoreError
from t2disc.store import write_file
from t2disc.study.smallfile import read_small_file

KEY_FILE = ".t2disc_pseudonym.key"
KEY_VARIABLE = "T2DISC_PSEUDONYM_KEY"
_N_DIGITS = 10  # 40 bits: two of 1,000 participants share a name once in two million studies, and that is refused
_MIN_LENGTH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PseudonymKey:
    """The study's secret. Provisional keys make names for one look that the next look will not find again."""

    secret: bytes = field(repr=False)
    is_provisional: bool = False


def read_key(study_dir: Path) -> PseudonymKey:
    """Read the key from ``T2DISC_PSEUDONYM_KEY``, or from its file in the study folder.

    Raises
    ------
    PseudonymKeyMissing
        ``pseudonym-key-missing``: there is none, or it is shorter than 16 characters.
    """
    if given := os.environ.get(KEY_VARIABLE, ""):
        secret, source = given.encode(errors="surrogateescape"), KEY_VARIABLE
        todo = f"set {KEY_VARIABLE} to a longer secret, or unset it to use the study's own key"
    else:
        secret, source = _stored_secret(study_dir), KEY_FILE
        todo = f"put the study's own key back, or remove {KEY_FILE} for a new one (the participants then change names)"
    if len(secret) < _MIN_LENGTH:
        found, expected = f"a key of {len(secret)} characters in {source}", f"at least {_MIN_LENGTH} characters"
        raise PseudonymKeyMissing(found, expected=expected, todo=todo)
    return PseudonymKey(secret=secret)


def _stored_secret(study_dir: Path) -> bytes:
    try:
        return read_small_file(study_dir / KEY_FILE, PseudonymKeyMissing, "a key file").strip()
    except FileNotFoundError:
        raise PseudonymKeyMissing("no key for pseudonyms") from None


def read_or_make_key(study_dir: Path) -> PseudonymKey:
    """Read the study's key; where there is none, make one and keep it in the study folder, readable by its owner.

    Raises
    ------
    PermissionDenied
        ``permission-denied``: the study folder cannot be written.
    """
    if os.environ.get(KEY_VARIABLE) or (study_dir / KEY_FILE).exists():
        return read_key(study_dir)
    secret = secrets.token_hex(32).encode()
    try:
        write_file(study_dir / KEY_FILE, secret + b"\n", is_private=True)
    except StoreError as error:
        raise PermissionDenied(
            "a study folder in which the key for pseudonyms cannot be kept",
            expected="a study folder that can be written, or a key given from outside",
            todo=f"set {KEY_VARIABLE} to a secret of {_MIN_LENGTH} characters or more, the same for every run",
        ) from error
    return PseudonymKey(secret=secret)


def read_or_lend_key(study_dir: Path) -> PseudonymKey:
    """Read the study's key; where there is none, lend one for this look only and write nothing."""
    if os.environ.get(KEY_VARIABLE) or (study_dir / KEY_FILE).exists():
        return read_key(study_dir)
    return PseudonymKey(secret=secrets.token_bytes(32), is_provisional=True)


def pseudonym(patient_id: str, key: PseudonymKey) -> str:
    """Return ``sub-`` and the first 10 hexadecimal digits of HMAC-SHA256(key, PatientID).

    Source: RFC 2104 (HMAC); PatientID (0010,0020).
    """
    digest = hmac.new(key.secret, patient_id.strip().encode(), hashlib.sha256).hexdigest()
    return f"sub-{digest[:_N_DIGITS]}"


def is_pseudonym(participant_id: str) -> bool:
    """Tell whether a name has the form of those that :func:`pseudonym` gives."""
    return re.fullmatch(rf"sub-[0-9a-f]{{{_N_DIGITS}}}", participant_id) is not None

"""Private keys as files: PEM (PKCS #8, Ed25519) that their owner alone may read. Nothing here prints one."""

import os
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from worker.policy.signing import Signer

MODE = 0o600
FILE_BYTES_MAX = 4_096


class KeyFileError(ValueError):
    """A file holds no private key that can be used; the message says why, and nothing of what is in it."""


def new_key_file(path: Path) -> Signer:
    """Write a new private key to a file that is not there yet. Raises KeyFileError, OSError."""
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    except FileExistsError:
        raise KeyFileError(f"{path} is there already, and a private key is never written over") from None
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, MODE)
        file.write(pem)
    return Signer(private.private_bytes_raw())


def read_key_file(path: Path) -> Signer:
    """Return the key of a file. Raises KeyFileError, OSError."""
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & 0o077:
            raise KeyFileError(f"{path} can be read by others (mode {mode:03o}); run `chmod 600` on it")
        pem = file.read(FILE_BYTES_MAX + 1)
    try:
        private = load_pem_private_key(pem, password=None) if len(pem) <= FILE_BYTES_MAX else None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        private = None
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyFileError(f"{path} holds no Ed25519 private key without a password, as `stream-audit keys new` makes")
    return Signer(private.private_bytes_raw())

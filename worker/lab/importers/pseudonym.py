"""Keyed hashes in place of people's ids. Without the key nobody can try out ids against a log."""

import secrets
from hashlib import blake2b
from pathlib import Path

from worker.lab.importers.limits import ImportRefusedError

SALT_MIN_BYTES = 16
SALT_MAX_BYTES = 65_536
VIEWERS_KEPT = 50_000


class Pseudonyms:
    """Maps ids to 32 hexadecimal digits with keyed BLAKE2b (RFC 7693); the kind separates the domains."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._viewers: dict[str, str] = {}  # those who were asked for lately; the same people write again and again

    def __repr__(self) -> str:
        return "Pseudonyms(key hidden)"

    @classmethod
    def from_salt_file(cls, path: Path | None) -> "Pseudonyms":
        """Key from the file's bytes (without white space around them), or a random one that nobody keeps.

        Raises:
            ImportRefusedError: the file cannot be read or is shorter than 16 or longer than 65,536 bytes.
        """
        if path is None:
            return cls(secrets.token_bytes(32))
        try:
            with path.open("rb") as file:
                salt = file.read(SALT_MAX_BYTES + 1)
        except OSError as error:
            raise ImportRefusedError(f"{path}: the salt file cannot be read: {error.strerror}") from error
        if len(salt) > SALT_MAX_BYTES or len(salt.strip()) < SALT_MIN_BYTES:
            raise ImportRefusedError(
                f"{path}: a salt has {SALT_MIN_BYTES} to {SALT_MAX_BYTES} bytes; make one with "
                "`head -c 32 /dev/urandom | base64 > salt`"
            )
        return cls(blake2b(salt.strip(), digest_size=32).digest())

    def of(self, kind: str, platform: str, raw: str) -> str:
        """The pseudonym of the id `raw` of a `kind` (viewer, host, …; at most 16 bytes) on `platform`."""
        text = f"{platform}\0{raw}"
        if kind == "viewer" and (known := self._viewers.get(text)):
            return known
        data = text.encode("utf-8", "surrogatepass")
        found = blake2b(data, key=self._key, person=kind.encode(), digest_size=16).hexdigest()
        if kind == "viewer":
            if len(self._viewers) >= VIEWERS_KEPT:
                self._viewers.clear()
            self._viewers[text] = found
        return found

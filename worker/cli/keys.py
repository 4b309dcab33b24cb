"""`stream-audit keys`: makes keys, and publishes which of them count."""

import os
from base64 import b64encode
from pathlib import Path
from typing import cast, get_args

import click

from worker import clock
from worker.cli.arguments import Since
from worker.cli.files import INPUT_FILE
from worker.cli.groups import Group
from worker.cli.policy_topic import (
    AS_JSON,
    BASE,
    BOOTSTRAP,
    KEY,
    TOPIC,
    chain_of,
    publish,
    refusing,
    show,
    signer_or_usage_error,
)
from worker.cli.terminal import Screen
from worker.policy.keyring import Key, Role, new_key
from worker.tools import publishing
from worker.tools.keyfiles import KeyFileError, new_key_file
from worker.tools.times import time_of

ROLES: tuple[str, ...] = get_args(Role)
NEW_EXAMPLE = """
\b
Examples:
  stream-audit keys new root.pem                       its public key goes into STREAM_AUDIT_ROOT_KEYS
  stream-audit keys new policy.pem --role policy --root root.pem --bootstrap 127.0.0.1:9092
"""
ROOT = click.option("--root", required=True, type=INPUT_FILE, help="File of a root key, which signs the keyring.")


@click.group(cls=Group, epilog="Example: stream-audit keys ls --bootstrap 127.0.0.1:9092")
def keys() -> None:
    """Make keys, list them, and say which count."""


@keys.command(epilog=NEW_EXAMPLE)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--role", type=click.Choice(ROLES), help="What the key may sign. Without it: publish nothing.")
@click.option("--until", type=Since(), help="When it ends, by append time (ISO 8601).  [default: it does not]")
@click.option("--root", type=INPUT_FILE, help="File of a root key, which signs the keyring.")
@click.option("--bootstrap", metavar="HOST:PORT", help="Kafka broker(s), comma-separated.")
@TOPIC
@BASE
@KEY
@AS_JSON
def new(
    file: Path, role: str | None, until: int | None, root: Path | None, bootstrap: str | None, topic: str,
    base: Path | None, key: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Write a new private key to FILE, which only its owner may read, and print the public one.

    With --role, --root and --bootstrap it is added to the keyring. A keyring that is published for the first time
    makes signatures a duty. --key signs the switches; the first key of the role policy signs them itself.
    """
    if role and not (root and bootstrap):
        raise click.UsageError("--role goes with --root and --bootstrap.")
    root_signer = signer_or_usage_error(root)
    try:
        signer = new_key_file(file)
    except (KeyFileError, OSError) as wrong:
        raise click.ClickException(str(wrong)) from wrong
    public = b64encode(signer.public).decode()
    screen = Screen()
    if as_json:
        screen.json({"kid": signer.kid, "public": public, "file": str(file), "role": role})
    else:
        screen.line(f"key {signer.kid} in {file}, readable by its owner alone")
        screen.line(f"public key {public}")
    if not (role and bootstrap):
        return
    chain = chain_of(bootstrap, topic, base, key)
    if chain.signer is None and role == "policy":
        chain = chain._replace(signer=signer)
    entry = new_key(signer.public, cast("Role", role), not_after_ms=until)
    with refusing():
        sent, done = publish(chain, publishing.added_key(entry), signer=root_signer)
    if not as_json:
        show(chain, sent, done)


@keys.command(name="ls", epilog="Example: stream-audit keys ls --bootstrap 127.0.0.1:9092")
@BOOTSTRAP
@TOPIC
@BASE
@AS_JSON
def list_(bootstrap: str, topic: str, base: Path | None, as_json: bool) -> None:
    """List the keys of the newest keyring, and which of them count now."""
    with refusing():
        feed, _ = chain_of(bootstrap, topic, base, None).read()
    found = feed.book.keyring
    now_ms = clock.now_ms()
    rows = [(one, _state(one, now_ms)) for one in found.keys] if found else []
    screen = Screen()
    if as_json:
        listed = [
            {
                "kid": one.kid, "role": one.role, "public": one.key, "state": state, "not_before_ms": one.not_before_ms,
                "not_after_ms": one.not_after_ms, "revoked_ms": one.revoked_ms,
            }
            for one, state in rows
        ]  # fmt: skip
        screen.json({"keyring": found.version if found else None, "keys": listed}, indent=None)
        return
    if found is None:
        known = "STREAM_AUDIT_ROOT_KEYS names root keys" if os.environ.get("STREAM_AUDIT_ROOT_KEYS") else "no root key"
        screen.line(f"no keyring that this command accepts ({known} here): nothing has to be signed")
        return
    cells = [(one.kid, one.role, state, time_of(one.not_after_ms) if one.not_after_ms else "–") for one, state in rows]
    screen.table(("key", "role", "state", "ends"), cells, fold=("state",))


def _state(key: Key, now_ms: int) -> str:
    if key.revoked_ms is not None:
        return f"revoked at {time_of(key.revoked_ms)}"
    if key.not_after_ms is not None and now_ms >= key.not_after_ms:
        return "ended"
    return "counts" if now_ms >= key.not_before_ms else "later"


@keys.command(epilog="Example: stream-audit keys revoke 0123456789abcdef --root root.pem --key new.pem --bootstrap …")
@click.argument("kid")
@BOOTSTRAP
@TOPIC
@BASE
@ROOT
@KEY
def revoke(kid: str, bootstrap: str, topic: str, base: Path | None, root: Path, key: Path | None) -> None:
    """Publish a keyring in which the key KID counts no more.

    What it has signed before stays. --key signs the switches, so it is another key of the role policy. Add one first
    when the last one has leaked: `keys new --role policy`.
    """
    chain, root_signer = chain_of(bootstrap, topic, base, key), signer_or_usage_error(root)
    if chain.signer is not None and chain.signer.kid == kid:
        raise click.UsageError("--key is the key that is revoked: its signature would not count")
    with refusing():
        sent, done = publish(chain, publishing.revoked_key(kid, clock.now_ms()), signer=root_signer)
    show(chain, sent, done)

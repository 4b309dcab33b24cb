"""Kafka clients of the command line, logged in by the worker's own settings: `STREAM_AUDIT_SECURITY_PROTOCOL`,
`…_SASL_*` and `…_TLS_*`. Secrets come from there or from files, never from an option, and no message shows them.
"""

import base64
import binascii
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from confluent_kafka import KafkaException

from worker.clock import now_ms
from worker.settings import Settings, SettingsError, security_settings

Client = TypeVar("Client")

TOKEN_LIFE_S = 300.0  # of a token that does not say when it ends


def connect(kind: Callable[[dict[str, Any]], Client], bootstrap: str, options: Mapping[str, Any]) -> Client:
    """A client of `confluent_kafka` (a Consumer, a Producer, an AdminClient) for the brokers at `bootstrap`.

    Raises SettingsError when settings are wrong, or a certificate or key cannot be used.
    """
    try:
        settings = security_settings(os.environ, bootstrap)
    except SettingsError as wrong:
        raise SettingsError(
            [what.replace("STREAM_AUDIT_BROKERS=", "--bootstrap ") for what in wrong.problems]
        ) from wrong
    try:
        return kind({"bootstrap.servers": bootstrap, "log_level": 0, **security_options(settings), **options})
    except KafkaException as error:
        raise SettingsError([f"no Kafka client can be made of the settings: {error.args[0].str()}"]) from error


def security_options(settings: Settings) -> dict[str, Any]:
    """The login that settings describe, in librdkafka's words."""
    options: dict[str, Any] = {"security.protocol": settings.security_protocol}
    if settings.security_protocol.endswith("SSL"):
        files = {
            "ssl.ca.location": settings.tls_ca_file,
            "ssl.certificate.location": settings.tls_cert_file,
            "ssl.key.location": settings.tls_key_file,
        }
        options |= {name: str(path) for name, path in files.items() if path is not None}
        if password := settings.tls_key_password.reveal():
            options["ssl.key.password"] = password
    if settings.security_protocol.startswith("SASL"):
        options["sasl.mechanism"] = settings.sasl_mechanism
        if settings.sasl_mechanism == "OAUTHBEARER":
            path = settings.sasl_token_file
            assert path is not None, "checked with the settings"
            options["oauth_cb"] = lambda _: token_and_end(path)
        else:
            options |= {"sasl.username": settings.sasl_username, "sasl.password": settings.sasl_password.reveal()}
    return options


def token_and_end(path: Path) -> tuple[str, float]:
    """The token in a file that something else renews, and when it ends (Unix s): as it says itself, or in 5 min."""
    token = path.read_text(encoding="utf-8").strip()
    claims = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        ends_s = float(msgspec.json.decode(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"])
    except (ValueError, TypeError, KeyError, binascii.Error, msgspec.MsgspecError):
        ends_s = now_ms() / 1000 + TOKEN_LIFE_S
    return token, ends_s


def no_answer(bootstrap: str, error: KafkaException) -> str:
    """The message of a command that got no answer: from whom, why, and what to do."""
    return f"no answer from the broker at {bootstrap}: {reason(error)}; does one run there? --bootstrap names it"


def reason(error: KafkaException) -> str:
    """What went wrong, in words; behind a login also where to look, for brokers hang up on strangers without a word."""
    said = str(error.args[0].str())
    settings = security_settings(os.environ, "")
    if settings.security_protocol == "PLAINTEXT":
        return said
    how = settings.security_protocol
    if how.startswith("SASL"):
        how += f", {settings.sasl_mechanism}"
    return f"{said} (log-in by {how}: check STREAM_AUDIT_SECURITY_PROTOCOL, STREAM_AUDIT_SASL_* and STREAM_AUDIT_TLS_*)"


def bytes_of(data: str | bytes | None) -> bytes | None:
    """What a client gives as key or value, as bytes."""
    return data.encode() if isinstance(data, str) else data

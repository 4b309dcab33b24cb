"""How clients prove who they are: from the worker's settings to Faust's credentials and aiokafka's options."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import faust
from aiokafka.abc import AbstractTokenProvider
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from worker.settings import Settings


class TokenFile(AbstractTokenProvider):  # type: ignore[misc]
    """An OAuth token in a file that something else renews; read at every login."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def token(self) -> str:
        """The token. Raises OSError when the file cannot be read."""
        return self._path.read_text(encoding="utf-8").strip()


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """A context that checks the brokers' certificates and names; None without TLS.

    Raises ssl.SSLError or OSError when a certificate or key cannot be used.
    """
    if not settings.security_protocol.endswith("SSL"):
        return None
    context = ssl.create_default_context(cafile=settings.tls_ca_file)
    if settings.tls_cert_file is not None:
        # As a function, an empty password too: otherwise OpenSSL would ask for it on the terminal.
        context.load_cert_chain(settings.tls_cert_file, settings.tls_key_file, settings.tls_key_password.reveal)
    return context


def credentials(settings: Settings) -> Any:
    """Faust's credentials; None for a plain connection. Raises as `tls_context`."""
    context = tls_context(settings)
    if not settings.security_protocol.startswith("SASL"):
        return faust.SSLCredentials(context=context) if context is not None else None
    if settings.sasl_mechanism == "OAUTHBEARER":
        assert settings.sasl_token_file is not None, "checked with the settings"
        return faust.OAuthCredentials(oauth_cb=TokenFile(settings.sasl_token_file), ssl_context=context)
    return faust.SASLCredentials(
        username=settings.sasl_username,
        password=settings.sasl_password.reveal(),
        mechanism=settings.sasl_mechanism,
        ssl_context=context,
    )


def client_options(settings: Settings) -> Mapping[str, Any]:
    """Options for aiokafka's clients: where the brokers are and how to log in. Raises as `tls_context`."""
    return {
        "bootstrap_servers": settings.brokers.split(","),
        **cast(Mapping[str, Any], credentials_to_aiokafka_auth(credentials(settings))),
    }

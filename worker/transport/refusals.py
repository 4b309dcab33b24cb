"""Why a broker does not let us in, in words that say what to do.

Kafka's clients try again and again and keep the cause to their log; so it is asked for once more, by hand. Messages
name settings and users, never a password, a token or a key.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

from aiokafka.conn import create_conn
from aiokafka.errors import UnsupportedSaslMechanismError

from worker.settings import PREFIX, Settings

TIMEOUT_S = 10.0
CERTIFICATE_EXPIRED = 10  # OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED


async def why_refused(settings: Settings, options: Mapping[str, Any]) -> str:
    """What happens on the way to the first broker that fails, and what to do about it. Never raises, ends in 10 s.

    `options` are those of `security.client_options`.
    """
    login = {name: value for name, value in options.items() if name != "bootstrap_servers"}
    for address in settings.brokers.split(","):
        host, _, port = address.rpartition(":")
        try:
            async with asyncio.timeout(TIMEOUT_S):
                connection = await create_conn(host.strip("[]"), int(port), **login)
            connection.close()
        except Exception as problem:  # each has its own meaning, and nothing follows but words
            return f"{address}: {_meaning(settings, problem)}"
    return _after_login(settings)


def _meaning(s: Settings, problem: Exception) -> str:
    if isinstance(problem, ssl.SSLCertVerificationError):
        if problem.verify_code == CERTIFICATE_EXPIRED:
            return "the broker's certificate, or one that signs it, has expired: renew it"
        return (
            f"the broker's certificate is not trusted ({problem.verify_message}): {PREFIX}TLS_CA_FILE must hold the "
            f"certificates that sign it, and {PREFIX}BROKERS the name that it stands for"
        )
    if isinstance(problem, ssl.SSLError):
        return f"no TLS there ({problem.reason}): {PREFIX}SECURITY_PROTOCOL={s.security_protocol} must fit the port"
    if isinstance(problem, UnsupportedSaslMechanismError):
        return f"the broker does not offer {s.sasl_mechanism}: set {PREFIX}SASL_MECHANISM to one that it offers"
    if isinstance(problem, TimeoutError):
        return f"no answer in {TIMEOUT_S:g} s: is it the right address, and does a firewall let it through?"
    if isinstance(problem, OSError) and problem.errno:
        return f"nobody listens there ({problem.strerror}): {PREFIX}BROKERS must name a broker that runs"
    return _after_hello(s, problem)


def _after_hello(s: Settings, problem: Exception) -> str:
    """The broker was there, and ended the conversation."""
    if s.security_protocol.startswith("SASL") and "uthentication" in f"{type(problem).__name__} {problem}":
        return _refused_login(s)
    if s.security_protocol == "SSL" and s.tls_cert_file is not None:
        return (
            f"the broker does not accept this client's certificate: renew {PREFIX}TLS_CERT_FILE={s.tls_cert_file} if "
            "it has expired, or have it signed by an authority that the broker trusts"
        )
    if s.security_protocol == "SSL":
        return f"the broker ends the connection: it may ask for {PREFIX}TLS_CERT_FILE and {PREFIX}TLS_KEY_FILE"
    return (
        f"the broker ends the connection ({type(problem).__name__}): {PREFIX}SECURITY_PROTOCOL={s.security_protocol} "
        "must fit the port"
    )


def _refused_login(s: Settings) -> str:
    if s.sasl_mechanism == "OAUTHBEARER":
        return (
            f"the broker refuses the token in {PREFIX}SASL_TOKEN_FILE={s.sasl_token_file}: it has expired, or is not "
            "from an issuer that the broker knows; whatever renews the file must put a valid one there"
        )
    return (
        f"the broker refuses the login of {s.sasl_username!r} by {s.sasl_mechanism}: {PREFIX}SASL_USERNAME and "
        f"{PREFIX}SASL_PASSWORD (or _FILE) must be those that the broker has"
    )


def _after_login(s: Settings) -> str:
    """A refused token shows only at the first request after the login."""
    if s.security_protocol.startswith("SASL") and s.sasl_mechanism == "OAUTHBEARER":
        return f"{s.brokers}: {_refused_login(s)}"
    return f"{s.brokers}: it answers, but not to this: see the broker's log"

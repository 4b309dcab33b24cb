"""A real Kafka with locks: listeners for SCRAM, OAuth and mutual TLS, an authorizer, certificates of our own.

The plain listener stays for tests that look from outside: who says no name is a super user there. On the three
others only what was granted is allowed.
"""

from __future__ import annotations

import base64
import datetime
import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import trustme
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from tests.support.kafka import KafkaCluster, free_ports

JAAS = "org.apache.kafka.common.security"
LISTENERS = ("SCRAM", "OAUTH", "MTLS")


class Certificates:
    """An authority and what it signs, as PEM files under a directory."""

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self.directory = directory
        self.ca = trustme.CA()
        self.ca_file = directory / f"{name}.crt"
        self.ca.cert_pem.write_to_path(str(self.ca_file))

    def issue(self, name: str, *, expired: bool = False) -> tuple[Path, Path]:
        """(certificate, key) for 127.0.0.1 with that common name."""
        ended = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1) if expired else None
        issued = self.ca.issue_cert("127.0.0.1", common_name=name, not_after=ended)
        certificate, key = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        # Kafka's brokers read PKCS #8 alone.
        private = load_pem_private_key(issued.private_key_pem.bytes(), None)
        key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return certificate, key


class SecuredKafka(KafkaCluster):
    """One node with the listeners SCRAM and OAUTH (both SASL_SSL) and MTLS (SSL), on ports searched from `port`."""

    def __init__(self, directory: Path, port: int) -> None:
        super().__init__(port=port, brief=True)
        self.certificates = Certificates(directory)
        self.ports = dict(zip(LISTENERS, free_ports(len(LISTENERS), port + 100), strict=True))
        certificate, key = self.certificates.issue("broker")
        store = directory / "broker.pem"
        store.write_bytes(key.read_bytes() + certificate.read_bytes())
        plain = f"PLAINTEXT://127.0.0.1:{self._broker_ports[0]}"
        controller = f"CONTROLLER://127.0.0.1:{self._controller_ports[0]}"
        locked = ",".join(f"{name}://127.0.0.1:{at}" for name, at in self.ports.items())
        self.extra |= {
            "listeners": f"{plain},{controller},{locked}",
            "advertised.listeners": f"{plain},{locked}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,"
            "SCRAM:SASL_SSL,OAUTH:SASL_SSL,MTLS:SSL",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": store,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.certificates.ca_file,
            "listener.name.mtls.ssl.client.auth": "required",
            "ssl.principal.mapping.rules": "RULE:^.*CN=([^,]+).*$/$1/",
            "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.scram.scram-sha-512.sasl.jaas.config": f"{JAAS}.scram.ScramLoginModule required;",
            "listener.name.oauth.sasl.enabled.mechanisms": "OAUTHBEARER",
            "listener.name.oauth.oauthbearer.sasl.jaas.config": f"{JAAS}.oauthbearer.OAuthBearerLoginModule"
            ' required unsecuredLoginStringClaim_sub="broker";',
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }

    def address(self, listener: str) -> str:
        return f"127.0.0.1:{self.ports[listener]}"

    @cached_property
    def ca_file(self) -> Path:
        return self.certificates.ca_file

    def set_password(self, user: str, password: str) -> None:
        """Creates a user of the SCRAM listener."""
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        change = UserScramCredentialUpsertion(user, info, password.encode())
        for answer in self.admin.alter_user_scram_credentials([change]).values():
            answer.result(30)

    def grant(self, user: str, acls: Sequence[Mapping[str, Any]]) -> None:
        """Takes every right of a user away and gives it those of a KafkaUser's `acls`."""
        everything = AclBindingFilter(
            ResourceType.ANY, None, ResourcePatternType.ANY, f"User:{user}", None, AclOperation.ANY,
            AclPermissionType.ANY,
        )  # fmt: skip
        for answer in self.admin.delete_acls([everything]).values():
            answer.result(30)
        for made in self.admin.create_acls([b for acl in acls for b in _bindings(user, acl)]).values():
            made.result(30)


def _bindings(user: str, acl: Mapping[str, Any]) -> list[AclBinding]:
    resource = acl["resource"]
    return [
        AclBinding(
            ResourceType[resource["type"].upper()],
            resource["name"],
            ResourcePatternType[resource["patternType"].upper()],
            f"User:{user}",
            "*",
            getattr(AclOperation, _snake(operation)),
            AclPermissionType.ALLOW,
        )
        for operation in acl["operations"]
    ]


def _snake(operation: str) -> str:
    """DescribeConfigs → DESCRIBE_CONFIGS."""
    return "".join(f"_{letter}" if letter.isupper() else letter.upper() for letter in operation).lstrip("_")


def unsigned_token(subject: str, *, lasts_s: float = 3600, now_s: Callable[[], float] = time.time) -> str:
    """A JSON web token without a signature, as the broker of these tests accepts."""
    now = now_s()
    parts = ({"alg": "none"}, {"sub": subject, "iat": now - 10, "exp": now + lasts_s})
    return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts) + "."

"""Settings of the worker: frozen, from the environment alone, every error reported at once.

Each field of `Settings` is the environment variable `STREAM_AUDIT_<FIELD>`. A secret may also stand in a file that
`STREAM_AUDIT_<FIELD>_FILE` names. How long a room waits for late events is no setting: a verdict depends on it.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from worker.lacks import Lack, banner, parse_banner
from worker.policy.signing import Roots, read_roots
from worker.resources import POLICIES_DIR

PREFIX = "STREAM_AUDIT_"

T = TypeVar("T")


class SettingsError(ValueError):
    """One or more settings are wrong; `problems` has a line for each, without any secret."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class Secret(str):
    """A string that shows itself to no log: its `repr` and its format hide it; `reveal()` gives it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'" if len(self) else "''"

    def __str__(self) -> str:
        return "***" if len(self) else ""

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def reveal(self) -> str:
        return str.__str__(self)


class _WrongError(ValueError):
    """What a parser expected, to stand behind "expected"."""


def _setting(default: T, parse: Callable[[str], T], about: str) -> T:
    return field(default=default, metadata={"parse": parse, "about": about})


def _pattern(pattern: str, expected: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if re.fullmatch(pattern, text) is None:
            raise _WrongError(expected)
        return text

    return parse


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if re.fullmatch(r"-?\d{1,15}", text) is None or not low <= int(text) <= high:
            raise _WrongError(f"a whole number from {low} to {high}")
        return int(text)

    return parse


def _seconds(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text) is None or not low <= float(text) <= high:
            raise _WrongError(f"seconds from {low:g} to {high:g}")
        return float(text)

    return parse


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        for word in words:
            if text.lower() == word.lower():
                return word
        raise _WrongError("one of " + ", ".join(words))

    return parse


def _flag(text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise _WrongError("true or false")


def _brokers(text: str) -> str:
    addresses = [part.strip() for part in text.split(",")]
    for address in addresses:
        host, colon, port = address.rpartition(":")
        if not colon or not re.fullmatch(r"[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]", host) or not port.isascii():
            raise _WrongError("host:port, several separated by commas")
        if not port.isdigit() or not 0 < int(port) < 65_536:
            raise _WrongError("host:port with a port from 1 to 65535")
    return ",".join(addresses)


def _host(text: str) -> str:
    if text != "localhost":
        try:
            ipaddress.ip_address(text)
        except ValueError:
            raise _WrongError("an IP address to listen on, such as 127.0.0.1 or 0.0.0.0") from None
    return text


def _lacks(text: str) -> str:
    try:
        return banner(parse_banner(text))
    except ValueError:
        raise _WrongError("what the banner of an embedded broker says, of " + ", ".join(Lack)) from None


def _root_keys(text: str) -> str:
    try:
        read_roots(text)
    except ValueError as wrong:
        raise _WrongError(f"public keys, separated by commas: {wrong}") from None
    return text


def _file(text: str) -> Path | None:
    path = Path(text)
    if not path.is_file():
        raise _WrongError("the path of a file that exists")
    return path


def _directory(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise _WrongError("the path of a directory that exists")
    return path


_IDENTIFIER = _pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", "1–200 letters, digits, . _ -")


# `_setting` makes a dataclass field, which ruff cannot know.
# ruff: noqa: RUF009
@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything an operator may choose. Names end in their unit."""

    brokers: str = _setting("", _brokers, "Kafka's bootstrap servers, host:port[,host:port…]; required")
    app_id: str = _setting("stream-audit", _IDENTIFIER, "consumer group, and prefix of the changelog")
    instance_id: str = _setting("", _IDENTIFIER, "static group membership: a stable name such as the pod's")
    topic_prefix: str = _setting(
        "", _pattern(r"[A-Za-z0-9._-]{0,100}", "up to 100 letters, digits, . _ -"), "put before every topic's name"
    )
    broker_lacks: str = _setting(
        "", _lacks, "what the banner of an embedded broker says that it lacks; a real Kafka lacks nothing"
    )
    policies: str = _setting(
        "files",
        _one_of("files", "topic"),
        "files alone, or also those published to live.audit.policies, which override",
    )
    root_keys: str = _setting(
        "",
        _root_keys,
        "public keys that may sign a keyring of the policies' topic, base64, comma-separated",
    )
    policies_dir: Path = _setting(POLICIES_DIR, _directory, "directory of the policy files (default: those shipped)")
    requests: bool = _setting(True, _flag, "ask the platform for challenges and looks; off changes no verdict")
    rooms_max: int = _setting(200_000, _integer(100, 10_000_000), "rooms kept; beyond, the longest idle are shed")

    commit_interval_s: float = _setting(1.0, _seconds(0.1, 60), "between flushes of a partition, each with its commit")
    session_timeout_s: float = _setting(20.0, _seconds(1, 600), "silence after which the group drops this worker")
    heartbeat_interval_s: float = _setting(3.0, _seconds(0.1, 200), "between heartbeats; ≤ a third of the session")
    request_timeout_s: float = _setting(30.0, _seconds(1, 900), "for one request to a broker; ≥ session")
    rebalance_timeout_s: float = _setting(60.0, _seconds(2, 900), "to hand partitions over; > flush + commit")
    producer_timeout_s: float = _setting(15.0, _seconds(1, 600), "for one produce request; ≤ session")
    flush_timeout_s: float = _setting(20.0, _seconds(1, 600), "for one flush of state; ≥ producer")
    commit_timeout_s: float = _setting(10.0, _seconds(1, 600), "for one commit of offsets")
    shutdown_timeout_s: float = _setting(60.0, _seconds(2, 900), "from SIGTERM to a forced end; > flush + commit")

    fetch_max_bytes: int = _setting(1 << 20, _integer(65_536, 64 << 20), "per partition and fetch")
    fetch_max_wait_ms: int = _setting(100, _integer(1, 5_000), "longest wait of the broker for more data")
    batch_records: int = _setting(8_000, _integer(100, 100_000), "records handed on from one fetch, about")
    fetch_direct: bool = _setting(True, _flag, "read record batches directly; false takes aiokafka's public path")
    compression: str = _setting("lz4", _one_of("lz4", "zstd", "snappy", "gzip", "none"), "codec of what is written")

    metrics_host: str = _setting("127.0.0.1", _host, "address of /metrics, /livez and /readyz")
    metrics_port: int = _setting(9464, _integer(0, 65_535), "its port; 0 takes a free one")
    log_level: str = _setting("INFO", _one_of("DEBUG", "INFO", "WARNING", "ERROR"), "least level that is logged")
    log_json: bool = _setting(False, _flag, "one JSON object a line instead of text")

    security_protocol: str = _setting(
        "PLAINTEXT", _one_of("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"), "how to talk to Kafka"
    )
    sasl_mechanism: str = _setting(
        "SCRAM-SHA-512", _one_of("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"), "with SASL_*"
    )
    sasl_username: str = _setting("", str, "for PLAIN and SCRAM")
    sasl_password: Secret = _setting(Secret(), Secret, "secret, for PLAIN and SCRAM; or …_FILE")
    sasl_token_file: Path | None = _setting(None, _file, "for OAUTHBEARER: file with the token, read at each login")
    tls_ca_file: Path | None = _setting(None, _file, "certificates that sign the brokers' (default: the system's)")
    tls_cert_file: Path | None = _setting(None, _file, "this client's certificate (mutual TLS)")
    tls_key_file: Path | None = _setting(None, _file, "its private key")
    tls_key_password: Secret = _setting(Secret(), Secret, "secret, of the private key; or …_FILE")

    def topic(self, name: str) -> str:
        """The topic's name on the broker: the prefix, then the name of its folder under `schemas/`."""
        return self.topic_prefix + name

    def lacks(self, what: Lack) -> bool:
        """Whether the broker is declared to lack something, which is then not asked of it."""
        return what in parse_banner(self.broker_lacks)


def load_settings(environment: Mapping[str, str]) -> Settings:
    """Settings from variables that begin with `STREAM_AUDIT_`.

    Raises SettingsError with every problem: unknown name, bad value, contradiction. An empty value is as good as none.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    known: set[str] = set()
    for item in fields(Settings):
        name = PREFIX + item.name.upper()
        secret = isinstance(item.default, Secret)
        known |= {name, f"{name}_FILE"} if secret else {name}
        text = _text(environment, name, secret, problems)
        if not text:
            continue
        try:
            values[item.name] = item.metadata["parse"](text)
        except _WrongError as expected:
            problems.append(f"{name}={text!r}: expected {expected}")
    if not environment.get(PREFIX + "BROKERS", "").strip():
        problems.append(f"{PREFIX}BROKERS is not set: expected host:port, several separated by commas")
    problems += [
        f"{name} is no setting: `stream-audit run --help` lists them"
        for name in sorted(environment)
        if name.startswith(PREFIX) and name not in known
    ]
    settings = Settings(**values)
    problems += _contradictions(settings)
    if problems:
        raise SettingsError(problems)
    return settings


SECURITY = (
    "security_protocol", "sasl_mechanism", "sasl_username", "sasl_password", "sasl_token_file", "tls_ca_file",
    "tls_cert_file", "tls_key_file", "tls_key_password",
)  # fmt: skip
"""Fields that say how to talk to Kafka; the command line reads these alone."""


def root_keys(environment: Mapping[str, str]) -> Roots:
    """The root keys alone, for the command line. Raises SettingsError as `load_settings`."""
    name = PREFIX + "ROOT_KEYS"
    return read_roots(load_settings({name: environment.get(name, ""), PREFIX + "BROKERS": "none:1"}).root_keys)


def security_settings(environment: Mapping[str, str], brokers: str) -> Settings:
    """Settings of which only `SECURITY` come from the environment. Raises SettingsError as `load_settings`."""
    names = {PREFIX + name.upper() + end for name in SECURITY for end in ("", "_FILE")}
    chosen = {name: text for name, text in environment.items() if name in names}
    return load_settings({**chosen, PREFIX + "BROKERS": brokers or "none:1"})


def _text(environment: Mapping[str, str], name: str, secret: bool, problems: list[str]) -> str:
    text = environment.get(name, "")
    if not secret:
        return text.strip()
    path = environment.get(f"{name}_FILE", "").strip()
    if path and text:
        problems.append(f"{name} and {name}_FILE are both set: expected one of them")
    elif path:
        try:
            return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError):
            problems.append(f"{name}_FILE={path!r}: expected a file that can be read as UTF-8")
    return text


def _contradictions(s: Settings) -> Iterator[str]:
    least = s.flush_timeout_s + s.commit_timeout_s
    rules: tuple[tuple[bool, str, object, str], ...] = (
        (
            3 * s.heartbeat_interval_s <= s.session_timeout_s,
            "heartbeat_interval_s", s.heartbeat_interval_s,
            f"at most a third of {PREFIX}SESSION_TIMEOUT_S={s.session_timeout_s:g}",
        ),
        (
            s.request_timeout_s >= s.session_timeout_s,
            "request_timeout_s", s.request_timeout_s,
            f"at least {PREFIX}SESSION_TIMEOUT_S={s.session_timeout_s:g}",
        ),
        (
            s.producer_timeout_s <= s.session_timeout_s,
            "producer_timeout_s", s.producer_timeout_s,
            f"at most {PREFIX}SESSION_TIMEOUT_S={s.session_timeout_s:g}, or a worker writes after others took over",
        ),
        (
            s.flush_timeout_s >= s.producer_timeout_s,
            "flush_timeout_s", s.flush_timeout_s,
            f"at least {PREFIX}PRODUCER_TIMEOUT_S={s.producer_timeout_s:g}",
        ),
        (
            s.rebalance_timeout_s > least,
            "rebalance_timeout_s", s.rebalance_timeout_s,
            f"more than flush and commit together, {least:g}",
        ),
        (
            s.shutdown_timeout_s > least,
            "shutdown_timeout_s", s.shutdown_timeout_s,
            f"more than flush and commit together, {least:g}",
        ),
    )  # fmt: skip
    for holds, name, value, expected in rules:
        if not holds:
            yield f"{PREFIX}{name.upper()}={value}: expected {expected}"
    yield from _security_contradictions(s)


def _security_contradictions(s: Settings) -> Iterator[str]:
    sasl, tls = s.security_protocol.startswith("SASL"), s.security_protocol.endswith("SSL")
    if sasl and s.sasl_mechanism == "OAUTHBEARER":
        if s.sasl_token_file is None:
            yield f"{PREFIX}SASL_TOKEN_FILE is not set: OAUTHBEARER needs it"
    elif sasl:
        if not s.sasl_username:
            yield f"{PREFIX}SASL_USERNAME is not set: {s.sasl_mechanism} needs it"
        if not s.sasl_password.reveal():
            yield f"{PREFIX}SASL_PASSWORD is not set: {s.sasl_mechanism} needs it, or {PREFIX}SASL_PASSWORD_FILE"
    elif s.sasl_username or s.sasl_password.reveal() or s.sasl_token_file:
        yield f"{PREFIX}SECURITY_PROTOCOL={s.security_protocol}: expected SASL_SSL, since SASL settings are given"
    if not tls and (s.tls_ca_file or s.tls_cert_file or s.tls_key_file):
        yield f"{PREFIX}SECURITY_PROTOCOL={s.security_protocol}: expected SSL or SASL_SSL, since TLS files are given"
    if (s.tls_cert_file is None) != (s.tls_key_file is None):
        yield f"{PREFIX}TLS_CERT_FILE and {PREFIX}TLS_KEY_FILE: expected both, or neither"


def describe() -> list[tuple[str, str, str]]:
    """(variable, default, meaning) of every setting, in the order of the class."""
    rows = []
    for item in fields(Settings):
        default = "" if item.default is None or item.default == POLICIES_DIR else str(item.default)
        rows.append((PREFIX + item.name.upper(), default, str(item.metadata["about"])))
    return rows

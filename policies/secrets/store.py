"""Reads named secrets from `MANDATE_SECRETS_DIR` or the environment. A value appears in no repr, message or log."""

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from controlplane.kernel.errors import MandateError
from policies.secrets.hosts import BadAddress, address_of, listed, parse_hosts

REFERENCE = "secret:"
CACHE_SECONDS = 5.0
LARGEST_BYTES = 16 * 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)


class SecretUnavailable(MandateError):
    """A named secret is missing, unreadable or has a bad name; the message says where one is looked for."""

    code = "secret_unavailable"
    status = 503


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret: its name, its value (never shown) and the `host[:port]` entries it may be sent to."""

    name: str
    value: str = field(repr=False)
    hosts: frozenset[str]

    def __str__(self) -> str:
        return f"secret:{self.name}"


def secret_name(reference: str) -> str:
    """The name in `secret:openai` or `openai`. Raises SecretUnavailable for anything that is not a name."""
    name = reference.removeprefix(REFERENCE)
    if not _NAME.fullmatch(name):
        raise SecretUnavailable(f'"{reference[:80]}" does not name a secret; write secret:<name>')
    return name


class Secrets:
    """The operator's secrets. A file wins over the environment; both are read again after five seconds."""

    def __init__(self, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._environ = os.environ if environ is None else environ
        self._cache: dict[str, tuple[float, Secret]] = {}

    def get(self, reference: str) -> Secret:
        """The secret that `secret:<name>` or `<name>` names. Raises SecretUnavailable."""
        cached = self._cache.get(reference)
        now = time.monotonic()
        if cached is not None and cached[0] > now:
            return cached[1]
        name = secret_name(reference)
        found = self._from_files(name) or self._from_environment(name)
        if found is None:
            raise SecretUnavailable(
                f'there is no secret "{name}"; write {self._folder.name}/{name} and {name}.hosts in '
                f"MANDATE_SECRETS_DIR, or set {_variable(name)} and {_variable(name)}_HOSTS"
            )
        self._cache[reference] = (now + CACHE_SECONDS, found)
        return found

    def problem(self, reference: str, base_url: str) -> str | None:
        """Why a provider at `base_url` may not use the secret, in words for its author; None when it may."""
        try:
            secret = self.get(reference)
            address = address_of(base_url)
        except (SecretUnavailable, BadAddress) as error:
            return str(error)
        if listed(secret.hosts, address):
            return None
        where = ", ".join(sorted(secret.hosts)) or "nowhere"
        return f'secret "{secret.name}" may be sent to {where}, not to {address}; an operator lists hosts beside it'

    def allowed(self, reference: str, base_url: str) -> bool:
        """Whether the secret exists and `base_url` is at one of its hosts."""
        return self.problem(reference, base_url) is None

    def _from_files(self, name: str) -> Secret | None:
        value = self._read(name)
        if value is None:
            return None
        return _secret(name, value, self._read(f"{name}.hosts") or "")

    def _from_environment(self, name: str) -> Secret | None:
        value = self._environ.get(_variable(name))
        if value is None:
            return None
        return _secret(name, value, self._environ.get(f"{_variable(name)}_HOSTS", ""))

    def _read(self, name: str) -> str | None:
        try:
            with (self._folder / name).open("rb") as file:
                data = file.read(LARGEST_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SecretUnavailable(f'secret "{name}" cannot be read: {error.strerror}') from None
        if len(data) > LARGEST_BYTES:
            raise SecretUnavailable(f'secret "{name}" is larger than {LARGEST_BYTES} bytes')
        return data.decode(
            "utf-8", errors="strict" if name.endswith(".hosts") else "surrogateescape"
        )


def _secret(name: str, value: str, hosts: str) -> Secret:
    cleaned = value.strip()
    if not cleaned.isascii() or not cleaned.isprintable():
        # a header would refuse it later, and its error would quote the value
        raise SecretUnavailable(f'secret "{name}" has characters that no header can carry')
    try:
        return Secret(name, cleaned, parse_hosts(hosts))
    except BadAddress as error:
        raise SecretUnavailable(f'the hosts of secret "{name}" cannot be used: {error}') from None


def _variable(name: str) -> str:
    return "MANDATE_SECRET_" + name.upper().replace("-", "_")

"""Open this installation's key store, with the provider of keys that its environment names."""

from functools import cache

from django.conf import settings
from django.utils.module_loading import import_string

from audit.vault.store import KeyStore, Wrapping

_PROVIDERS = {"file": "audit.vault.store.Plain", "aws-kms": "audit.vault.kms.wrapping"}
"""By MANDATE_KEY_PROVIDER. One is loaded only where it is named, since its SDK is an extra."""


def open_store() -> KeyStore:
    """The keys of content."""
    return KeyStore(settings.MANDATE_KEYS_DIR / "store", wrapping())


@cache
def wrapping() -> Wrapping:
    """The provider of this process."""
    made: Wrapping = import_string(_PROVIDERS[settings.MANDATE_KEY_PROVIDER])()
    return made

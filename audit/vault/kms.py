"""Keys wrapped by AWS KMS: what lies in the folder opens nothing without it, and it sees no content.

A tenant's keys are wrapped by KMS itself, a subject's under a key of the tenant that is: so KMS is asked once for each
tenant, month and process, never for each user. MANDATE_KMS_KEY names the KMS key, as an id, ARN or alias; with
`{tenant}` in it each tenant has its own, which dies with the tenant. Destroying a key removes the wrapped one: KMS keeps none.

boto3 is an extra (`requirements/aws.txt`); nothing else loads this module.
"""

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from audit.vault.seal import NONCE_BYTES, Tampered, seal, unseal
from audit.vault.store import GetOrCreate, KeyUnreadable
from controlplane.kernel.errors import Unavailable

DELETED_AFTER_DAYS = 7
"""The least that KMS allows: until then the deletion of a tenant's own KMS key can be called off."""
_PATIENCE = Config(
    connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2}
)
_FOREIGN = {"InvalidCiphertextException", "IncorrectKeyException"}
_LOCAL = "subject"


class AwsKms:
    """One KMS key for all, or one for each tenant."""

    def __init__(self, client: Any, key: str) -> None:  # noqa: ANN401 - boto3 makes its clients as it runs
        self._client = client
        self._key = key

    @property
    def own(self) -> bool:
        """Whether each tenant has its own."""
        return "{tenant}" in self._key

    def wrap(self, name: str, key: bytes, other: GetOrCreate) -> bytes:
        """Encrypt. Raises Unavailable when KMS cannot be asked: then no key is made."""
        kind, tenant = _parts(name)
        if kind == _LOCAL:
            nonce, wrapped = seal(other(f"wrapping/{tenant}"), name.encode(), key)
            return nonce + wrapped
        given = {"KeyId": self.key_of(tenant), "EncryptionContext": {"mandate": name}}
        blob: bytes = self._ask("encrypt", name, Plaintext=key, **given)["CiphertextBlob"]
        return blob

    def unwrap(self, name: str, wrapped: bytes, other: GetOrCreate) -> bytes:
        """Decrypt. Raises Unavailable when KMS cannot be asked, KeyUnreadable for bytes that were never wrapped so."""
        kind, tenant = _parts(name)
        if kind == _LOCAL:
            nonce, sealed = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
            try:
                return unseal(other(f"wrapping/{tenant}"), name.encode(), nonce, sealed)
            except Tampered as error:
                raise KeyUnreadable(f'the key "{name}" was wrapped under another one') from error
        given = {"KeyId": self.key_of(tenant), "EncryptionContext": {"mandate": name}}
        key: bytes = self._ask("decrypt", name, CiphertextBlob=wrapped, **given)["Plaintext"]
        return key

    def retire(self, tenant: str) -> str:
        """Schedule the deletion of a tenant's own KMS key and return its day; "" where tenants share one."""
        if not self.own:
            return ""
        found = self._ask("describe_key", tenant, KeyId=self.key_of(tenant))["KeyMetadata"]
        if found["KeyState"] != "PendingDeletion":
            window = {"PendingWindowInDays": DELETED_AFTER_DAYS}
            found = self._ask("schedule_key_deletion", tenant, KeyId=found["KeyId"], **window)
        return f"{found['DeletionDate']:%Y-%m-%d}"

    def key_of(self, tenant: str) -> str:
        """Which KMS key wraps for a tenant."""
        return self._key.replace("{tenant}", tenant)

    def _ask(self, what: str, name: str, **given: object) -> Any:  # noqa: ANN401 - the answer's shape is KMS's
        try:
            return getattr(self._client, what)(**given)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _FOREIGN:
                raise KeyUnreadable(f'KMS does not know the bytes of the key "{name}"') from error
            raise Unavailable(f'KMS refuses {what} for the key "{name}": {code}') from error
        except BotoCoreError as error:
            raise Unavailable(f'KMS cannot be asked for the key "{name}": {error}') from error


def wrapping() -> AwsKms:
    """As the environment says; credentials, region and endpoint are those of the AWS SDK's own variables."""
    return AwsKms(boto3.client("kms", config=_PATIENCE), settings.MANDATE_KMS_KEY)


def _parts(name: str) -> tuple[str, str]:
    kind, tenant = name.split("/")[:2]
    return kind, tenant

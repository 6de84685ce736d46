"""A register in an object store that has conditional writes (S3 and what speaks like it).

boto3 is an extra (`requirements/aws.txt`); `choose.py` loads this module where such a register is named, nothing else does.
"""

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from audit.register.base import Moved, Unreachable

_MOVED = {"PreconditionFailed", "ConditionalRequestConflict"}
_MISSING = {"NoSuchKey", "404"}


class BucketRegister:
    """One object for each origin. Versioning and object lock of the bucket keep every note that it ever held."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._client: Any = boto3.client(
            "s3",
            config=Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 1}),
        )

    @property
    def place(self) -> str:
        """Bucket and prefix."""
        return f"bucket {self._bucket}/{self._prefix}"

    def load(self, origin: str) -> str | None:
        """The object's text."""
        return self._look(origin)[0]

    def swap(self, origin: str, old: str | None, new: str) -> None:
        """Write on the condition that the object is still the one that was compared."""
        held, tag = self._look(origin)
        if held != old:
            raise Moved("the register moved: another signer of this log is at work")
        condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=self._key(origin),
                Body=new.encode(),
                ContentType="text/plain; charset=utf-8",
                **condition,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in _MOVED:
                raise Moved("the register moved: another signer of this log is at work") from error
            raise self._unreachable(error) from error
        except BotoCoreError as error:
            raise self._unreachable(error) from error

    def _look(self, origin: str) -> tuple[str | None, str | None]:
        try:
            found = self._client.get_object(Bucket=self._bucket, Key=self._key(origin))
            return found["Body"].read().decode(), found["ETag"]
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return None, None
            raise self._unreachable(error) from error
        except BotoCoreError as error:
            raise self._unreachable(error) from error

    def _key(self, origin: str) -> str:
        return f"{self._prefix}{origin}/checkpoint"

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(f"the register does not answer: {type(error).__name__}")

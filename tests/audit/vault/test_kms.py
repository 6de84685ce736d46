"""Keys wrapped by AWS KMS, against moto: nothing in the folder opens without it, and it is asked once for a tenant's month."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import boto3
import pytest
from moto import mock_aws

from audit.vault.keys import CallKeys, Erased, commit_user, subject_of_user
from audit.vault.kms import AwsKms
from audit.vault.store import KeyStore, KeyUnreadable, fingerprint
from controlplane.kernel.errors import Unavailable

TENANT_KEY = "tenant/insurance/2026-11"
SUBJECT = "subject/insurance/user/0f"
CALL = UUID("019392a0-0000-7000-8000-000000000001")


class Counting:
    """KMS, counting what it is asked; `away` makes it refuse."""

    def __init__(self, client: Any) -> None:
        self.asked: Counter[str] = Counter()
        self.client = client

    def __getattr__(self, name: str) -> Any:
        self.asked[name] += 1
        return getattr(self.client, name)


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counting]:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        client = boto3.client("kms")
        for tenant in ("shared", "insurance", "retail"):
            made = client.create_key()["KeyMetadata"]["KeyId"]
            client.create_alias(AliasName=f"alias/mandate-{tenant}", TargetKeyId=made)
        yield Counting(client)


def stored(kms: Counting, folder: Path, key: str = "alias/mandate-shared") -> KeyStore:
    return KeyStore(folder, AwsKms(kms, key))


def test_no_key_lies_in_the_folder_as_it_is(kms: Counting, tmp_path: Path) -> None:
    store = stored(kms, tmp_path)
    keys = [store.get_or_create(name) for name in (TENANT_KEY, SUBJECT, "subjects/insurance")]
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 4  # and the one that wraps subjects
    assert [key for key in keys if any(key in content for content in files)] == []
    assert [stored(kms, tmp_path).get(name) for name in (TENANT_KEY, SUBJECT)] == keys[:2]


def test_kms_is_asked_once_for_a_tenants_month_and_never_for_a_user(
    kms: Counting, tmp_path: Path
) -> None:
    first = stored(kms, tmp_path)
    for number in range(50):
        CallKeys.derive(first, "insurance", "2026-11", f"{SUBJECT}{number}", CALL)
    kms.asked.clear()
    process = stored(kms, tmp_path)
    for _ in range(3):
        for number in range(50):
            CallKeys.recall(process, CALL, TENANT_KEY, f"{SUBJECT}{number}")
    assert kms.asked == {"decrypt": 2}


def test_a_wrapped_key_opens_under_its_own_name_only(kms: Counting, tmp_path: Path) -> None:
    store = stored(kms, tmp_path)
    for mine, other in ((TENANT_KEY, "tenant/retail/2026-11"), (SUBJECT, f"{SUBJECT}1")):
        store.get_or_create(mine)
        store.get_or_create(other)
        places = {
            name: tmp_path.joinpath(*name.split("/")).with_suffix(".key") for name in (mine, other)
        }
        places[mine].write_bytes(places[other].read_bytes())
        with pytest.raises(KeyUnreadable, match=f'the key "{mine}"|of the key "{mine}"'):
            stored(kms, tmp_path).get(mine)


def test_a_destroyed_key_is_gone_from_the_folder_and_from_every_process(
    kms: Counting, tmp_path: Path
) -> None:
    one, two = stored(kms, tmp_path), stored(kms, tmp_path)
    user = subject_of_user("insurance", commit_user(one, "insurance", "customer-17"))
    keys = CallKeys.derive(one, "insurance", "2026-11", user, CALL)
    part = keys.seal("request", b"what is owed")
    assert CallKeys.recall(two, CALL, *part[3:5]).unseal(part) == b"what is owed"
    wrapped = next(path for path in tmp_path.rglob("*.key") if "user" in path.parts).read_bytes()
    assert one.destroy(user)
    with pytest.raises(Erased):
        CallKeys.recall(two, CALL, part.tenant_key, part.subject_key)
    assert not any(wrapped in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_without_kms_no_key_is_made_and_the_error_can_be_tried_again(
    kms: Counting, tmp_path: Path
) -> None:
    store = stored(kms, tmp_path, "alias/mandate-nobody")
    with pytest.raises(Unavailable, match=r"KMS refuses encrypt .*NotFoundException") as refused:
        store.get_or_create(TENANT_KEY)
    assert (refused.value.status, refused.value.retryable) == (503, True)
    assert list(tmp_path.rglob("*")) == []


def test_a_tenants_own_kms_key_dies_with_it(kms: Counting, tmp_path: Path) -> None:
    wrapping = AwsKms(kms, "alias/mandate-{tenant}")
    store = KeyStore(tmp_path, wrapping)
    mine, other = store.get_or_create(TENANT_KEY), store.get_or_create("tenant/retail/2026-11")
    day = wrapping.retire("insurance")
    found = kms.client.describe_key(KeyId="alias/mandate-insurance")["KeyMetadata"]
    assert (found["KeyState"], f"{found['DeletionDate']:%Y-%m-%d}") == ("PendingDeletion", day)
    assert wrapping.retire("insurance") == day
    retail = kms.client.describe_key(KeyId="alias/mandate-retail")["KeyMetadata"]
    assert (retail["KeyState"], mine == other) == ("Enabled", False)
    assert AwsKms(kms, "alias/mandate-shared").retire("insurance") == ""


def test_a_fingerprint_tells_keys_apart_and_is_no_key() -> None:
    assert fingerprint(bytes(32)) == "d43c6d8d82c0e67a495b06afb045d3d0"
    assert fingerprint(bytes(31) + b"\1") != fingerprint(bytes(32))

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from audit.vault.keys import (
    CallKeys,
    Erased,
    Sealed,
    commit_user,
    month_of,
    subject_of_team,
    subject_of_user,
)
from audit.vault.read import open_content, open_parts
from audit.vault.seal import Tampered, content_aad, seal, unseal
from audit.vault.store import KeyStore
from controlplane.kernel.ids import IdSource
from tests.audit.conftest import LogDatabase

CALL = IdSource(lambda: datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)).new()
TEAM = subject_of_team("insurance", "claims")
CANARY = b"the canary sings at four in the morning"
PUT = "SELECT vault_put(%s, %s, %s::smallint, %s, %s, %s, %s)"


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path)


@pytest.fixture
def keys(store: KeyStore) -> CallKeys:
    return CallKeys.derive(store, "insurance", month_of(CALL), TEAM, CALL)


def test_names_say_which_keys_open_a_call(keys: CallKeys) -> None:
    assert (keys.tenant_key, keys.subject_key) == (
        "tenant/insurance/2026-11",
        "subject/insurance/team/claims",
    )
    assert subject_of_user("insurance", "ab12") == "subject/insurance/user/ab12"


def test_sub_keys_are_those_of_rfc_5869(store: KeyStore, keys: CallKeys) -> None:
    first, second = store.get(keys.tenant_key), store.get(keys.subject_key)
    assert first and second  # noqa: PT018 - one fact
    for purpose in ("request", "answer", "frames", "commitments"):
        info = CALL.bytes + purpose.encode()
        expected = HKDF(SHA256(), 32, b"mandate/vault/1", info).derive(first + second)
        assert getattr(keys, purpose) == expected


def test_calls_purposes_tenants_and_subjects_never_share_a_key(store: KeyStore) -> None:
    ids = IdSource()
    made = [
        CallKeys.derive(store, tenant, month, subject, call)
        for tenant in ("insurance", "retail")
        for month in ("2026-11", "2026-12")
        for subject in (TEAM, "subject/insurance/user/ab")
        for call in (ids.new(), ids.new())
    ]
    derived = [
        key for one in made for key in (one.request, one.answer, one.frames, one.commitments)
    ]
    assert len(set(derived)) == len(made) * 4
    assert "request" not in repr(made[0])


def test_what_is_sealed_is_opened_by_the_keys_of_the_same_names(
    store: KeyStore, keys: CallKeys
) -> None:
    sealed = keys.seal("request", CANARY)
    assert CANARY not in b"".join((sealed.nonce, sealed.ciphertext))
    assert len(sealed.ciphertext) == len(CANARY) + 16
    recalled = CallKeys.recall(store, CALL, sealed.tenant_key, sealed.subject_key)
    assert recalled == keys
    assert recalled.unseal(sealed) == CANARY
    assert keys.seal("request", CANARY).nonce != sealed.nonce


@given(plaintext=st.binary(max_size=200), at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_any_flipped_bit_is_noticed(plaintext: bytes, at: int, bit: int) -> None:
    key, aad = b"k" * 32, content_aad(CALL, "request", 0)
    nonce, ciphertext = seal(key, aad, plaintext)
    assert unseal(key, aad, nonce, ciphertext) == plaintext
    changed = bytearray(ciphertext)
    changed[at % len(changed)] ^= 1 << bit
    for wrong in (
        (key, aad, nonce, bytes(changed)),
        (key, aad, bytes(12), ciphertext),
        (key, content_aad(CALL, "request", 1), nonce, ciphertext),
        (key, content_aad(CALL, "answer", 0), nonce, ciphertext),
        (key, content_aad(UUID(int=CALL.int ^ 1), "request", 0), nonce, ciphertext),
        (b"K" * 32, aad, nonce, ciphertext),
        (key, aad, nonce, b""),
    ):
        with pytest.raises(Tampered):
            unseal(*wrong)


def test_a_field_is_request_or_answer(keys: CallKeys) -> None:
    with pytest.raises(ValueError, match='"prompt" is no field of the vault'):
        keys.seal("prompt", b"")
    answer = keys.seal("answer", b"x")
    with pytest.raises(Tampered):
        keys.unseal(answer._replace(field="request"))


@pytest.mark.parametrize("which", ["tenant_key", "subject_key"])
def test_destroying_either_key_erases(store: KeyStore, keys: CallKeys, which: str) -> None:
    sealed = keys.seal("request", CANARY)
    name = getattr(keys, which)
    store.destroy(name)
    with pytest.raises(Erased, match=name):
        open_parts(store, [sealed])
    # a new call under the same names makes a new key, and the old content stays erased
    CallKeys.derive(store, "insurance", "2026-11", TEAM, CALL)
    with pytest.raises(Erased):
        open_parts(store, [sealed])


def test_a_change_is_not_taken_for_an_erasure(store: KeyStore, keys: CallKeys) -> None:
    sealed = keys.seal("request", CANARY)
    with pytest.raises(Tampered):
        open_parts(store, [sealed._replace(ciphertext=b"x" * 40)])


def test_parts_are_joined_and_a_missing_one_is_noticed(store: KeyStore, keys: CallKeys) -> None:
    parts = [keys.seal("answer", text, no) for no, text in enumerate((b"one ", b"two ", b"three"))]
    assert open_parts(store, parts) == b"one two three"
    assert open_parts(store, []) is None
    for wrong in (parts[1:], [parts[0], parts[2]], parts[::-1]):
        with pytest.raises(Tampered):
            open_parts(store, wrong)


def test_a_user_is_committed_the_same_way_for_ever_and_otherwise_in_each_tenant(
    store: KeyStore, tmp_path: Path
) -> None:
    one = commit_user(store, "insurance", "customer-17")
    assert one == commit_user(KeyStore(tmp_path), "insurance", "customer-17")
    assert len(bytes.fromhex(one)) == 32
    others = {
        commit_user(store, "retail", "customer-17"),
        commit_user(store, "insurance", "customer-18"),
    }
    assert len(others | {one}) == 3
    assert not store.destroyed("subjects/insurance")


def test_a_commitment_can_be_checked_only_while_the_keys_stand(
    store: KeyStore, keys: CallKeys
) -> None:
    made = keys.commit("request", CANARY)
    assert made == keys.commit("request", CANARY)
    assert len({made, keys.commit("answer", CANARY), keys.commit("request", b"guess")}) == 3
    store.destroy(keys.subject_key)
    again = CallKeys.derive(store, "insurance", "2026-11", TEAM, CALL)
    assert again.commit("request", CANARY) != made


def test_the_month_is_that_of_the_calls_id() -> None:
    assert month_of(CALL) == "2026-11"
    later = IdSource(lambda: datetime(2026, 12, 1, tzinfo=UTC)).new()
    assert month_of(later) == "2026-12"


def test_neither_content_nor_keys_come_into_postgresql(
    log_db: LogDatabase, store: KeyStore, keys: CallKeys
) -> None:
    with log_db.app() as db, db.cursor() as cursor:
        for no in (0, 1):
            db.execute(PUT, keys.seal("request", CANARY, no))
        assert open_content(store, cursor, CALL, "request") == CANARY * 2
        assert open_content(store, cursor, CALL, "answer") is None
        rows = db.execute("SELECT * FROM vault_content").fetchall()
    everything = b"".join(
        value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row
    )
    first, second = store.get(keys.tenant_key), store.get(keys.subject_key)
    secrets = (first, second, keys.request, keys.answer, keys.frames, keys.commitments, CANARY)
    assert len(rows) == 2
    assert not [secret for secret in secrets if secret is None or secret in everything]
    store.destroy(keys.tenant_key)
    with log_db.app() as db, db.cursor() as cursor, pytest.raises(Erased):
        open_content(store, cursor, CALL, "request")


def test_a_row_that_is_moved_to_another_call_does_not_open(
    log_db: LogDatabase, store: KeyStore, keys: CallKeys
) -> None:
    other = IdSource().new()
    moved = Sealed(other, *keys.seal("request", CANARY)[1:])
    with log_db.app() as db, db.cursor() as cursor:
        db.execute(PUT, moved)
        with pytest.raises(Tampered):
            open_content(store, cursor, other, "request")

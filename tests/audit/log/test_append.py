import json
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.transaction import TransactionManagementError

from audit.log.append import append
from audit.log.models import Entry
from tests.audit.conftest import IDS, an_entry

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_entry_stands_or_falls_with_what_it_records() -> None:
    kept, undone = an_entry(tenant="t-append"), an_entry(tenant="t-append")
    with transaction.atomic():
        append(kept)
    with transaction.atomic():
        append(undone)
        transaction.set_rollback(True)
    assert list(Entry.objects.filter(tenant="t-append").values_list("id", flat=True)) == [kept.id]


def test_it_needs_a_transaction() -> None:
    with pytest.raises(TransactionManagementError, match=r"key\.created must be appended in"):
        append(an_entry())


def test_what_postgresql_refuses_fails_the_action() -> None:
    entry = an_entry()
    with transaction.atomic():
        append(entry)
    with pytest.raises(IntegrityError), transaction.atomic():
        append(entry)


def test_a_row_reads_back_as_it_was_written() -> None:
    call = IDS.new()
    entry = an_entry("call.admitted", call=call, tenant="t-append-2", data={"revision": 4})
    with transaction.atomic():
        append(entry)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id()::text::bigint, current_user")
            xid, role = cursor.fetchone()
    row = Entry.objects.get(call=call)
    assert (row.id, row.kind, row.tenant, row.log) == (entry.id, entry.kind, entry.tenant, 1)
    assert (bytes(row.body), row.xid) == (entry.body, xid)
    assert json.loads(bytes(row.body))["data"] == {"revision": 4}
    assert isinstance(row.call, UUID)
    assert role != "mandate_owner"
    assert str(row) == f"call.admitted {entry.id}"

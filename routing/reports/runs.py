"""Find the calls of a run by the name that its caller gave it: the rows have only the tenants' commitments to it."""

from django.db.models import Q

from audit.vault.keys import find_run
from policies.bundles.published import published
from routing.reports.content import store


def of_run(name: str) -> Q:
    """The condition on calls of a run: by the commitment as the API shows it, or by the name in any tenant."""
    condition = Q(run=name)
    for document in published().documents:
        ref = find_run(store(), document.name, name) if document.kind == "Tenant" else ""
        if ref:
            condition |= Q(tenant=document.name, run=ref)
    return condition

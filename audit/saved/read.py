"""Which views somebody keeps."""

from uuid import UUID

from django.db.models import QuerySet

from audit.saved.models import SavedView
from controlplane.kernel.errors import NotFound
from controlplane.kernel.principal import Principal


def own(principal: Principal) -> QuerySet[SavedView]:
    """The principal's own, by name."""
    return SavedView.objects.filter(owner=principal.actor).order_by("name")


def one(principal: Principal, view: UUID) -> SavedView:
    """An own view. Raises NotFound."""
    row = own(principal).filter(pk=view).first()
    if row is None:
        raise NotFound(f'you keep no view "{view}"')
    return row


def anybodys(view: UUID) -> SavedView:
    """A view by its link. Raises NotFound."""
    row = SavedView.objects.filter(pk=view).first()
    if row is None:
        raise NotFound(f'there is no view "{view}"')
    return row

"""Objects of identity that the table's addresses use up: each is made anew for whoever asks."""

import secrets
from collections.abc import Callable

from controlplane.kernel.principal import Principal
from policies.identity import commands, invitations, members
from policies.identity.invitations import Guest
from policies.identity.models import Team, Tenant


def makers(tess: Principal, tenant: str, team: str) -> dict[str, Callable[[], str]]:
    """What stands for {person}, {guest}, {invitation}, {link}, {apikey} and {spare}, all of one tenant."""

    def address() -> str:
        return f"p{secrets.token_hex(6)}@acme.example"

    def person() -> str:
        user = members.create_member(tess, address(), "Passing Guest")
        members.add_membership(tess, user, tenant, team)
        return user.email

    def spare() -> str:
        row = Team(tenant=Tenant.objects.get(slug=tenant), slug=f"{tenant}-{secrets.token_hex(4)}")
        row.save(actor=tess.actor)
        return row.slug

    def idle() -> str:
        row = Tenant(slug=f"idle-{secrets.token_hex(4)}")
        row.save(actor=tess.actor)
        return row.slug

    def key() -> str:
        wanted = commands.NewKey(tenant=tenant, team=team, name=f"{tenant}-spare")
        return commands.create_key(tess, wanted).id

    def invitation() -> str:
        return invitations.invite(tess, Guest(email=address(), teams=((tenant, team),))).id

    return {
        "guest": address,
        "person": person,
        "spare": spare,
        "idle": idle,
        "apikey": key,
        "invitation": invitation,
        "link": lambda: invitations.invite(tess, Guest(email=address())).shown,
    }

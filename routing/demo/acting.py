"""How people of the story act: by the console's commands, as who they are."""

from controlplane.kernel.principal import Principal
from policies.bundles.principals import principal_for
from policies.bundles.published import published
from policies.changes import commands, publishing
from policies.identity.models import User


def person(name: str) -> Principal:
    """One of the demo's people, with the roles that are published now."""
    return principal_for(User.objects.get(email=f"{name}@acme.example"), published())


def agree(wanted: commands.NewChange, text: str) -> None:
    """Ada writes a change and Cleo approves it: it is published."""
    ada = person("ada")
    change = commands.draft(ada, wanted)
    commands.put_texts(ada, change.pk, text)
    publishing.submit(ada, change.pk)
    publishing.approve(person("cleo"), change.pk)

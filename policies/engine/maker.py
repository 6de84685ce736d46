"""What makes the views of a bundle: its documents, its checked conditions, and what a name means."""

from collections.abc import Mapping

from controlplane.kernel.errors import InvalidRequest
from policies.documents.document import Identity
from policies.documents.whole import resolve
from policies.engine.bundle import Governed, Key
from policies.engine.cel import NotCompilable
from policies.engine.forms import CheckedForms, form_key
from policies.engine.rules import Expression, expression
from policies.engine.wire import NotReadable


class InvalidBundle(InvalidRequest):
    """The bundle's text and its checked forms do not belong together, or are of another engine."""

    code = "invalid_bundle"


class Maker:
    """One bundle while its views are made; all references were resolved when it was checked."""

    def __init__(
        self, documents: Mapping[Identity, Governed], organisation: Governed, checked: CheckedForms
    ) -> None:
        self.documents = documents
        self.organisation = organisation
        self.forms = checked.forms
        self.places = checked.places

    def of(self, kind: str) -> list[Governed]:
        """Every document of a kind."""
        return [d for d in self.documents.values() if d.kind == kind]

    def key(self, kind: str, tenant: str, name: str | None) -> Key | None:
        """The document a name means, None for no name. Raises InvalidBundle."""
        if not name:
            return None
        found = resolve(self.documents, kind, tenant, name)
        if found is None:
            raise InvalidBundle(f'there is no {kind} "{name}"')
        return found[1], found[2]

    def must(self, kind: str, tenant: str, name: str) -> Key:
        """The document a name means. Raises InvalidBundle."""
        found = self.key(kind, tenant, name)
        if found is None:
            raise InvalidBundle(f"a {kind} is not named")
        return found

    def expression(self, document: Governed, path: str, text: str = "") -> Expression:
        """The condition at a path, compiled; `text` where it is not a field of the spec itself. Raises InvalidBundle."""
        identity = (document.kind, document.tenant, document.name)
        form = self.forms.get(form_key(identity, path))
        text = text or document.spec[path.removeprefix("spec.")]
        if form is None or form.text != text:
            raise InvalidBundle(f'{document.kind} "{document.name}" {path} was not checked')
        try:
            return expression(form)
        except (NotCompilable, NotReadable) as error:
            raise InvalidBundle(f'{document.kind} "{document.name}" {path}: {error}') from error

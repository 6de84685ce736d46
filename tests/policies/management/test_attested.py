"""A review in Git counts as approval, and only then: signed, fresh, of exactly this, by people who may, once."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings

from policies.changes import attestation
from policies.changes.attestation import Attestation, signed
from policies.changes.models import Approval, ChangeRequest
from policies.order.lock import control
from tests.policies.changes.conftest import world
from tests.policies.changes.world import World, force
from tests.policies.folders.test_folder import git
from tests.policies.management.running import Ran, run
from tests.policies.texts import permission

pytestmark = pytest.mark.usefixtures("application_role")
__all__ = ["world"]
REPOSITORY = "https://github.com/acme/policies.git"


def pem() -> bytes:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass
class Pipeline:
    """A repository with one rule, a key that operators listed, and the attestation that it would sign."""

    world: World
    folder: Path
    key: Path

    def words(self) -> Attestation:
        told = json.loads(run("policy", "plan", str(self.folder), "--json").said)
        return Attestation(
            repository=REPOSITORY,
            commit=git(self.folder, "rev-parse", "HEAD"),
            content=told["digest"],
            base=told["revision"],
            author=self.world.tariq.id,
            approvers=(self.world.cleo.id,),
            at=datetime.now(UTC),
        )

    def apply(self, text: str) -> Ran:
        file = self.folder.parent / "review.json"
        file.write_text(text, encoding="utf-8")
        return run("policy", "apply", str(self.folder), "--attestation", str(file))

    def sign(self, **changed: object) -> str:
        words = msgspec.structs.replace(self.words(), **changed)
        return signed(words, "ci", self.key.read_bytes())


@pytest.fixture
def pipeline(world: World, tmp_path: Path) -> Pipeline:
    folder = tmp_path / "repo" / "policy"
    folder.mkdir(parents=True)
    (folder / "p.yaml").write_text(permission("p", world.tenant), encoding="utf-8")
    git(folder, "init", "-q")
    git(folder, "remote", "add", "origin", REPOSITORY)
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "a rule")
    key = tmp_path / "key.pem"
    key.write_bytes(pem())
    shown = run("policy", "attest", str(folder), "--key", str(key), "--key-id", "ci", "--show-key")
    assert shown.code == 0, shown.complained
    (settings.MANDATE_KEYS_DIR / attestation.KEYS_FILE).write_text(shown.said, encoding="utf-8")
    return Pipeline(world, folder, key)


def test_a_review_in_git_publishes_in_four_eyes(pipeline: Pipeline) -> None:
    before, world = control(), pipeline.world
    made = run(
        "policy", "attest", str(pipeline.folder), "--key", str(pipeline.key), "--key-id", "ci",
        "--author", world.tariq.id, "--approver", world.cleo.id,
    )  # fmt: skip
    assert made.code == 0, made.complained
    done = pipeline.apply(made.said)
    assert (done.code, done.complained) == (0, "")
    assert control().revision == before.revision + 1
    row = ChangeRequest.objects.get(published_revision=control().revision)
    assert (row.author, row.flagged) == (world.tariq.actor, False)
    (yes,) = row.approvals.all()
    commit = git(pipeline.folder, "rev-parse", "HEAD")
    assert (yes.actor, yes.reason) == (
        world.cleo.actor,
        f"reviewed in Git: {REPOSITORY} at {commit}",
    )
    assert len(yes.attestation) == 64


def _other_key(p: Pipeline) -> str:
    return signed(p.words(), "ci", pem())


def _altered(p: Pipeline) -> str:
    return p.sign().replace(p.world.cleo.id, p.world.dora.id)


def _other_repository(p: Pipeline) -> str:
    return p.sign(repository="https://github.com/mallory/policies.git")


def _unlisted(p: Pipeline) -> str:
    return signed(p.words(), "other", p.key.read_bytes())


REFUSED: dict[str, tuple[Callable[[Pipeline], str], str]] = {
    "forged": (_other_key, "the signature of this attestation is not of what it says"),
    "altered": (_altered, "the signature of this attestation is not of what it says"),
    "unlisted": (_unlisted, 'no key "other" is listed for'),
    "repository": (_other_repository, 'no key "ci" is listed for'),
    "content": (lambda p: p.sign(content="0" * 64), "is of another content"),
    "base": (lambda p: p.sign(base=p.words().base - 1), "this attestation is over revision"),
    "old": (lambda p: p.sign(at=datetime.now(UTC) - timedelta(hours=25)), "older than a day"),
    "future": (lambda p: p.sign(at=datetime.now(UTC) + timedelta(hours=1)), "older than a day"),
    "author": (
        lambda p: p.sign(author=p.world.cleo.id.upper()),
        "wrote this commit and does not approve it",
    ),
    "role": (
        lambda p: p.sign(approvers=(p.world.finn.id,)),
        "Finn holds no role that approves this",
    ),
    "stranger": (lambda p: p.sign(approvers=("no@acme.example",)), "there is no member"),
    "no attestation": (lambda _: "{}", "this is no attestation"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_each_is_refused_with_its_own_error_and_nothing_changes(
    pipeline: Pipeline, name: str
) -> None:
    make, told = REFUSED[name]
    before, changes, given = control(), ChangeRequest.objects.count(), Approval.objects.count()
    done = pipeline.apply(make(pipeline))
    assert (done.code, told in done.complained) == (1, True), done.complained
    assert (control(), ChangeRequest.objects.count(), Approval.objects.count()) == (
        before,
        changes,
        given,
    )


def test_it_counts_once(pipeline: Pipeline) -> None:
    text = pipeline.sign()
    assert pipeline.apply(text).code == 0
    yes = Approval.objects.exclude(attestation="").order_by("-given_at")[0]
    # the same change again, over the same base: what a replayed attestation would need
    before = control()
    again = msgspec.structs.replace(pipeline.words(), content=yes.digest, base=yes.base)
    assert (again.content, again.base) == (yes.digest, yes.base)
    replayed = pipeline.apply(text)
    assert replayed.said.startswith("nothing to change")
    force(permission("p", pipeline.world.tenant, "request.stream"))
    moved = pipeline.apply(text)
    assert (moved.code, "this attestation is over revision" in moved.complained) == (1, True)
    assert control().revision == before.revision + 1


def test_a_withdrawn_change_does_not_free_its_attestation(pipeline: Pipeline) -> None:
    text = pipeline.sign()
    row = ChangeRequest.objects.order_by("-id").first()
    digest = attestation.checked(
        text, attestation.listed_keys(settings.MANDATE_KEYS_DIR), datetime.now(UTC)
    ).digest
    assert row is not None
    Approval(
        change=row, actor=pipeline.world.cleo.actor, base=1, digest="x", attestation=digest,
        given_at=datetime.now(UTC), dismissed_at=datetime.now(UTC),
    ).save()  # fmt: skip
    before = control()
    done = pipeline.apply(text)
    assert (done.code, done.complained) == (1, "this attestation has counted already")
    assert control() == before

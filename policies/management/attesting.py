"""`policy attest`: a pipeline signs who reviewed a commit, for `policy apply --attestation`."""

from datetime import UTC, datetime
from pathlib import Path

from controlplane.kernel.errors import InvalidRequest
from policies.changes.attestation import Attestation, key_line, signed
from policies.management.work import Work, read_file


def attest(work: Work) -> None:
    """One line on standard output. Raises InvalidRequest where nothing would change, or nobody is named."""
    file: Path = work.options["key"]
    pem, key_id = read_file(file, "a private key").encode(), work.options["key_id"]
    if work.options["show_key"]:
        folder = work.local().folder
        work.command.stdout.write(key_line(key_id, pem, folder.repository))
        return
    local, plan = work.planned()
    author, approvers = work.options["author"], work.options["approver"]
    if not (plan["digest"] and author and approvers):
        raise InvalidRequest("there is nothing to attest, or no --author and --approver was said")
    said = Attestation(
        repository=local.folder.repository,
        commit=local.folder.commit,
        content=plan["digest"],
        base=plan["revision"],
        author=author,
        approvers=tuple(approvers),
        at=datetime.now(UTC),
    )
    work.command.stdout.write(signed(said, key_id, pem))

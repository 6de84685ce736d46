"""Which repository, commit and path a folder has: asked of Git, or said by a pipeline."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Repository:
    """Where a folder is kept. All empty for a folder that is in no Git repository.

    `prefix` is the folder's own path in the repository; a commit ends in `-dirty` where files differ from it.
    """

    url: str = ""
    commit: str = ""
    prefix: str = ""

    def path_of(self, file: Path, folder: Path) -> str:
        """The path of a file in the repository."""
        return f"{self.prefix}{file.relative_to(folder).as_posix()}"


def repository_of(folder: Path, url: str = "", commit: str = "") -> Repository:
    """What Git says of a folder; what is given by name goes before it."""
    top = _git(folder, "rev-parse", "--show-toplevel")
    if not top:
        return Repository(_clean(url), commit)
    found = commit or _git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    if found and not commit and _git(folder, "status", "--porcelain", "--", "."):
        found += "-dirty"
    remote = url or _git(folder, "config", "--get", "remote.origin.url") or Path(top).name
    return Repository(_clean(remote), found, _git(folder, "rev-parse", "--show-prefix"))


def _git(folder: Path, *words: str) -> str:
    program = shutil.which("git")
    if program is None or not folder.is_dir():
        return ""
    try:
        done = subprocess.run(  # noqa: S603 - Git itself, without a shell
            [program, "-C", str(folder), *words],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _clean(url: str) -> str:
    """The address without the name and password that a clone may carry."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def link(repository: str, commit: str, path: str, line: int) -> str:
    """The page of a file's line at its host; empty where the repository has no address of the web."""
    web = repository.removesuffix(".git")
    if web.startswith("git@") and ":" in web:
        host, _, rest = web.removeprefix("git@").partition(":")
        web = f"https://{host}/{rest}"
    parts = urlsplit(web)
    if parts.scheme != "https" or not parts.netloc or not commit:
        return ""
    blob = "/-/blob/" if "gitlab" in parts.netloc else "/blob/"
    return f"{web}{blob}{commit.removesuffix('-dirty')}/{path}#L{line}"

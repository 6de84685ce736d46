"""Whether one check of `/readyz` is fine, for a container's health: `python deploy/healthy.py URL CHECK…`, standard library only.

A process without a web server of its own is judged by what it leaves in the database: the lease of a worker, the age of the
last sweep, the sequencer's sign of life, the log's own check that jobs and beat keep.
"""

import json
import sys
import urllib.error
import urllib.request

SECONDS = 5


def checks_of(url: str) -> dict[str, bool]:
    """Every check by its name; of a web process that is not ready too. Raises OSError, ValueError."""
    # the name under which we reach it is none that it serves
    request = urllib.request.Request(f"{url}/readyz", headers={"Host": "localhost"})  # noqa: S310 - given by the operator
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 - as above
            told = json.load(answer)
    except urllib.error.HTTPError as unready:
        told = json.load(unready)
    return {check["name"]: check["ok"] for check in told["checks"]}


def main(arguments: list[str]) -> int:
    """The exit code: 0 when every named check is fine."""
    url, *wanted = arguments
    try:
        found = checks_of(url)
    except (OSError, ValueError) as away:
        sys.stderr.write(f"{url}: {type(away).__name__}\n")
        return 1
    wrong = [name for name in wanted if not found.get(name, False)]
    if wrong:
        sys.stderr.write(f"not fine: {', '.join(wrong)}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

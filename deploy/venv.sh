#!/bin/sh
# Make .venv and install the pinned packages of requirements/$1.txt, once: a stamp holds the hash of what was installed.
set -eu
cd "$(dirname "$0")/.."
list=requirements/$1.txt
stamp=.venv/.installed

fail() { echo "mandate: $*" >&2; exit 1; }
works() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
hash_of() { cksum "$@" | cksum | tr ' ' '-'; }

# dev holds everything of base, so it satisfies both
wanted=$1-$(hash_of "$list")
dev=dev-$(hash_of requirements/dev.txt)
if [ -f "$stamp" ] && works .venv/bin/python; then
  have=$(cat "$stamp")
  [ "$have" = "$wanted" ] && exit 0
  [ "$1" = base ] && [ "$have" = "$dev" ] && exit 0
fi

python=
for candidate in ${PYTHON:-} python3.13 python3.12 python3.11 python3 python; do
  if works "$candidate"; then python=$candidate; break; fi
done
[ -n "$python" ] || fail "no Python 3.11 or newer was found; install one, or name it: PYTHON=/path/to/python3.11 make ..."

works .venv/bin/python || {
  echo "mandate: making .venv with $("$python" --version)" >&2
  rm -rf .venv
  if ! "$python" -m venv .venv 2>.venv-error; then
    # Debian splits ensurepip into python3-venv
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
      version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
      { apt-get update && apt-get install -y "python$version-venv"; } >.venv-error 2>&1 || true
      rm -rf .venv
    fi
    "$python" -m venv .venv 2>>.venv-error || { cat .venv-error >&2; rm -f .venv-error; fail "no virtual environment could be made; on Debian: apt-get install python3-venv"; }
  fi
  rm -f .venv-error
}

echo "mandate: installing $list" >&2
.venv/bin/python -m pip install -qq --disable-pip-version-check --no-input --require-hashes -r "$list" ||
  fail "the packages could not be installed; is a package index reachable? (see pip's message above)"
echo "$wanted" >"$stamp"

"""`python -m audit.witness`: a witness without Django."""

import sys
from argparse import ArgumentParser

from audit.witness.running import CannotStart, add_arguments, run


def main() -> int:
    """Return the exit code."""
    parser = ArgumentParser(prog="python -m audit.witness", description=__doc__)
    add_arguments(parser)
    try:
        run(parser.parse_args())
    except CannotStart as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

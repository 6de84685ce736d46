"""Evaluates [expression, context] pairs from standard input with cel-cpp; booleans or "error" to standard output."""

import json
import sys

from cel_expr_python import cel

T = cel.Type
TYPES = {
    "i": T.INT, "j": T.INT, "d": T.DOUBLE, "s": T.STRING, "t": T.STRING, "b": T.BOOL,
    "l": T.List(T.STRING), "k": T.List(T.INT), "m": T.Map(T.STRING, T.STRING), "y": T.DYN,
}  # fmt: skip


def main() -> None:
    environment = cel.NewEnv(variables=TYPES)
    answers = []
    for text, context in json.load(sys.stdin):
        value = environment.compile(text).eval(data=context)
        answers.append(value.value() if value.type() == T.BOOL else "error")
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()

"""The child: `python -m policies.checking.child` answers questions from its standard input until that ends.

It knows no database, no secret and no framework. The only importer of `policies.engine.check` outside tests.
"""

import os
import signal
import sys
from typing import BinaryIO

from policies.checking.messages import ENCODER, QUESTIONS, Answer, Documents, Question
from policies.documents.parse import parse_text
from policies.documents.problems import InvalidDocuments
from policies.engine.check import check, check_text
from policies.engine.forms import Form


def answer(question: Question) -> Answer:
    """What the checker says."""
    if isinstance(question, Documents):
        try:
            documents = [d for s in question.sources for d in parse_text(s.text, s.file)]
            return Answer(forms=check(documents))
        except InvalidDocuments as error:
            return Answer(problems=tuple(error.problems))
    found = check_text(question.place, question.result, question.text)
    return Answer(form=found) if isinstance(found, Form) else Answer(problems=tuple(found))


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """One answer for each line, in order; ends where the questions end."""
    for line in questions:
        answers.write(ENCODER.encode(answer(QUESTIONS.decode(line))) + b"\n")
        answers.flush()


def main() -> None:
    """Answer on what was standard output; whatever the native checker prints goes to standard error."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is for the parent, whose end closes our input
    kept = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with os.fdopen(kept, "wb") as answers:
        serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()

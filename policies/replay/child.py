"""The child: `python -m policies.replay.child` decides batches from its standard input until that ends.

It knows no database, no secret and no framework: only the engine, two bundles' bytes and facts.
"""

import sys
from collections.abc import Iterator
from typing import BinaryIO, Final

import msgspec

from policies.replay.core import Two
from policies.replay.values import Batch, Looked, Setup

_HEAD: Final = 4
ENCODER = msgspec.msgpack.Encoder()
SETUPS = msgspec.msgpack.Decoder(Setup)
BATCHES = msgspec.msgpack.Decoder(Batch)
LOOKED = msgspec.msgpack.Decoder(Looked)


def framed(body: bytes) -> bytes:
    """A message with its length before it."""
    return len(body).to_bytes(_HEAD) + body


def frames(stream: BinaryIO) -> Iterator[bytes]:
    """Messages until the stream ends; one that is cut short is none."""
    while len(head := stream.read(_HEAD)) == _HEAD:
        body = stream.read(int.from_bytes(head))
        if len(body) < int.from_bytes(head):
            return
        yield body


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """The first message says what is compared; then one answer for each batch, in order."""
    found = frames(questions)
    setup = next(found, None)
    if setup is None:
        return
    two = Two.of(SETUPS.decode(setup))
    for body in found:
        answers.write(framed(ENCODER.encode(two.batch(BATCHES.decode(body)))))
        answers.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)

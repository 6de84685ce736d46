"""A bare proxy that copies bytes: what any gateway in Python costs at the very least. `python -m routing.bench.proxy`."""

import argparse
import asyncio

import uvloop

CHUNK = 65_536


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(CHUNK):
            sink.write(data)
            await sink.drain()
    except ConnectionError:
        pass
    finally:
        sink.close()


async def _serve(port: int, upstream: int) -> None:
    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", upstream)
        await asyncio.gather(_copy(reader, back), _copy(there, writer))

    server = await asyncio.start_server(one, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", type=int, required=True)
    given = parser.parse_args()
    uvloop.run(_serve(given.port, given.upstream))


if __name__ == "__main__":
    main()

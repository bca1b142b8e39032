"""A small load generator: so many connections, each asking again as soon as it has its answer.

`python -m tests.benchmarks.load URL BODIES CONNECTIONS SECONDS` posts the lines of a file in turn and prints one line
of JSON: the times in milliseconds, in the order of the answers, and the answers a second.
"""

import asyncio
import json
import sys
from itertools import cycle
from pathlib import Path
from time import perf_counter
from urllib.parse import urlsplit

import uvloop

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def request_of(url: str, body: bytes) -> bytes:
    """A whole HTTP/1.1 request, made once and sent often."""
    parts = urlsplit(url)
    head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def ask(connection: Connection, request: bytes) -> tuple[int, bytes]:
    """The status and the body of one answer."""
    reader, writer = connection
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = head.split("content-length:")[1].split("\r\n")[0]
    return int(head.split(" ", 2)[1]), await reader.readexactly(int(length))


async def load(url: str, bodies: list[bytes], connections: int, seconds: float) -> dict[str, object]:
    """Times and rate; a second before the watch starts is not counted. Raises `RuntimeError` for a bad answer."""
    requests = cycle([request_of(url, body) for body in bodies])
    begin = perf_counter() + 1
    times: list[float] = []

    async def client() -> None:
        connection = await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port, limit=2**24)
        while (start := perf_counter()) < begin + seconds:
            status, body = await ask(connection, next(requests))
            if status not in (200, 201):
                raise RuntimeError(f"{url} answered {status}: {body[:300]!r}")
            if start >= begin:
                times.append((perf_counter() - start) * 1000)
        connection[1].close()

    await asyncio.gather(*(client() for _ in range(connections)))
    return {"times": times, "rate": len(times) / (perf_counter() - begin)}


def main(url: str, bodies: str, connections: str, seconds: str) -> None:
    """Prints what `load` found."""
    lines = Path(bodies).read_bytes().splitlines()
    print(json.dumps(uvloop.run(load(url, lines, int(connections), float(seconds)))))


if __name__ == "__main__":
    main(*sys.argv[1:])

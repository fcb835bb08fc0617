"""A TCP load balancer for tests: one port in front of several brokers, which may be down.

    python -m tests.soak.load_balancer PORT TARGET TARGET ...

Each connection goes to the next target that accepts it. Prints `ready`, and runs until standard
input ends.
"""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

CHUNK = 65536


class LoadBalancer:
    """Runs it as a process. A context manager.

    Args:
        port: to listen on, at 127.0.0.1.
        targets: ports of the brokers.
    """

    def __init__(self, port: int, targets: Sequence[int]) -> None:
        self.port = port
        command = [sys.executable, "-m", "tests.soak.load_balancer", str(port), *map(str, targets)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> LoadBalancer:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


async def balance(port: int, targets: Sequence[int]) -> None:
    """Forward connections until cancelled."""
    turns = itertools.cycle(range(len(targets)))

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = next(turns)
        for target in (*targets[first:], *targets[:first]):
            with suppress(OSError):
                there = await asyncio.open_connection("127.0.0.1", target)
                break
        else:
            writer.close()
            return
        await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer))

    server = await asyncio.start_server(accept, "127.0.0.1", port, backlog=1000)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    asyncio.run(balance(int(sys.argv[1]), [int(each) for each in sys.argv[2:]]))

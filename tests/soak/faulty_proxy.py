"""A TCP proxy between device and broker that refuses, cuts, blocks or slows connections."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Self

CHUNK = 4096


class FaultyProxy:
    """Forwards TCP connections to a port of 127.0.0.1, with faults. A context manager.

    Args:
        target_port: the port to forward to.
    """

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self.accepting = True  # False: new connections are closed at once
        self.stalled = False  # True: connections stay open, but no data passes
        self.bytes_per_s: float | None = None  # None: no limit
        self._target_port = target_port
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="faulty-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        self.drop_connections()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def drop_connections(self) -> None:
        """Abort every connection; new ones are accepted if `accepting` is set."""

        async def abort() -> None:
            for writer in self._writers:
                writer.transport.abort()

        asyncio.run_coroutine_threadsafe(abort(), self._loop).result()

    async def _listen(self) -> None:
        server = await asyncio.start_server(self._handle_connection, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]

    async def _handle_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not self.accepting:
                raise ConnectionError
            target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, target_writer}
        await asyncio.gather(self._forward(reader, target_writer), self._forward(target_reader, writer))
        self._writers -= {writer, target_writer}

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                while self.stalled:
                    await asyncio.sleep(0.02)
                if self.bytes_per_s is not None:
                    await asyncio.sleep(len(data) / self.bytes_per_s)
                writer.write(data)
                await writer.drain()
        writer.close()

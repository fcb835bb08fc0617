"""A TCP proxy between device and broker that refuses, cuts, blocks or slows connections."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Self

CHUNK = 4096


class Door:
    """Passes TCP connections on to a port of 127.0.0.1, as long as it is open. A context manager.

    Args:
        beyond: the port behind it.
    """

    def __init__(self, beyond: int) -> None:
        self.port = 0
        self.open = True  # new connections are passed on; else they are hung up on
        self.jammed = False  # connections stay, nothing comes through: a network that is gone without a word
        self.bytes_per_s: float | None = None  # None: as fast as it goes
        self._beyond = beyond
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="door", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        self.slam()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def slam(self) -> None:
        """Break every connection; new ones come in if the door is open."""

        async def abort() -> None:
            for writer in self._writers:
                writer.transport.abort()

        asyncio.run_coroutine_threadsafe(abort(), self._loop).result()

    async def _listen(self) -> None:
        server = await asyncio.start_server(self._enter, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not self.open:
                raise ConnectionError
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._beyond)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
        self._writers -= {writer, far_writer}

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                while self.jammed:
                    await asyncio.sleep(0.02)
                if self.bytes_per_s is not None:
                    await asyncio.sleep(len(data) / self.bytes_per_s)
                writer.write(data)
                await writer.drain()
        writer.close()

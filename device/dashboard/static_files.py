"""The files of the page, read once, so that no request touches the file system."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from device.dashboard.responses import RequestError, Response

FOLDER = Path(__file__).parent / "page"
INDEX = "index.html"
TYPES = {".js": "text/javascript", ".svg": "image/svg+xml", ".woff2": "font/woff2", ".webmanifest": "application/json"}
TEXT_TYPES = ("text/", "image/svg", "application/json")  # these become smaller
MIN_GZIP_BYTES = 500


@dataclass(frozen=True)
class _File:
    content_type: str
    body: bytes
    gzipped: bytes | None
    etag: str


class StaticFiles:
    """The files of a folder, by the path below it.

    Args:
        folder: with `index.html`; changes on disk show after a restart.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
        self._files = {path.relative_to(folder).as_posix(): _read(path) for path in paths}

    def respond(self, name: str, if_none_match: str | None, takes_gzip: bool) -> Response:
        """Answer with a file, or with 304 if the browser has it.

        Raises:
            RequestError: there is no such file.
        """
        file = self._files.get(name)
        if file is None:
            raise RequestError(404, "There is no such file.")
        headers = {"ETag": file.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if if_none_match is not None and file.etag in if_none_match:
            return Response(304, file.content_type, b"", headers)
        if takes_gzip and file.gzipped is not None:
            return Response(200, file.content_type, file.gzipped, headers | {"Content-Encoding": "gzip"})
        return Response(200, file.content_type, file.body, headers)


def _read(path: Path) -> _File:
    body = path.read_bytes()
    kind = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    zips = kind.startswith(TEXT_TYPES) and len(body) >= MIN_GZIP_BYTES
    return _File(
        f"{kind}; charset=utf-8" if kind.startswith("text/") else kind,
        body,
        gzip.compress(body, 9, mtime=0) if zips else None,
        f'W/"{hashlib.sha256(body).hexdigest()[:20]}"',
    )

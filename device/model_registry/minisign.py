"""Verifies minisign signatures: Ed25519 over a file's BLAKE2b, and over the trusted comment.

The format: https://jedisct1.github.io/minisign/. The reasons: docs/decisions/signatures.md.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from device.errors import ConfigError, SignatureError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SIGNED, HASHED = b"Ed", b"ED"  # over the file itself (minisign -l), over its BLAKE2b
TRUSTED = "trusted comment: "


@dataclass(frozen=True)
class PublicKey:
    """A key whose signatures are accepted."""

    number: bytes  # the key's id in signatures, 8 bytes
    point: bytes  # 32 bytes


@dataclass(frozen=True)
class Signature:
    """The content of a .minisig file."""

    algorithm: bytes
    number: bytes
    value: bytes  # 64 bytes, over the file
    comment: str  # the trusted one
    comment_value: bytes  # 64 bytes, over value and comment


def read_key(text: str) -> PublicKey:
    """Parse the second line of a minisign.pub.

    Raises:
        ConfigError: it is not such a line.
    """
    data = _decoded(text, 42)
    if data is None or data[:2] != SIGNED:
        raise ConfigError(
            f"device.model.public_keys: {text[:60]!r} is not a minisign key; take the line of minisign.pub that "
            "begins with RW."
        )
    return PublicKey(data[2:10], data[10:])


def read_signature(text: str) -> Signature:
    """Parse the four lines of a .minisig file.

    Raises:
        SignatureError: it is not such a file.
    """
    lines = text.splitlines()
    if len(lines) >= 4 and lines[2].startswith(TRUSTED):
        data, comment_value = _decoded(lines[1], 74), _decoded(lines[3], 64)
        if data is not None and comment_value is not None and data[:2] in (SIGNED, HASHED):
            return Signature(data[:2], data[2:10], data[10:], lines[2].removeprefix(TRUSTED), comment_value)
    raise SignatureError("the signature is not a minisign signature; sign the file with `minisign -Sm FILE`.")


def verify(data: bytes, signature: str | None, keys: Sequence[str]) -> str:
    """Check that one of the keys signed the data.

    Args:
        data: the content of the signed file.
        signature: the text of the .minisig file; None if there is no such file.
        keys: public keys, each a line that `read_key` parses.

    Returns:
        the trusted comment.

    Raises:
        SignatureError: the signature is absent, malformed, by another key, or of other data.
        ConfigError: a key is malformed, or the package that checks signatures is not installed.
    """
    known = [read_key(key) for key in keys]
    if signature is None:
        raise SignatureError(
            "it is not signed, but device.model.public_keys requires a signature; pass it with --signature."
        )
    made = read_signature(signature)
    key = next((key for key in known if key.number == made.number), None)
    if key is None:
        raise SignatureError("it is signed with a key that is not in device.model.public_keys.")
    signed = data if made.algorithm == SIGNED else hashlib.blake2b(data).digest()
    point = _point(key)
    if not _holds(point, made.value, signed):
        raise SignatureError("the signature is not of this file; it was changed after it was signed.")
    if not _holds(point, made.comment_value, made.value + made.comment.encode()):
        raise SignatureError("the signature's comment was changed after it was signed.")
    return made.comment


def _decoded(text: str, length: int) -> bytes | None:
    """Decode a line of base64; None if it is malformed or of another length."""
    try:
        data = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):  # ValueError: letters that are not ASCII
        return None
    return data if len(data) == length else None


def _point(key: PublicKey) -> Ed25519PublicKey:
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError as error:
        raise ConfigError(
            "device.model.public_keys: the package that checks signatures is not installed; "
            "run `pip install emotion-edge[signatures]`."
        ) from error
    return Ed25519PublicKey.from_public_bytes(key.point)


def _holds(key: Ed25519PublicKey, signature: bytes, signed: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True

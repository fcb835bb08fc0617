"""Signatures: minisign's own are taken, and nothing else is."""

from __future__ import annotations

import builtins
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from device.errors import ConfigError, SignatureError
from device.model_registry.minisign import read_key, verify
from tests.support.signing import Signer

DATA = b"a model"
SIGNER, OTHER = Signer(), Signer(b"87654321")


@pytest.mark.parametrize("hashed", [True, False])
def test_one_of_the_keys_has_signed(hashed: bool) -> None:
    assert verify(DATA, SIGNER.sign(DATA, "from us", hashed), [OTHER.public, SIGNER.public]) == "from us"


def test_minisign_itself_signs_what_we_take(tmp_path: Path) -> None:
    minisign = shutil.which("minisign") or pytest.skip("Debian's package minisign is not installed")
    file, key, secret = tmp_path / "m.tflite", tmp_path / "k.pub", tmp_path / "k.sec"
    file.write_bytes(DATA)
    subprocess.run([minisign, "-GW", "-p", key, "-s", secret], check=True, capture_output=True)
    for legacy in ([], ["-l"]):
        subprocess.run([minisign, "-S", *legacy, "-s", secret, "-m", file], check=True, capture_output=True)
        signature = (tmp_path / "m.tflite.minisig").read_text()
        public = key.read_text().splitlines()[1]
        assert "m.tflite" in verify(DATA, signature, [public])
        with pytest.raises(SignatureError, match="not of this file"):
            verify(DATA + b"!", signature, [public])


def changed(signature: str, line: int, old: str, new: str) -> str:
    lines = signature.splitlines()
    lines[line] = lines[line].replace(old, new)
    return "\n".join(lines)


GOOD = SIGNER.sign(DATA, "version 3")
BAD: dict[str, tuple[str | None, str]] = {
    "none": (None, "it is not signed"),
    "empty": ("", "not a minisign signature"),
    "something else": ("-----BEGIN PGP SIGNATURE-----\n\n\n\n", "not a minisign signature"),
    "not ASCII": (GOOD.replace("=", "\u00e9"), "not a minisign signature"),
    "cut short": ("\n".join(GOOD.splitlines()[:3]), "not a minisign signature"),
    "by somebody else": (OTHER.sign(DATA), "a key that is not in device.model.public_keys"),
    "by somebody else under our number": (Signer().sign(DATA), "the signature is not of this file"),
    "of another file": (SIGNER.sign(b"another model"), "the signature is not of this file"),
    "of the file, called one of its hash": (
        changed(SIGNER.sign(DATA, hashed=False), 1, "RWQ", "RUQ"),
        "the signature is not of this file",
    ),
    "another comment": (changed(GOOD, 2, "version 3", "version 4"), "comment was changed"),
}


@pytest.mark.parametrize("name", BAD)
def test_anything_else_is_refused(name: str) -> None:
    signature, sentence = BAD[name]
    with pytest.raises(SignatureError, match=sentence) as caught:
        verify(DATA, signature, [SIGNER.public])
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("text", ["", "RW", "untrusted comment: minisign public key", "RWQ" + "A" * 60, "\u00e9" * 56])
def test_what_is_no_key_is_a_mistake_in_the_settings(text: str) -> None:
    with pytest.raises(ConfigError, match=r"device\.model\.public_keys: .* is not a minisign key"):
        read_key(text)
    with pytest.raises(ConfigError):
        verify(DATA, GOOD, [SIGNER.public, text])


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any) -> Any:
        if name.startswith("cryptography"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ConfigError, match=r"pip install emotion-edge\[signatures\]"):
        verify(DATA, GOOD, [SIGNER.public])

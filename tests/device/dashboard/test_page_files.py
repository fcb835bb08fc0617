"""The files of the page: small, of this server only, and without a way for HTML to enter."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from device import dashboard
from device.valence import SIGNS

PAGE = Path(dashboard.__file__).parent / "page"
SCRIPTS = sorted(PAGE.glob("*.js"))
STYLES = sorted(PAGE.glob("*.css"))
HTML_SINKS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setHTML|DOMParser"
)
NODE = shutil.which("node")


class Markup(HTMLParser):
    """Collects ids, addresses and inline code of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids += [str(values["id"])] if "id" in values else []
        self.addresses += [str(values[name]) for name in ("href", "src") if name in values]
        self.inline += [name for name in values if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in values):
            self.inline.append(tag)


@pytest.fixture(scope="module")
def markup() -> Markup:
    parsed = Markup()
    parsed.feed((PAGE / "index.html").read_text())
    return parsed


def test_the_page_is_small() -> None:
    files = [path for path in PAGE.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 150_000
    assert len(SCRIPTS) > 5 and len(STYLES) > 0


@pytest.mark.parametrize("path", [*SCRIPTS, *STYLES, PAGE / "index.html"], ids=lambda path: str(path.name))
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= 300
    assert [line for line in lines if len(line) > 120] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.name))
def test_text_enters_the_document_as_text_only(path: Path) -> None:
    assert HTML_SINKS.search(path.read_text()) is None


@pytest.mark.parametrize("path", [*SCRIPTS, *STYLES], ids=lambda path: str(path.name))
def test_nothing_comes_from_another_server(path: Path) -> None:
    addresses = re.findall(r"(?:https?:)?//[\w.]+\.\w+[^\s\"']*", re.sub(r"(?m)^\s*//.*", "", path.read_text()))
    assert [address for address in addresses if address != "http://www.w3.org/2000/svg"] == []


def test_the_markup_has_no_inline_code_and_asks_this_server_only(markup: Markup) -> None:
    assert markup.inline == [], "the content security policy would refuse it"
    assert all(address.startswith(("/", "#")) for address in markup.addresses)
    files = [address.removeprefix("/page/") for address in markup.addresses if address.startswith("/page/")]
    assert all((PAGE / name).is_file() for name in files)
    preloaded = {name for name in files if name.endswith(".js")}
    assert preloaded == {path.name for path in SCRIPTS}, "each module is named in index.html, so that none waits"


def test_scripts_ask_for_ids_that_the_markup_has(markup: Markup) -> None:
    asked = {name for path in SCRIPTS for name in re.findall(r'byId\("([\w-]+)"\)', path.read_text())}
    assert len(asked) > 20 and asked <= set(markup.ids)
    assert len(markup.ids) == len(set(markup.ids))


@pytest.mark.skipif(NODE is None, reason="Node.js is not installed")
def test_the_page_knows_the_signs_of_all_labels() -> None:
    assert evaluate("values.js", "m.SIGNS") == SIGNS


@pytest.mark.skipif(NODE is None, reason="Node.js is not installed")
@pytest.mark.parametrize(
    ("attention", "sign"),
    [
        ({"facing": 0.9, "looking_away": False, "eyes_closed": False}, "attentive"),
        ({"facing": 0.9, "looking_away": True, "eyes_closed": False}, "road"),
        ({"facing": 0.9, "looking_away": True, "eyes_closed": True}, "closed"),
        ({"facing": 0.2, "looking_away": None, "eyes_closed": None}, "unmeasured"),  # looked at too rarely
        (None, "unmeasured"),
    ],
)
def test_a_driver_is_attentive_only_if_that_was_measured(attention: dict[str, Any] | None, sign: str) -> None:
    snapshot = {"status": {"aggregate": False}, "alerts": [], "tracks": [{"track": 1, "attention": attention}]}
    shown = evaluate("sign.js", f"m.signFor({json.dumps(snapshot)}, {{old: false, key: 'live'}}, false)")
    assert shown["key"] == sign


def evaluate(module: str, expression: str) -> Any:
    """The value of an expression in JavaScript; `m` is a module of the page."""
    assert NODE is not None
    code = f"import({json.dumps((PAGE / module).as_uri())}).then(m => console.log(JSON.stringify({expression})))"
    shown = subprocess.run([NODE, "-e", code], capture_output=True, text=True, timeout=60, check=True)
    return json.loads(shown.stdout)

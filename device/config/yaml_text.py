"""YAML text within bounds: no config takes much time or memory to read, whatever it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from device.bounded_file import read_bounded
from device.errors import ConfigError
from device.plain_text import shown

MAX_BYTES = 1_000_000  # of a file
MAX_CHARACTERS = 4096  # of one value
MAX_NODES = 10_000  # values, lists and groups; config.yaml has about 150
MAX_EXPANDED = 100_000  # the same, each alias replaced by what it stands for
MAX_DEPTH = 50
MAX_PROBLEM = 200  # characters of the parser's own words


def read_text(path: Path) -> str:
    """The text of a config file.

    Raises:
        ConfigError: it cannot be read, is no regular file, is too large, or is not UTF-8.
    """
    try:
        return read_bounded(path, MAX_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{path}: the config cannot be read: {reason}.") from error


def compose(text: str, where: str) -> yaml.Node | None:
    """The text as nodes, which know their lines; None if it is empty.

    Args:
        text: YAML.
        where: the file, for messages.

    Raises:
        ConfigError: this is not YAML, or beyond one of the bounds of this module.
    """
    loader = _BoundedLoader(text, where)
    try:
        node: yaml.Node | None = loader.get_single_node()
        if node is not None:
            _count_expanded(node, where, {})
    except RecursionError as error:
        raise ConfigError(f"{where}: the config is nested too deeply to be read.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = shown(str(getattr(error, "problem", None) or "unreadable"), MAX_PROBLEM)
        raise ConfigError(f"{where}{line}: this is not valid YAML: {problem}.") from error
    except (ValueError, LookupError, ArithmeticError) as error:  # "%YAML 1.9999...", an escape beyond Unicode
        raise ConfigError(f"{where}: this is not valid YAML: it holds a number or character that is none.") from error
    finally:
        loader.dispose()
    return node


class _BoundedLoader(yaml.SafeLoader):
    """Stops as soon as a text is beyond a bound, before the rest is parsed."""

    def __init__(self, text: str, where: str) -> None:
        self._nodes, self._depth, self._where = 0, 0, where
        try:
            super().__init__(text)
        except yaml.YAMLError as error:  # a character that YAML does not allow
            raise ConfigError(f"{where}: this is not valid YAML: it holds a character that is not text.") from error

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """One node and what is in it."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise ConfigError(f"{self._where}: the config holds more than {MAX_NODES:,} values.")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ConfigError(f"{self._where}: the config is nested too deeply to be read.")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        """One value; PyYAML may take time quadratic in the length of a number."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if len(event.value) > MAX_CHARACTERS:
            line = event.start_mark.line + 1
            raise ConfigError(f"{self._where}, line {line}: this value is longer than {MAX_CHARACTERS} characters.")
        return super().compose_scalar_node(anchor)


def _count_expanded(node: yaml.Node, where: str, sizes: dict[int, int]) -> int:
    """How many nodes this is with every alias replaced; `sizes` holds 0 for one being counted."""
    known = sizes.get(id(node))
    if known is not None:
        if known == 0:
            raise ConfigError(f"{where}, line {node.start_mark.line + 1}: an alias stands for what it is in.")
        return known
    sizes[id(node)] = 0
    total = 1
    for item in node.value if isinstance(node, yaml.CollectionNode) else ():
        for inner in item if isinstance(item, tuple) else (item,):
            total += _count_expanded(inner, where, sizes)
    if total > MAX_EXPANDED:
        raise ConfigError(f"{where}: the aliases stand for more than {MAX_EXPANDED:,} values; write out what you need.")
    sizes[id(node)] = total
    return total

"""Completion scripts for bash, zsh and fish, made from the parser of a program."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from device.cli.parser import CommandParser

SHELLS = ("bash", "zsh", "fish")

# Braces hold: {paths} the commands as one pattern, {words} and {values} branches of a case.
BASH = """\
_{program}() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" at="" part known=""
    for part in "${{COMP_WORDS[@]:1:$((COMP_CWORD - 1))}}"; do
        case "$at/$part" in
            {paths}) at="$at/$part" ;;
        esac
    done
    case "$at" in
{words}
    esac
    case "$at $before" in
{values}
    esac
    COMPREPLY=($(compgen -W "$known" -- "$word"))
    if [[ "${{COMPREPLY[0]}}" == *= ]]; then compopt -o nospace 2>/dev/null; fi
    return 0
}}
complete -o default -F _{program} {program}
"""
ZSH = """\
#compdef {program}
autoload -U +X bashcompinit && bashcompinit
"""


@dataclass
class Level:
    """What can follow one command."""

    words: list[str] = field(default_factory=list)  # commands, options, choices of an argument
    values: dict[str, list[str]] = field(default_factory=dict)  # option that takes a value -> known values, or none
    helps: dict[str, str] = field(default_factory=dict)  # word -> its line of help


def script(shell: str, parser: CommandParser, values: Mapping[str, Sequence[str]]) -> str:
    """The completion script of a program.

    Args:
        shell: one of SHELLS.
        parser: of the whole program.
        values: metavar of an option -> the values to offer; all others complete the names of files.
    """
    levels = dict(_levels(parser, "", values))
    if shell == "fish":
        return "\n".join(_fish(parser.prog, levels)) + "\n"
    return (ZSH.format(program=parser.prog) if shell == "zsh" else "") + _bash(parser.prog, levels)


def _levels(parser: CommandParser, path: str, values: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, Level]]:
    """Each command by its path ("", "/model", "/model/install")."""
    level = Level()
    parsers = [parser] if parser.default_command is None else [parser, parser.commands[parser.default_command]]
    for one in parsers:
        for action in one._actions:
            _add(level, one, action, values)
    yield path, level
    for name, command in parser.commands.items():
        yield from _levels(command, f"{path}/{name}", values)


def _add(level: Level, parser: CommandParser, action: argparse.Action, values: Mapping[str, Sequence[str]]) -> None:
    choices = [str(choice) for choice in action.choices or values.get(str(action.metavar), ())]
    names = [name for name in action.option_strings if name.startswith("--")]
    level.words += [name for name in names or choices if name not in level.words]
    if action.help:
        level.helps |= dict.fromkeys(names, parser._get_formatter()._expand_help(action))
    if isinstance(action, argparse._SubParsersAction):
        level.helps |= {pseudo.dest: pseudo.help or "" for pseudo in action._choices_actions}
    if action.nargs != 0:
        level.values |= dict.fromkeys(action.option_strings, choices)


def _bash(program: str, levels: Mapping[str, Level]) -> str:
    words = [f'        "{path}") known="{" ".join(level.words)}" ;;' for path, level in levels.items()]
    values = [
        f'        "{path} {option}") known="{" ".join(choices)}" ;;'
        for path, level in levels.items()
        for option, choices in level.values.items()
    ]
    paths = "|".join(path for path in levels if path)
    return BASH.format(program=program, paths=paths, words="\n".join(words), values="\n".join(values))


def _fish(program: str, levels: Mapping[str, Level]) -> Iterator[str]:
    for path, level in levels.items():
        tests = [f"__fish_seen_subcommand_from {name}" for name in path.split("/")[1:]]
        below = [other.rsplit("/", 1)[1] for other in levels if other and other.rsplit("/", 1)[0] == path]
        if below:
            tests.append(f"not __fish_seen_subcommand_from {' '.join(below)}")
        start = f"complete -c {program} -n {shlex.quote('; and '.join(tests) or 'true')}"
        for word in level.words:
            text = f" -d {shlex.quote(level.helps[word])}" if level.helps.get(word) else ""
            if not word.startswith("--"):
                yield f"{start} -f -a {word}{text}"
                continue
            known = level.values.get(word)
            value = "" if known is None else f" -x -a {shlex.quote(' '.join(known))}" if known else " -r"
            yield f"{start} -l {word[2:]}{value}{text}"

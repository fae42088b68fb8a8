"""The text of docs/reference/cli.md, from the commands themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import typer

from pipeline_src.cli.main import app

SHARED = {"--help", "--experiment", "--log", "--cores"}  # the page describes them once
SHARED |= {"--install-completion", "--show-completion"}


def commands() -> str:
    """Every command with its purpose, an example and its options."""
    group = typer.main.get_command(app)
    return "\n\n".join(_section(name, command) for name, command in _leaves(group))


def global_options() -> str:
    """The options before the command."""
    return _options(typer.main.get_command(app))


def command_names() -> list[str]:
    """The visible commands, those of a group one by one."""
    return [name for name, _ in _leaves(typer.main.get_command(app))]


def _leaves(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The visible commands with their names, those of a sub-group in the place of the group."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _leaves(command, f"{prefix}{name} ")
        elif not command.hidden:
            yield prefix + name, command


def _section(name: str, command: Any) -> str:
    """The purpose, the first example and the options of a command."""
    purpose, *further = [" ".join(text.split()) for text in (command.help or "").split("\n\n")]
    example = f"dense-calibration {name}"
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            example += f" {parameter.name.upper()}"
    for text in further:
        if text.startswith("Example: "):
            example = text.split("Example: ")[1].strip()
            break
    paragraphs = [f"## `{name}`", purpose, f"`{example}`", _options(command)]
    return "\n\n".join(filter(None, paragraphs))


def _options(command: Any) -> str:
    items = []
    for option in command.params:
        if option.param_type_name != "option" or option.opts[0] in SHARED or option.hidden:
            continue
        names = ", ".join(f"`{name}`" for name in option.opts + option.secondary_opts)
        text = (option.help or "").rstrip(".")
        if option.required:
            text += " (required)"
        elif _shows_default(option):
            text += f" (default `{option.default}`)"
        items.append(f"- {names}: {text}.")
    return "\n".join(items)


def _shows_default(option: Any) -> bool:
    """Whether the default is a number or a text, and is to be shown."""
    if option.is_flag or option.show_default is False:
        return False
    return isinstance(option.default, (int, float, str)) and str(option.default) != ""


TABLES: dict[str, Callable[[], str]] = {"commands": commands, "global": global_options}

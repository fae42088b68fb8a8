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
    paragraphs = [" ".join(text.split()) for text in (command.help or "").split("\n\n")]
    examples = [
        text.removeprefix("Example: ") for text in paragraphs if text.startswith("Example: ")
    ]
    arguments = "".join(
        f" {p.name.upper()}" for p in command.params if p.param_type_name == "argument"
    )
    example = (
        f"`{examples[0].split(' Example: ')[0]}`"
        if examples
        else f"`dense-calibration {name}{arguments}`"
    )
    return "\n\n".join(
        part for part in (f"## `{name}`", paragraphs[0], example, _options(command)) if part
    )


def _options(command: Any) -> str:
    items = []
    for option in command.params:
        if (
            option.param_type_name == "option"
            and option.opts[0] not in SHARED
            and not option.hidden
        ):
            names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
            note = "required" if option.required else _default(option)
            items.append(
                f"- {names}: {(option.help or '').rstrip('.')}{f' ({note})' if note else ''}."
            )
    return "\n".join(items)


def _default(option: Any) -> str:
    shown = (
        isinstance(option.default, (int, float, str)) and not option.is_flag and str(option.default)
    )
    return f"default `{option.default}`" if shown and option.show_default is not False else ""


TABLES: dict[str, Callable[[], str]] = {"commands": commands, "global": global_options}

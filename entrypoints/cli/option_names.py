"""The names of the commands of types and relationships, and of the options that set attributes.

The option of an attribute has the name of the attribute, with - for _. A command keeps its own
options: if one of them, or that of another attribute, has the same name, `attribute-` precedes the
name.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

SET: Final = "_set_"
NULL: Final = "_null_"
"""These precede the name of an attribute in the parameter of the option that sets it, and of the
one that sets it to null. The names of attributes and of other parameters begin with a letter."""

_PREFIX: Final = "attribute-"
_OWN: Final = frozenset({"actor", "filter", "help", "json", "yes"})
"""The options of the commands themselves."""


def option_names(names: Iterable[str], spelled: Mapping[str, str]) -> dict[str, str]:
    """Returns the names of the options by attributes, without hyphens before them.

    `spelled` are the options of boolean attributes that have other names, such as `--on/--off`.
    """
    taken = {*_OWN, *(each.lstrip("-") for text in spelled.values() for each in text.split("/"))}
    chosen: dict[str, str] = {}
    for name in names:
        option = name.replace("_", "-")
        while not taken.isdisjoint(_options_of(option)):
            option = _PREFIX + option
        taken.update(_options_of(option))
        chosen[name] = option
    return chosen


def command_name(name: str, prefix: str = "", taken: Collection[str] = ()) -> str:
    """Returns the name of the command of a type or relationship, with - for _.

    If a command with this name exists, the prefix precedes the name as often as necessary.
    """
    name = name.replace("_", "-")
    while name in taken:
        name = prefix + name
    return name


def _options_of(name: str) -> tuple[str, ...]:
    """Returns the options that an attribute may have."""
    return name, f"no-{name}", f"null-{name}"

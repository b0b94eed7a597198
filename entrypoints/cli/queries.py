"""The queries of the API that options of commands stand for."""

from urllib.parse import quote, urlencode

import click


def query_of(filters: tuple[str, ...], sort: str | None, **others: str) -> str:
    """Returns the query string with these values of --filter and --sort, and other parameters.

    A space is `%20`, so no value contains a decoded `+`. Raises click.BadParameter if a filter has
    no value.
    """
    pairs = [_filter(text) for text in filters]
    if sort is not None:
        pairs.append(("sort", sort))
    return urlencode([*pairs, *others.items()], errors="surrogateescape", quote_via=quote)


def _filter(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise click.BadParameter(f"'{text}' is not ATTR=VALUE.", param_hint="--filter")
    if name.startswith("filter["):
        return name, value
    attribute, bracket, op = name.partition("[")
    return f"filter[{attribute}]{bracket}{op}", value

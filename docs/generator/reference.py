"""The OpenAPI document -> docs/reference.md."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, Final

from adapters.accounts.openapi import TAG as ACCOUNTS
from adapters.accounts.openapi import account_description
from adapters.api.errors import error_codes
from adapters.api.openapi.document import OpenApi
from adapters.oauth.openapi import oauth_description
from entrypoints.resources import RESOURCES, make_catalog

Item = Mapping[str, Any]
_METHODS: Final = ("get", "post", "patch", "delete")
_FILTER: Final = re.compile(r"filter\[([\w.]+)\](?:\[(\w+)\])?")
_BEGINNING: Final = """# Reference

This page lists every URL with its parameters, headers and responses.
`make docs` generates it from `/openapi.json`.
The HTTP server rejects a URL of more than 65,534 bytes (414) and headers over its limit (431).
These responses have no body.
Scopes and 401 apply only if the service [requires tokens](access-control.md).
For examples, see [search](search.md), [pages](pages.md) and [changes without loss](changes.md).
"""
_FILTERS: Final = """A filter without an operator matches any of its values, separated by commas.
If values contain commas, repeat `filter[ATTR][]`, once for each value.
The last column lists the operators of the attribute, as in `filter[ATTR][ne]`."""
_CODES: Final = error_codes(each.type for each in RESOURCES)
_ERRORS: Final = """Each error response is a document with `errors`.
Each error has a `status` and a `code`, and a `source` if a part of the request caused it.
`links.about` links to `/docs/errors`, which has the same descriptions."""


def page() -> str:
    """The page for a service that requires tokens."""
    declarations = [each.declaration for each in RESOURCES]
    of_accounts = (account_description, oauth_description)
    openapi = OpenApi(declarations, _CODES, make_catalog(RESOURCES), of_accounts)
    described = json.loads(openapi.document("", secured=True))
    parts = [_BEGINNING, *_attributes(described), *_urls(described), *_errors(described)]
    return "\n".join(parts)


def _attributes(described: Item) -> Iterator[str]:
    """The attributes of each resource in documents, and their defaults on creation."""
    for name, schema in described["components"]["schemas"].items():
        shown = schema.get("properties", {}).get("attributes")
        if shown is None:
            continue
        sent = _sent(described, name)
        yield f"## The attributes of {name.lower()}\n"
        rows = (
            (f"`{each}`", _kind(rule), _presence(each, rule, sent), rule.get("description", ""))
            for each, rule in shown["properties"].items()
        )
        yield _table(("attribute", "value", "on creation", ""), rows)


def _sent(described: Item, name: str) -> Item:
    """The attributes that clients send to create a resource; empty if clients cannot create it."""
    creation = described["components"]["schemas"].get(f"{name}Creation")
    if creation is None:
        return {}
    sent: Item = creation["properties"]["data"]["properties"]["attributes"]
    return sent


def _presence(name: str, rule: Item, sent: Item) -> str:
    if rule.get("readOnly"):
        return "read-only"
    if name in sent["required"]:
        return "required"
    return f"default `{_plain(sent['properties'][name].get('default'))}`"


def _plain(value: object) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _urls(described: Item) -> Iterator[str]:
    for url, methods in described["paths"].items():
        for method in _METHODS:
            if method in methods:
                parameters = [
                    *methods.get("parameters", ()),
                    *methods[method].get("parameters", ()),
                ]
                heading = f"{method.upper()} {url}"
                attributes = _sent_by(described, methods[method])
                yield from _operation(heading, methods[method], parameters, attributes)


def _sent_by(described: Item, operation: Item) -> str:
    """The attributes in the body of a request about accounts; empty if it has none."""
    if ACCOUNTS not in operation["tags"] or "requestBody" not in operation:
        return ""
    schema, *_ = (each["schema"] for each in operation["requestBody"]["content"].values())
    name = schema.get("$ref", "").rpartition("/")[2]
    if not name.endswith("Creation"):
        return ""
    sent = _sent(described, name.removesuffix("Creation"))
    required = sent.get("required", ())
    return ", ".join(
        f"`{each}` ({'required' if each in required else 'optional'})"
        for each in sent["properties"]
    )


def _operation(
    heading: str, operation: Item, parameters: list[Item], attributes: str
) -> Iterator[str]:
    yield f"## {heading}\n"
    yield f"{operation['summary']}.{_scope(operation)}\n"
    if ACCOUNTS in operation["tags"]:
        yield "The URL exists only if `ROSTER_ACCOUNTS=on`.\n"
    if body := operation.get("requestBody"):
        yield f"Body: {_listed(body['content'])}.\n"
    if attributes:
        yield f"Attributes: {attributes}.\n"
    if parameters:
        yield _table(("parameter", "in", "value", ""), map(_row, _groups(parameters)))
    if any(map(_match, parameters)):
        yield f"{_FILTERS}\n"
    yield from _responses(operation["responses"])


def _scope(operation: Item) -> str:
    scopes = {
        scope for scheme in operation.get("security", ()) for scope in scheme.get("bearer", ())
    }
    return f" Scope: {_listed(sorted(scopes))}." if scopes else ""


def _responses(responses: Item) -> Iterator[str]:
    errors = sorted(code for code, response in responses.items() if "$ref" in response)
    for code in sorted(set(responses) - set(errors)):
        yield f"- **{code}** {_response(responses[code])}"
    if errors:
        yield f"- Errors: {', '.join(f'[{code}](#{code})' for code in errors)}."
    yield ""


def _response(response: Item) -> str:
    sentences = [response["description"].removesuffix(".")]
    sentences += [_listed(response["content"])] if "content" in response else []
    sentences += [f"Headers: {_listed(response['headers'])}"] if "headers" in response else []
    return " ".join(f"{each}." for each in sentences)


def _groups(parameters: Iterable[Item]) -> Iterator[list[Item]]:
    """Groups the filters of an attribute; each other parameter is a group of its own."""
    for _, group in groupby(parameters, _subject):
        yield list(group)


def _row(group: list[Item]) -> tuple[str, ...]:
    first = group[0]
    operators = [f"`[{match[2]}]`" for each in group if (match := _match(each)) and match[2]]
    text = " ".join(operators) or first.get("description", "")
    return f"`{first['name']}`", first["in"], _kind(first["schema"]), text


def _subject(parameter: Item) -> str:
    match = _match(parameter)
    return match[1] if match else str(parameter["name"])


def _match(parameter: Item) -> re.Match[str] | None:
    return _FILTER.fullmatch(parameter["name"])


def _kind(schema: Item) -> str:
    """Describes the values of a schema in a few words, without patterns."""
    if schema.get("maxLength") == 0:
        return "empty"
    one = schema.get("items", schema)
    forms = [each["format"] for each in one.get("anyOf", ()) if "format" in each]
    types = schema["type"] if isinstance(schema.get("type"), list) else []
    kind = forms or one.get("format") or types or schema["type"]
    words = [" or ".join(kind) if isinstance(kind, list) else kind]
    if "null" in types and kind is not types:
        words.append("or null")
    if "enum" in schema:
        words.append(_listed(schema["enum"]))
    if "const" in schema:
        words.append(f"`{_plain(schema['const'])}`")
    if "maxLength" in schema:
        words.append(f"of {schema.get('minLength', 0)} to {schema['maxLength']} characters")
    if "maximum" in schema:
        words.append(f"from {schema['minimum']} to {schema['maximum']}")
    if "default" in schema:
        words.append(f"(default {_plain(schema['default'])})")
    return " ".join(words)


def _errors(described: Item) -> Iterator[str]:
    yield "## Errors\n"
    yield f"{_ERRORS}\n"
    for name, response in sorted(described["components"]["responses"].items()):
        yield f"### {name.removeprefix('Problem')}\n"
        if "headers" in response:
            yield f"Headers: {_listed(response['headers'])}.\n"
        codes = re.findall(r"`(\w+)`", response["description"])
        yield _table(("code", ""), ((f"`{code}`", _CODES[code][1]) for code in codes))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(headers: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [headers, ("---",) * len(headers), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)

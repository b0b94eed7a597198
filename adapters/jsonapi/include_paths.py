"""Parses `include` (jsonapi.org/format/1.1/#fetching-includes)."""

from collections.abc import Mapping
from typing import Final, TypeAlias

from adapters.jsonapi.catalog import Catalog
from adapters.jsonapi.query_errors import QueryErrors
from adapters.jsonapi.resource import Resource
from adapters.jsonapi.unknown_names import quote, unknown_relationship
from application.inclusion import MAX_LINKED, Step
from application.relationships import Relationship, ToMany

MAX_PATHS: Final = 10
MAX_STEPS: Final = 3
"""The number of relationships in a path."""
MAX_INCLUDED: Final = 25_000
"""The number of resources that a query may include, counted before anything is read."""
PARAMETER: Final = "include"

_Tree: TypeAlias = dict[Relationship, "_Tree"]


def parse_include(
    value: str, resource: Resource, catalog: Catalog, errors: QueryErrors
) -> tuple[Step, ...]:
    """Returns the steps of a value of `include`, each once.

    Adds an error for too many paths, and for each path with too many steps or an unknown
    relationship. After an error, there are no steps.
    """
    return _parse(value, resource.type, catalog.relationships_of(resource), catalog, errors)


def parse_linked_include(
    value: str, relationship: Relationship, catalog: Catalog, errors: QueryErrors
) -> Step | None:
    """Returns the step of a relationship on its own URL, with which each path begins.

    Adds the same errors as `parse_include`. Returns None without paths or after an error.
    """
    known = {relationship.name: relationship}
    steps = _parse(value, relationship.source.name, known, catalog, errors)
    return steps[0] if steps else None


def _parse(
    value: str,
    type_name: str,
    known: Mapping[str, Relationship],
    catalog: Catalog,
    errors: QueryErrors,
) -> tuple[Step, ...]:
    paths = value.split(",") if value else []
    if len(paths) > MAX_PATHS:
        detail = f"{PARAMETER} has {len(paths)} paths; at most {MAX_PATHS} are allowed."
        errors.add(PARAMETER, detail, code="too_much_included")
        return ()
    root: _Tree = {}
    is_valid = True
    for path in dict.fromkeys(paths):
        if path.count(".") >= MAX_STEPS:
            detail = f"{quote(path)} has too many steps; at most {MAX_STEPS} are allowed."
            errors.add(PARAMETER, detail, code="too_much_included")
            is_valid = False
            continue
        tree, of_type, relationships = root, type_name, known
        for name in path.split("."):
            relationship = relationships.get(name)
            if relationship is None:
                detail = unknown_relationship(name, of_type, relationships)
                errors.add(PARAMETER, detail, code="unknown_relationship")
                is_valid = False
                break
            tree = tree.setdefault(relationship, {})
            target = catalog.target(relationship)
            of_type, relationships = target.type, catalog.relationships_of(target)
    return _steps(root) if is_valid else ()


def _steps(tree: _Tree) -> tuple[Step, ...]:
    return tuple(Step(relationship, _steps(more)) for relationship, more in tree.items())


def check_count(
    steps: tuple[Step, ...], sources: int, errors: QueryErrors, *, already: int = 0
) -> None:
    """Adds an error if the steps may include too many resources.

    `sources` is the page size. `already` is the number of resources that are included before them.
    """
    if (total := already + _max_included(steps, sources)) > MAX_INCLUDED:
        detail = (
            f"{PARAMETER} may include {total:,} resources; at most {MAX_INCLUDED:,} are allowed. "
            "Send a smaller page[size] or fewer paths."
        )
        errors.add(PARAMETER, detail, code="too_much_included")


def _max_included(steps: tuple[Step, ...], sources: int) -> int:
    """Returns the sum of the maximum numbers of resources that the steps lead to."""
    total = 0
    for step in steps:
        reached = sources * (MAX_LINKED if isinstance(step.relationship, ToMany) else 1)
        total += reached + _max_included(step.steps, reached)
    return total

"""The rules of the URLs of resources and relationships, and their variables."""

from collections.abc import Callable

from flask import Response
from flask.blueprints import BlueprintSetupState
from werkzeug.routing import BaseConverter

from adapters.jsonapi.kinds import KEY
from adapters.jsonapi.linkage import LINKAGE
from application.entities import AnyType
from application.relationships import Relationship

View = Callable[[int], Response]


def relationship_rule(relationship: Relationship, *, linkage: bool) -> str:
    """Returns the rule of the URLs of a relationship, or of the related resources."""
    within = f"{LINKAGE}/" if linkage else ""
    return f"{resource_rule(relationship.source)}/{within}{relationship.name}"


def resource_rule(entity_type: AnyType) -> str:
    """Returns the rule of the URLs of the resources of a type.

    Metrics and the log show the rule, so its variable is named after the resource.
    """
    noun = entity_type.not_found.noun.replace(" ", "_")
    return f"/{entity_type.name}/<key:{noun}_id>"


def by_position(view: View) -> Callable[..., Response]:
    """Returns the view with a positional argument for the only variable of its URL rule."""
    return lambda **variables: view(*variables.values())


class _IdConverter(BaseConverter):
    """Matches an id in a URL. With any other text, the URL does not exist for any method."""

    regex = KEY

    def to_python(self, value: str) -> int:
        return int(value)


def register_id_converter(state: BlueprintSetupState) -> None:
    """Makes the converter `key` of the rules available to an application."""
    state.app.url_map.converters["key"] = _IdConverter

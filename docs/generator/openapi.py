"""The OpenAPI document -> docs/openapi.json."""

import json
from typing import Final

from adapters.accounts.openapi import account_description
from adapters.api.errors import error_codes
from adapters.api.openapi.document import OpenApi
from adapters.oauth.openapi import oauth_description
from entrypoints.resources import RESOURCES, make_catalog

CODES: Final = error_codes(each.type for each in RESOURCES)


def file() -> str:
    """The document of a service with tokens, accounts, a rate limit and replicas.

    Each value has its own line, so that a comparison of two versions shows each change of the API.
    """
    document = json.loads(openapi().document(secured=True, limited=True, positioned=True))
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def openapi() -> OpenApi:
    """Describes the built-in resources and accounts."""
    declarations = [each.declaration for each in RESOURCES]
    parts = (account_description, oauth_description)
    return OpenApi(declarations, CODES, make_catalog(RESOURCES), parts)

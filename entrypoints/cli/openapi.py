"""roster openapi."""

import os

import click

from entrypoints.cli import output
from entrypoints.settings import Settings


@click.command()
def openapi() -> None:
    """Print the OpenAPI 3.1 description of the API.

    The service returns the same at /openapi.json.
    """
    from adapters.accounts.openapi import account_description
    from adapters.api.errors import error_codes
    from adapters.api.openapi.document import OpenApi
    from adapters.oauth.openapi import oauth_description
    from entrypoints.resources import RESOURCES, make_catalog

    settings = Settings.of(os.environ)
    limited = settings.rate_limit is not None
    codes = error_codes(each.type for each in RESOURCES)
    catalog = make_catalog(RESOURCES)
    declarations = [each.declaration for each in RESOURCES]
    parts = [account_description, oauth_description] if settings.accounts else []
    described = OpenApi(declarations, codes, catalog, parts)
    output.document(
        described.document(settings.public_url, secured=not settings.is_open, limited=limited)
    )

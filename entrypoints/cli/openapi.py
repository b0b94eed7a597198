"""roster openapi."""

import os

import click

from entrypoints.cli import output
from entrypoints.settings import Settings


@click.command()
def openapi() -> None:
    """Print the description of the API (OpenAPI 3.1), as /openapi.json has it."""
    from adapters.api.openapi import document

    output.document(document(Settings.of(os.environ).public_url))

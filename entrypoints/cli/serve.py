"""roster serve."""

import os
from typing import Final

import click

from entrypoints.cli.files import standard_output
from entrypoints.settings import Settings

HOST: Final = "127.0.0.1"
PORT: Final = 5000


@click.command()
@click.option("--host", default=HOST, show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="Port to listen on; 0 chooses a free one.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    help="Number of processes.  [default: one per processor, up to 4; 1 for SQLite and memory]",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 512),
    default=512,
    show_default=True,
    help="Requests that each worker handles at the same time, including those still arriving. With "
    "few threads, slow clients delay others.",
)
def serve(host: str, port: int, workers: int | None, threads: int) -> None:
    """Serve the API over HTTP. An SQLite database is migrated first."""
    from entrypoints.serve import serve as serve_until_stopped

    standard_output()  # for the log; if it were closed, a database could get its descriptor
    settings = Settings.of(os.environ)
    if settings.store == "memory" and workers not in (None, 1):
        raise click.UsageError("memory:// requires a single process: --workers must be 1.")
    serve_until_stopped(
        settings, host, port, workers=workers or _workers(settings), threads=threads
    )


def _workers(settings: Settings) -> int:
    single = settings.embedded or settings.store == "memory"
    return 1 if single else min(4, os.cpu_count() or 1)

"""python -m docs.generator.screenshot: writes docs/docs-page.png, which shows /docs in Chromium."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import httpx

_PICTURE: Final = Path(__file__).parents[1] / "docs-page.png"
_OPTIONS: Final = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
_SECONDS: Final = 20  # for the start of the service


def main() -> None:
    _PICTURE.unlink(missing_ok=True)
    with _served() as url:
        subprocess.run(
            [
                os.environ.get("CHROMIUM", "chromium"),
                *_OPTIONS,
                "--window-size=1000,760",
                "--virtual-time-budget=8000",  # milliseconds for the scripts of the page
                f"--screenshot={_PICTURE}",
                url,
            ],
            check=True,
            stderr=subprocess.DEVNULL,
            timeout=60,
        )
    _PICTURE.stat()  # Chromium exits with 0 even if it could not load the page.


@contextmanager
def _served() -> Iterator[str]:
    """Runs a service with an empty directory, and yields the URL of its documentation."""
    roster = Path(sys.executable).with_name("roster")
    with subprocess.Popen(
        [roster, "serve", "--port", "0"],
        env=os.environ | {"ROSTER_DATABASE_URL": "memory://", "ROSTER_LOG_FORMAT": "json"},
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout
        try:
            url = json.loads(server.stdout.readline())["docs"]
            _wait_for(url)
            yield url
        finally:
            server.terminate()


def _wait_for(url: str) -> None:
    """Waits for a worker that accepts connections. Raises TimeoutError if there is none in time."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            httpx.get(url).raise_for_status()
            return
        time.sleep(0.1)
    raise TimeoutError(f"{url} is not available after {_SECONDS} seconds")


if __name__ == "__main__":
    main()

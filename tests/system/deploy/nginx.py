"""nginx with the site of docs/deploy/, on other ports and with a new certificate."""

import os
import socket
import ssl
import subprocess
from http.client import HTTPSConnection
from pathlib import Path

from roster_process import free_port
from waiting import until

SITE = Path(__file__).parents[3] / "docs" / "deploy" / "roster.nginx.conf"
NGINX = Path("/usr/sbin/nginx")
LOCATIONS = """\
    location / {
        proxy_pass http://roster;
    }

    location /metrics {
        return 404;
    }
"""
NAME = "roster.example.org"
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


class Nginx:
    """nginx in front of two ports. It listens on a port with TLS, and on one without.

    `locations` replaces the locations of the site that lead to Roster.
    """

    def __init__(
        self,
        directory: Path,
        first: int,
        second: int,
        *,
        rate: str | None = None,
        locations: str | None = None,
    ) -> None:
        self.port, self.plain_port = free_port(), free_port()
        self._directory = directory
        self._make_certificate()
        listen = f"listen 127.0.0.1:{self.port} ssl http2; listen 127.0.0.1:{self.plain_port};"
        default = f"listen 127.0.0.1:{self.port} ssl http2 default_server;"
        (directory / "site.conf").write_text(
            _replaced(
                SITE.read_text(),
                {
                    "listen 443 ssl http2;": listen,
                    "listen 443 ssl http2 default_server;": default,
                    "127.0.0.1:5000": f"127.0.0.1:{first}",
                    "127.0.0.1:5001": f"127.0.0.1:{second}",
                    "rate=100r/s": f"rate={rate or '100r/s'}",
                    f"/etc/ssl/{NAME}.pem": str(self._certificate),
                    f"/etc/ssl/private/{NAME}.key": str(self._key),
                    **({LOCATIONS: locations} if locations else {}),
                },
            )
        )
        (directory / "nginx.conf").write_text(self._around_the_site())

    def start(self) -> None:
        command = [
            str(NGINX),
            "-p",
            str(self._directory),
            "-c",
            str(self._directory / "nginx.conf"),
        ]
        with (self._directory / "nginx.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until(self._listens)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()

    def log(self) -> str:
        return (self._directory / "nginx.log").read_text()

    def connect(self, *, source: str = "127.0.0.1", name: str = NAME) -> HTTPSConnection:
        """Connects with TLS, from an address of this machine, to the host of the name."""
        context = ssl.create_default_context(cafile=str(self._certificate))
        connection = HTTPSConnection(name, self.port, timeout=30, context=context)
        plain = socket.create_connection(("127.0.0.1", self.port), 30, (source, 0))
        connection.sock = context.wrap_socket(plain, server_hostname=name)
        return connection

    @property
    def _certificate(self) -> Path:
        return self._directory / "certificate.pem"

    @property
    def _key(self) -> Path:
        return self._directory / "key.pem"

    def _around_the_site(self) -> str:
        user = "user root;" if os.geteuid() == 0 else ""
        paths = "\n".join(f"    {name}_temp_path {self._directory}/{name};" for name in _TEMPORARY)
        return f"""\
{user}
daemon off;
pid {self._directory}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    ssl_ciphers ALL:@SECLEVEL=0;  # so that only ssl_protocols keeps old versions out
{paths}
    include {self._directory}/site.conf;
}}
"""

    def _make_certificate(self) -> None:
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        subject = ["-subj", f"/CN={NAME}", "-days", "2", "-addext", f"subjectAltName=DNS:{NAME}"]
        files = ["-keyout", str(self._key), "-out", str(self._certificate)]
        command = ["openssl", "req", "-x509", *key, *subject, *files]
        subprocess.run(command, check=True, capture_output=True)

    def _listens(self) -> bool:
        assert self._process.poll() is None, self.log()
        try:
            socket.create_connection(("127.0.0.1", self.plain_port)).close()
        except ConnectionRefusedError:
            return False
        return True


def _replaced(text: str, parts: dict[str, str]) -> str:
    for old, new in parts.items():
        assert old in text, old
        text = text.replace(old, new)
    return text

"""Checks that a service without access control is protected before it starts."""

from ipaddress import ip_address

from adapters.web.security_headers import ANYONE
from entrypoints.settings import ACCESS_CONTROL, BadSetting, Settings


def check_open_service(settings: Settings, address: str | None = None) -> None:
    """Raises BadSetting if a service without access control is not protected.

    `address` is the address that it listens on; None if another server listens.
    """
    if not settings.is_open:
        return
    if ANYONE in settings.cors_origins:
        raise BadSetting(
            "ROSTER_CORS_ORIGINS",
            f"must not be * without access control ({ACCESS_CONTROL}): any web page could change "
            "users; list the origins instead",
        )
    if address is None or ip_address(address).is_loopback:
        return
    if not settings.allow_open:
        raise BadSetting(
            "ROSTER_ALLOW_OPEN",
            f"must be 1 to listen on {address} without access control: anyone who can reach it can "
            f"read and change all users. Or set {ACCESS_CONTROL}",
        )
    if not (settings.public_url or settings.hosts):
        raise BadSetting(
            "ROSTER_HOSTS",
            f"must name the hosts of the service (or set ROSTER_PUBLIC_URL) to listen on {address} "
            "without access control: requests for other hosts are rejected",
        )

"""Whether a browser speaks for this machine's user, or for a web site that the user happens to look at.

While nobody has a key (``tenants.access: open``), being on this machine is all it takes. A browser on this machine also
runs other people's pages, so two things are asked of it: pages from elsewhere have their ``Origin`` on what they post
(forgery), and a name that was made to point here stands in ``Host`` (DNS rebinding). What is no browser sends no
``Origin`` and any ``Host``.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from router.wire.errors import Refusal

Headers = Iterable[tuple[bytes, bytes]]


def refuse_foreign_page(headers: Headers) -> None:
    """Let pass what no other web site's page can have sent.

    Programs with an origin of their own, such as extensions of the browser, pass: they ask their user first.

    Raises:
        Refusal: 403, the origin is a web site, or hidden.

    """
    for name, value in headers:
        if name == b"origin" and (value == b"null" or (value.startswith(b"http") and not _is_here(value))):
            msg = "A web page from elsewhere may not call a gateway that asks for no key."
            raise Refusal(403, msg, code="foreign_origin")


def refuse_foreign_host(headers: Headers) -> None:
    """Let pass what was asked of this machine by a name that cannot be anybody else's.

    Raises:
        Refusal: 403, another name.

    """
    host = next((value for name, value in headers if name == b"host"), b"")
    if not _is_here(b"http://" + host):
        msg = (
            "Without keys this is only for http://localhost and http://127.0.0.1; see tenants.access in the fleet file."
        )
        raise Refusal(403, msg, code="foreign_host")


def _is_here(url: bytes) -> bool:
    try:
        name = urlsplit(url.decode("latin-1")).hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:  # another name, or none at all
        return False

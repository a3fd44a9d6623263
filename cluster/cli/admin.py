"""What the commands over the admin API share: whom they ask, durations, lists that come in pages."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlencode

import click

from cluster.cli.options import endpoint, json_option, key_option, url_option
from cluster.client.http import Endpoint
from cluster.supervise.state import Home

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def admin_endpoint(url: str, key: str) -> Endpoint:
    """The gateway that was named; for the fleet of this machine, the key that its first start made is the default."""
    file = Home.from_environment().root / "admin.key"
    if not url and not key and file.is_file():
        key = file.read_text().strip()
    return endpoint(url, key)


def over_admin_api(command: Callable[..., None]) -> Callable[..., None]:
    """A command with ``--url``, ``--key`` and ``--json``; it is called with ``gateway`` and ``as_json``."""

    @url_option
    @key_option
    @json_option
    @functools.wraps(command)
    def run(url: str, key: str, **options: object) -> None:
        command(gateway=admin_endpoint(url, key), **options)

    return run


class Duration(click.ParamType[int]):
    """``90s``, ``15m``, ``12h``, ``30d``, or seconds as a bare number → seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401
        """Seconds, or click's own complaint."""
        found = re.fullmatch(r"(\d{1,9})([smhd]?)", str(value), re.ASCII)
        if found is None:
            self.fail(f"{value!r} is no duration; write 90s, 15m, 12h or 30d.", param, ctx)
        return int(found[1]) * _UNITS[found[2] or "s"]


def path_of(*names: str) -> str:
    """A path below ``/admin``, whatever the names hold."""
    return "/".join(["/admin", *(quote(name, safe="") for name in names)])


def everything(gateway: Endpoint, path: str, identity: str, **query: str) -> Iterator[dict[str, Any]]:
    """All entries of a list; ``identity`` is the field by which it goes on."""
    more = True
    while more:
        reply = gateway.get(f"{path}?{urlencode(query)}").body
        yield from reply["data"]
        more = reply["has_more"]
        query["after"] = reply["data"][-1][identity] if more else ""

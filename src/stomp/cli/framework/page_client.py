"""Reads the HTTP API of an embedded broker (`stomp broker --page-port`)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argparse import Namespace

    from stomp.cli.framework.parser import Parser

DEFAULT_URL = "http://127.0.0.1:8161"
#: Bytes of an answer that are read.
_MOST = 16 * 1024 * 1024
#: Destinations that are read.
_DESTINATIONS = 1000


def add_options(parser: Parser) -> None:
    """Declare the options of a command that reads the API."""
    parser.add(
        "--page-url",
        metavar="URL",
        help=f"URL of the broker's page, http://user:password@host:port (STOMP_PAGE_URL; default {DEFAULT_URL})",
    )
    parser.add("--match", metavar="TEXT", default="", help="only destinations with this in their name")
    parser.add(
        "--sort",
        metavar="ORDER",
        choices=["name", "depth", "consumers", "received", "delivered"],
        default="name",
        help="name (the default), depth, consumers, received or delivered",
    )


def read(args: Namespace, path: str, **parameters: object) -> Any:
    """Read a path of the API.

    Raises:
        UsageError: the URL is invalid, or the broker refuses the request.
        OSError: the page cannot be reached.
    """
    import base64
    import json
    from urllib.error import HTTPError, URLError
    from urllib.parse import unquote, urlencode, urlsplit
    from urllib.request import ProxyHandler, Request, build_opener

    from stomp.core.diagnostics import one_line
    from stomp.core.errors import UsageError

    given = args.page_url or os.environ.get("STOMP_PAGE_URL") or DEFAULT_URL
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("--page-url is no URL of a page", hint=f"write it as {DEFAULT_URL}")
    host = parts.netloc.rpartition("@")[2]
    request = Request(f"{parts.scheme}://{host}{parts.path.rstrip('/')}/api/v1{path}?{urlencode(parameters)}")
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=10) as response:
            return json.loads(response.read(_MOST))
    except HTTPError as err:
        hint = "add the login: http://user:password@host:port" if err.code == 401 else ""
        raise UsageError(f"the page at {host} answered with status {err.code}", hint=hint) from err
    except URLError as err:
        raise OSError(
            f"no page at {host}: {one_line(err.reason)}; start the broker with --page-port 8161"
        ) from err
    except ValueError as err:
        raise UsageError(f"the answer of {host} is not from the page of a broker") from err


def destinations(args: Namespace) -> list[dict[str, Any]]:
    """The destinations that the options select."""
    found = read(args, "/destinations", match=args.match, sort=args.sort, limit=_DESTINATIONS)
    items: list[dict[str, Any]] = found["items"]
    return items


#: The columns of the table: heading, and field of a destination.
_COLUMNS = {
    "waiting": "waiting",
    "unacked": "unacknowledged",
    "consumers": "consumers",
    "in/s": "in_rate",
    "out/s": "out_rate",
    "redelivered": "redelivered",
    "dead": "dead_lettered",
}


def table(rows: list[dict[str, Any]], width: int = 0) -> list[str]:
    """The lines of a table of destinations; the first one has the headings.

    Args:
        rows: the destinations.
        width: maximum width of a line; 0 for no limit.
    """
    from stomp.cli.framework.terminal import clean

    names = [clean(row["name"], lines=False) + (" (paused)" if row["paused"] else "") for row in rows]
    cells = [[f"{row[field]:g}" for field in _COLUMNS.values()] for row in rows]
    widths = [max(len(each) for each in column) for column in zip(_COLUMNS, *cells, strict=True)]
    longest = max(map(len, ["destination", *names]))
    if width:
        longest = max(12, min(longest, width - sum(widths) - 2 * len(widths)))
    lines = []
    for name, values in zip(["destination", *names], [list(_COLUMNS), *cells], strict=True):
        shown = name if len(name) <= longest else name[: longest - 1] + "…"
        line = f"{shown:{longest}}"
        line += "".join(f"  {value:>{size}}" for value, size in zip(values, widths, strict=True))
        lines.append(line[:width] if width else line)
    return lines

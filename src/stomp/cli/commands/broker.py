"""``stomp broker``: runs the embedded broker from the command line."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import ssl
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stomp.broker.broker import Broker
from stomp.broker.broker_log import log_activity
from stomp.broker.dialects import DIALECTS
from stomp.broker.endpoints import parse_endpoint
from stomp.broker.settings import LIMITS
from stomp.broker.store import Policy
from stomp.cli.config import broker_file
from stomp.cli.config.broker_file import BrokerFile
from stomp.client.config import parse_size
from stomp.core.diagnostics import one_line
from stomp.core.errors import UsageError
from stomp.net.address import Address

if TYPE_CHECKING:
    from collections.abc import Callable

    from stomp.broker.http import Page
    from stomp.cli.framework.parser import Parser
    from stomp.cli.framework.terminal import Terminal

_HOST = "127.0.0.1"
_PORT = 61613

_DESCRIPTION = """\
A STOMP broker for development and tests. Not for production: messages are kept in memory, and are lost when it
stops; with --store, persistent messages survive."""

_EPILOGUE = """\
Without --user and --login, every login is accepted. The first line of the output is the address ("stomp broker
listening on stomp://127.0.0.1:61613"), the next lines are the other addresses. The broker stops on Ctrl-C with
exit status 130, and on SIGTERM with exit status 0. With a COMMAND, it stops when the command ends, with its status.

Examples:
  stomp broker --port 61613 --ws-port 15674
  stomp broker --dialect rabbitmq -v
  stomp broker -- pytest tests"""


def run(args: argparse.Namespace, terminal: Terminal) -> int:
    """Run the broker until SIGINT or SIGTERM.

    Args:
        args: the arguments, read by a parser with the options of `configure`.
        terminal: not used: the broker prints its addresses itself.

    Returns:
        The exit status: 0 after SIGTERM, 130 after Ctrl-C; that of the command if there is one.

    Raises:
        UsageError: the value of an option, or a combination of options, is invalid.
        OSError: binding an address failed.
    """
    settings = BrokerFile() if args.config is None else broker_file.read(args.config)
    _add_options(args, settings)
    context = _tls(args)
    level = logging.DEBUG if args.verbose > 1 else logging.INFO if args.verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    broker = Broker(
        listen=_endpoints(args, settings, tls=context is not None),
        users=_users(args, settings),
        permissions=settings.permissions,
        heartbeat=args.heartbeat,
        ssl_context=context,
        dialect=args.dialect or "tolerant",
        allow_origins=args.allow_origin,
        store=args.store,
        user_from_certificate=args.tls_user_from_cert,
        policy=Policy(**{**settings.policy, **_given(args, "policy_")}),
        limits=replace(LIMITS, **{**settings.limits, **_given(args, "limit_")}),
        **settings.arguments,
    )
    try:
        page = _page(args, broker, context)
        return asyncio.run(_serve(broker, page, args.command_line, args.store, args.verbose))
    except KeyboardInterrupt:
        return 130


def _add_options(args: argparse.Namespace, settings: BrokerFile) -> None:
    """Set the options that were not given to the values of the file."""
    for name, value in settings.options.items():
        if getattr(args, name) in (None, False, []):
            setattr(args, name, value)


def _endpoints(args: argparse.Namespace, settings: BrokerFile, *, tls: bool) -> list[Address]:
    given = (args.host, args.port, args.ws_port, args.unix)
    if settings.listen is not None and all(each is None for each in given):
        return [parse_endpoint(each) for each in settings.listen]
    host = _HOST if args.host is None else args.host
    listen = [Address(host, _PORT if args.port is None else args.port, "tls" if tls else "tcp")]
    if args.ws_port is not None:
        listen.append(Address(host, args.ws_port, "wss" if tls else "ws"))
    if args.unix is not None:
        listen.append(Address("", 0, "unix", args.unix))
    return listen


def configure(parser: Parser) -> None:
    """Declare the options."""
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOGUE
    add = parser.add_argument
    add("--host", "-H", help=f'address to listen on; "" for all (default {_HOST})')
    add("--port", "-P", type=_port, help=f"port; 0 for a free port (default {_PORT})")
    add("--ws-port", metavar="PORT", type=_port, help="also listen for WebSockets on this port (any path)")
    add(
        "--allow-origin",
        metavar="ORIGIN",
        action="append",
        default=[],
        help="accept WebSockets of web pages with this origin, like https://app.example; may be repeated; "
        "* for all (default: pages of localhost and of the broker's host)",
    )
    add(
        "--dialect",
        choices=list(DIALECTS),
        help="imitate this broker; strict has no extensions of STOMP, tolerant has those of all (the default)",
    )
    add("--config", metavar="FILE", help="take the settings that are not given here from this TOML file")
    add("--unix", metavar="PATH", help="also listen on this Unix socket")
    _add_page_options(parser)
    _add_login_options(parser)
    add(
        "--store",
        metavar="FILE",
        help="keep messages with persistent:true and durable subscriptions in this file (default: in memory only)",
    )
    _add_tls_options(parser)
    add(
        "--heartbeat",
        metavar="SEND,RECEIVE",
        type=_heartbeat,
        default=None,
        help="milliseconds between heart-beats: sent, requested; 0 for none (default: "
        "what the client asks for)",
    )
    parser.add(
        "command_line",
        metavar="COMMAND",
        nargs="*",
        help="run this command with STOMP_URL set, and end with its exit status; write -- before it",
    )
    _add_limit_options(parser)
    add(
        "--verbose",
        "-v",
        action="count",
        default=0,
        help="log connections and received frames, without bodies; -vv also sent frames",
    )


def _add_limit_options(parser: Parser) -> None:
    add = parser.add_argument
    for name, text in _POLICY.items():
        add(_option(name), metavar=_metavar(name), type=_policy_value(name), help=text, dest=f"policy_{name}")
    for name, text in _LIMITS.items():
        add(f"--limit-{name.replace('_', '-')}", metavar="SIZE", type=_size, help=text, dest=f"limit_{name}")


def _add_login_options(parser: Parser) -> None:
    add = parser.add_argument
    add("--user", metavar="NAME", help="accept this user (with --password-file)")
    add("--password-file", metavar="FILE", help="file whose first line is the password of --user")
    add(
        "--login",
        metavar="NAME:PASSWORD",
        action="append",
        default=[],
        help="accept this user; may be repeated. Other users of this machine can see the password in the process list; "
        "--password-file avoids that",
    )


def _add_tls_options(parser: Parser) -> None:
    add = parser.add_argument
    add("--tls-cert", metavar="FILE", help="use TLS with this certificate chain (PEM)")
    add("--tls-key", metavar="FILE", help="private key of the certificate, if it is in a separate file (PEM)")
    add("--tls-client-ca", metavar="FILE", help="require a client certificate of these authorities (PEM)")
    add(
        "--tls-client-optional",
        action="store_true",
        help="with --tls-client-ca: also accept clients without one",
    )
    add(
        "--tls-user-from-cert",
        action="store_true",
        help="with --tls-client-ca: the common name of the certificate is the user, without a password",
    )


def _add_page_options(parser: Parser) -> None:
    add = parser.add_argument
    add(
        "--page-port",
        metavar="PORT",
        type=_port,
        help="serve a page about the broker, its HTTP API and metrics on this port, like 8161 (extra page)",
    )
    add("--page-host", metavar="HOST", help=f'address of the page; "" for all (default {_HOST})')
    add(
        "--page-allow-host",
        metavar="NAME",
        action="append",
        default=[],
        help="name of this machine in a URL of the page; may be repeated; * for all (default: localhost, IP addresses "
        "and the host name)",
    )


#: The options for the fields of `Policy`.
_POLICY = {
    "max_messages": "messages in all queues (default 1000000)",
    "max_bytes": "bytes of all messages, for example 512MiB (default 128MiB)",
    "max_queue_bytes": "bytes of one queue (default 64MiB)",
    "max_subscription_bytes": "bytes that wait for one subscription to a topic (default 16MiB)",
    "slow_consumer": "for a subscription beyond that: drop-oldest (the default) or disconnect",
    "window": "unacknowledged messages of a subscription (default 1000)",
    "max_window": "maximum that a SUBSCRIBE can ask for (default 65535)",
    "dead_letter_after": "refusals by NACK after which a message goes to the dead-letter queue (default 5)",
    "dead_letter_queue": "destination of the dead-letter queue (default /queue/DLQ)",
    "max_subscriptions": "subscriptions of one connection (default 10000)",
    "max_transactions": "open transactions of one connection (default 1000)",
    "max_durable": "durable subscriptions (default 10000)",
    "max_retroactive": "messages that each topic keeps for retroactive subscriptions of ActiveMQ (default 0)",
    "max_destination": "characters of a destination (default 1024)",
    "max_selector": "characters of a selector (default 8192)",
    "max_cost": "cost of the selectors and wildcards of one connection (default 100000)",
    "chunk": "bytes written to a connection before others have their turn (default 256KiB)",
}
#: The options for the fields of `Limits`.
_LIMITS = {
    "frame": "bytes of a received frame (default 17MiB)",
    "body": "bytes of a received body (default 16MiB)",
    "head": "bytes of all header lines of a received frame (default 1000000)",
    "header_line": "bytes of a received header line (default 64KiB)",
    "headers": "header lines of a received frame (default 4000)",
    "early_frames": "frames that a client may send before CONNECTED (default 10000)",
}


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _metavar(name: str) -> str:
    return {"slow_consumer": "POLICY", "dead_letter_queue": "DESTINATION"}.get(name, "NUMBER")


def _policy_value(name: str) -> Callable[[str], object]:
    if name == "slow_consumer":
        return _slow_consumer
    return str if name == "dead_letter_queue" else _size


def _slow_consumer(text: str) -> str:
    if text not in ("drop-oldest", "disconnect"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither drop-oldest nor disconnect")
    return text


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as err:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 1, like 1000 or 64MiB") from err


def _given(args: argparse.Namespace, prefix: str) -> dict[str, Any]:
    """The values of the options with this prefix that were given, by name of the field."""
    found = {
        name.removeprefix(prefix): value for name, value in vars(args).items() if name.startswith(prefix)
    }
    return {name: value for name, value in found.items() if value is not None}


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 65_536):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 65535")
    return int(text)


def _heartbeat(text: str) -> tuple[int, int]:
    numbers = text.split(",")
    if len(numbers) != 2 or not all(number.isascii() and number.isdigit() for number in numbers):
        raise argparse.ArgumentTypeError(f"{text!r} is not two numbers of milliseconds, like 10000,10000")
    return int(numbers[0]), int(numbers[1])


def _users(args: argparse.Namespace, settings: BrokerFile) -> dict[str, str | None] | None:
    users: dict[str, str | None] = dict(settings.users or {})
    for login in args.login:
        name, colon, password = login.partition(":")
        if not (name and colon):
            raise UsageError("--login must be NAME:PASSWORD")
        users[name] = password
    if (args.user is None) != (args.password_file is None):
        raise UsageError("--user and --password-file go together")
    if args.user is not None:
        try:
            lines = Path(args.password_file).read_text().splitlines()
        except (OSError, UnicodeDecodeError) as err:
            raise UsageError(f"--password-file: {err}") from err
        users[args.user] = lines[0] if lines else ""
    # A file with an empty table of users accepts no login.
    return users if users or settings.users is not None else None


def _tls(args: argparse.Namespace) -> ssl.SSLContext | None:
    for option, needed in (
        ("tls_client_ca", "tls_cert"),
        ("tls_client_optional", "tls_client_ca"),
        ("tls_user_from_cert", "tls_client_ca"),
    ):
        if getattr(args, option) and getattr(args, needed) is None:
            raise UsageError(f"{_option(option)} needs {_option(needed)}")
    if args.tls_cert is None:
        if args.tls_key is not None:
            raise UsageError("--tls-key needs --tls-cert")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(args.tls_cert, args.tls_key)
    except OSError as err:  # ssl.SSLError is a subclass
        raise UsageError(f"--tls-cert: {err}") from err
    if args.tls_client_ca is not None:
        try:
            context.load_verify_locations(args.tls_client_ca)
        except OSError as err:
            raise UsageError(f"--tls-client-ca: {err}") from err
        context.verify_mode = ssl.CERT_OPTIONAL if args.tls_client_optional else ssl.CERT_REQUIRED
    return context


def _page(args: argparse.Namespace, broker: Broker, context: ssl.SSLContext | None) -> Page | None:
    if args.page_port is None:
        return None
    try:
        from stomp.broker.http import Page
    except ImportError as err:
        raise UsageError(
            f"--page-port needs the package {err.name}", hint='pip install "stompkit[page]"'
        ) from err
    host = _HOST if args.page_host is None else args.page_host
    return Page(broker, host, args.page_port, hosts=args.page_allow_host, ssl_context=context)


async def _serve(
    broker: Broker, page: Page | None, command: list[str], store: str | None, verbose: int
) -> int:
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[int] = loop.create_future()

    def stop(status: int) -> None:
        if not stopped.done():
            stopped.set_result(status)

    # On Windows the event loop has no signal handlers; there Ctrl-C raises KeyboardInterrupt.
    with contextlib.suppress(NotImplementedError):
        loop.add_signal_handler(signal.SIGTERM, stop, 0)
        loop.add_signal_handler(signal.SIGINT, stop, 130)
    async with broker, page or contextlib.nullcontext():
        if verbose:
            log_activity(broker, sent=verbose > 1)
        # The output of the command must be its own.
        output = sys.stderr if command else sys.stdout
        for url in broker.urls:
            print(f"stomp broker listening on {url}", flush=True, file=output)
        if page is not None:
            print(f"the page of the broker is at {page.url}", flush=True, file=output)
        if command:
            return await _run_command(command, broker.url, stopped)
        where = "in memory" if store is None else f"in memory, persistent ones in {one_line(store)}"
        print(f"for development and tests: messages are {where}; Ctrl-C stops it", flush=True)
        return await stopped


async def _run_command(command: list[str], url: str, stopped: asyncio.Future[int]) -> int:
    """Run a command with STOMP_URL set until it ends; a signal ends it. Returns its exit status."""
    try:
        process = await asyncio.create_subprocess_exec(*command, env={**os.environ, "STOMP_URL": url})
    except OSError as err:
        raise UsageError(f"cannot run {command[0]!r}: {err.strerror or err}") from err
    ended = asyncio.ensure_future(process.wait())
    await asyncio.wait([ended, stopped], return_when=asyncio.FIRST_COMPLETED)
    if not ended.done():
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
    status = await ended
    # As a shell does for a command that was killed by a signal.
    return status if status >= 0 else 128 - status

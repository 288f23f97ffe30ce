"""The connection options. All commands that need a broker have them, and they are the keys of a context.

`stomp.cli.config.settings` combines their values. Help does not need that module, so it is separate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from stomp.cli.framework.parser import header

if TYPE_CHECKING:
    from stomp.cli.framework.parser import Parser


class Option(NamedTuple):
    """A connection option, which is also a key of a context."""

    names: tuple[str, ...]
    help: str
    metavar: str = ""
    completes: str = ""
    type: Any = str

    @property
    def key(self) -> str:
        """The key of the option in a context: its long name without dashes."""
        return next(name for name in self.names if name.startswith("--")).lstrip("-")


OPTIONS = (
    Option(("--url",), "broker URL: stomp+ssl://user@host:port/vhost?heartbeat=10000,10000; also a comma-separated "
         "list of hosts, failover:(...), ws://, wss:// and unix:// (STOMP_URL)", "URL"),
    Option(("-H", "--host"), "host name or address (default localhost)", "HOST", "host"),
    Option(("-P", "--port"), "port (default 61613)", "PORT"),
    Option(("-U", "--user", "--login"), "user name", "USER"),
    Option(("-W", "--password", "--passcode"), "password; other users of this machine can see it in the process "
         "list, so prefer one of the next three options, or STOMP_PASSWORD", "PASSWORD"),
    Option(("--password-file",), "file whose first line is the password", "FILE", "file"),
    Option(("--password-command",), "command whose output is the password", "COMMAND", "command"),
    Option(("--ask-password",), "prompt for the password on the terminal", type=bool),
    Option(("-S", "--protocol", "--stomp"), "STOMP version: 1.0, 1.1, 1.2, or multicast for STOMP without a broker",
         "STOMP"),
    Option(("--vhost",), "virtual host", "NAME"),
    Option(("--heartbeats", "--heartbeat"), "milliseconds between heart-beats: sent, requested", "CX,CY"),
    Option(("--ssl",), "use TLS; implied by the options below", type=bool),
    Option(("--ssl-key-file",), "private key of the client certificate (PEM)", "FILE", "file"),
    Option(("--ssl-cert-file",), "client certificate (PEM)", "FILE", "file"),
    Option(("--ssl-ca-file",), "trusted certificate authorities (PEM) (default: those of the system)", "FILE", "file"),
    Option(("--ssl-insecure",), "do not verify the server certificate (not secure)", type=bool),
    Option(("--proxy",), "proxy: http://user:password@host:port or socks5://host:port", "URL"),
    Option(("--connect-timeout",), "timeout for each step of connecting (default 30s)", "TIME"),
    Option(("--connect-header",), "additional header of the CONNECT frame; may be repeated", "NAME:VALUE", type=dict),
    Option(("--lenient",), "frames that break a rule of STOMP: yes (accept if their end is certain), no (close the "
         "connection), or trim (as yes, and remove white space around headers)", "HOW"),
    Option(("--max-body",), "maximum size of a received body, for example 65536 or 64KiB", "SIZE"),
    Option(("--max-frame",), "maximum size of a received frame", "SIZE"),
    Option(("--max-head",), "maximum size of the command and headers of a frame", "SIZE"),
    Option(("--max-header-line",), "maximum size of a header line", "SIZE"),
    Option(("--max-headers",), "maximum number of headers in a frame", "COUNT"),
)  # fmt: skip
#: Other names of options, which are accepted and not shown: that of the first stomp.py, and those of `stomp.Client`.
_OTHER_NAMES = ("--stomp", "--login", "--passcode", "--heartbeat")
#: The options for limits and leniency of the decoder. They are also options of a URL.
READING = ("lenient", "max-body", "max-frame", "max-head", "max-header-line", "max-headers")
#: The keys of a context, and the types of their values.
KEYS = {row.key: row.type for row in OPTIONS}


def add_options(parser: Parser) -> None:
    """Declare the connection options."""
    group = parser.add_argument_group("Connection")
    for row in OPTIONS:
        settings: dict[str, Any] = {"help": row.help, "dest": dest(row.key), "default": None}
        if row.type is bool:
            settings |= {"action": "store_const", "const": True}
        else:
            settings["metavar"] = row.metavar
        if row.type is dict:
            settings |= {"action": "append", "type": header}
        hide = [name for name in row.names if name in _OTHER_NAMES]
        parser.add(*row.names, group=group, completes=row.completes, hide=hide, **settings)
    parser.add(
        "--context", group=group, metavar="NAME", completes="context",
        help="use the settings of this context from ~/.config/stomp/contexts.toml (STOMP_CONTEXT)",
    )  # fmt: skip
    parser.add("--debug", group=group, action="store_true", help="show debug logs and tracebacks")


def dest(key: str) -> str:
    """The attribute of the parsed arguments that belongs to a key."""
    return key.replace("-", "_")

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
    Option(("--url",), "the broker, as stomp+ssl://user@host:port/vhost?heartbeat=10000,10000; a list of hosts "
         "with commas, failover:(...), ws://, wss:// and unix:// work, too (STOMP_URL)", "URL"),
    Option(("-H", "--host"), "hostname or address to connect to; localhost if not given", "HOST", "host"),
    Option(("-P", "--port"), "port to connect to; 61613 if not given", "PORT"),
    Option(("-U", "--user"), "user name for the connection", "USER"),
    Option(("-W", "--password"), "password; everybody on this machine can read it in the list of processes, so use "
         "one of the next three, or STOMP_PASSWORD", "PASSWORD"),
    Option(("--password-file",), "read the password from the first line of a file", "FILE", "file"),
    Option(("--password-command",), "read the password from what a command prints", "COMMAND", "command"),
    Option(("--ask-password",), "ask for the password on the terminal", type=bool),
    Option(("-S", "--protocol", "--stomp"), "version of STOMP: 1.0, 1.1, 1.2, or multicast for STOMP without a broker",
         "STOMP"),
    Option(("--vhost",), "the virtual host of the broker", "NAME"),
    Option(("--heartbeats",), "heart-beats to send and to ask for, in milliseconds", "CX,CY"),
    Option(("--ssl",), "connect by TLS; the options below say so, too", type=bool),
    Option(("--ssl-key-file",), "key of our certificate (PEM)", "FILE", "file"),
    Option(("--ssl-cert-file",), "our certificate (PEM)", "FILE", "file"),
    Option(("--ssl-ca-file",), "authorities to trust (PEM); those of the system if not given", "FILE", "file"),
    Option(("--ssl-insecure",), "accept any certificate, and with it anybody in between", type=bool),
    Option(("--proxy",), "connect through http://user:password@host:port or socks5://host:port", "URL"),
    Option(("--connect-timeout",), "seconds for each step of connecting; 30 if not given", "SECONDS"),
    Option(("--connect-header",), "a further header of the CONNECT frame; may be repeated", "NAME:VALUE", type=dict),
    Option(("--lenient",), "how frames are read that break a rule of STOMP: yes (those whose end is certain), no (the "
         "connection ends), or trim (as yes, and white space around headers is removed)", "HOW"),
    Option(("--max-body",), "maximum size of a body that is received, as 65536 or 64KiB", "SIZE"),
    Option(("--max-frame",), "maximum size of a frame that is received", "SIZE"),
    Option(("--max-head",), "maximum size of its command line and headers", "SIZE"),
    Option(("--max-header-line",), "maximum size of a header line", "SIZE"),
    Option(("--max-headers",), "maximum number of headers in a frame", "COUNT"),
)  # fmt: skip
#: The options for limits and leniency of the decoder. They are also options of a URL.
READING = ("lenient", "max-body", "max-frame", "max-head", "max-header-line", "max-headers")
#: The keys of a context, and the types of their values.
KEYS = {row.key: row.type for row in OPTIONS}


def add_options(parser: Parser) -> None:
    """Declare the connection options."""
    group = parser.add_argument_group("Connection")
    for row in OPTIONS:
        how: dict[str, Any] = {"help": row.help, "dest": dest(row.key), "default": None}
        if row.type is bool:
            how |= {"action": "store_const", "const": True}
        else:
            how["metavar"] = row.metavar
        if row.type is dict:
            how |= {"action": "append", "type": header}
        hide = [name for name in row.names if name == "--stomp"]
        parser.add(*row.names, group=group, completes=row.completes, hide=hide, **how)
    parser.add(
        "--context", group=group, metavar="NAME", completes="context",
        help="take the settings that are not given here from the context of this name (STOMP_CONTEXT), see CONTEXTS",
    )  # fmt: skip
    parser.add(
        "--debug", group=group, action="store_true", help="show the log of the library, and tracebacks"
    )


def dest(key: str) -> str:
    """The attribute of the parsed arguments that belongs to a key."""
    return key.replace("-", "_")

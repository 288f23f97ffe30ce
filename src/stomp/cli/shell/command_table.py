"""The table of shell commands, for the prompt and for scripts: usage, help and completion of each.

`stomp.cli.shell.shell` implements the commands. The manual page and the reference are generated from this table.
"""

from __future__ import annotations

from typing import NamedTuple


class ShellCommand(NamedTuple):
    """A row of the table.

    Attributes:
        name: the name of the command.
        usage: its parameters, as shown in the usage line.
        description: what it does.
        required: pairs of name and description, for the required parameters.
        optional: the same for the optional parameters.
        completes: the kind of each parameter, for completion: "destination", "subscribed" (a destination with a
            subscription), "ack-id", "subscription", "file", "command" (of the shell), or choices separated by "|".
    """

    name: str
    usage: str
    description: str
    required: tuple[tuple[str, str], ...] = ()
    optional: tuple[tuple[str, str], ...] = ()
    completes: tuple[str, ...] = ()


#: The help of stomp.py has this text.
_DESTINATION = ("destination", "where to send the message")
_MESSAGE = ("message", "the body; it continues to the end of the line")
_EXIT = "Disconnects from the broker and ends the client."
_QUOTE = "Put a message in quotes if it begins or ends with spaces."
_TRANSACTION = (
    "Messages that are sent or acknowledged before commit take effect together at commit, or not at all."
)
_ABORT = "Ends the transaction and discards its messages and acknowledgements."
_ACK = (
    "Acknowledges a message. This is needed in subscriptions whose ack is not auto: the broker keeps the message until "
    "then, and delivers it again if the connection is lost before. With client, all earlier messages of the "
    "subscription are acknowledged, too."
)
_VERSION = "Shows the version of this client and of the protocol."

SHELL_COMMANDS = (
    ShellCommand("EOF", "", _EXIT + " Same as Ctrl-D."),
    ShellCommand("abort", "", _ABORT),
    ShellCommand(
        "ack",
        "<message-id> [subscription-id]",
        _ACK,
        (("message-id", "the id of the message; with STOMP 1.2 the value of its ack header"),),
        (("subscription-id", "the id of the subscription (for STOMP 1.1, and for messages not seen here)"),),
        ("ack-id", "subscription"),
    ),
    ShellCommand("begin", "", f"Begins a transaction. {_TRANSACTION}"),
    ShellCommand("commit", "", "Ends the transaction; its messages and acknowledgements take effect."),
    ShellCommand("exit", "", _EXIT),
    ShellCommand("help", "[topic]", "Quick help on commands", (), (("topic", "a command"),), ("command",)),
    ShellCommand(
        "nack",
        "<message-id> [subscription]",
        "Rejects a message. The broker decides what happens to it: it is delivered again, moved to a dead-letter "
        "queue, or discarded.",
        (("message-id", "the id of the message; with STOMP 1.2 the value of its ack header"),),
        (("subscription", "the id of the subscription (for STOMP 1.1, and for messages not seen here)"),),
        ("ack-id", "subscription"),
    ),
    ShellCommand("quit", "", _EXIT),
    ShellCommand("rollback", "", _ABORT),
    ShellCommand(
        "run",
        "<filename>",
        "Execute commands in a specified file",
        (),
        (),
        ("file",),
    ),
    ShellCommand(
        "send",
        "<destination> <message>",
        f"Sends a message to a destination in the messaging system. {_QUOTE}",
        (_DESTINATION, _MESSAGE),
        (),
        ("destination",),
    ),
    ShellCommand(
        "sendfile",
        "<destination> <filename> [headers.json]",
        "Sends a file to a destination in the messaging system.",
        (_DESTINATION, ("filename", "the file to send")),
        (("headers.json", "a file with a JSON object of additional headers, or the object itself"),),
        ("destination", "file", "file"),
    ),
    ShellCommand(
        "sendrec",
        "<destination> <message>",
        f"Sends a message and waits for the RECEIPT of the broker. {_QUOTE}",
        (_DESTINATION, _MESSAGE),
        (),
        ("destination",),
    ),
    ShellCommand(
        "sendreply",
        "<destination> <correlation-id> <message>",
        "Sends a reply: a message with the correlation-id header of the request.",
        (_DESTINATION, ("correlation-id", "the correlation-id of the request"), _MESSAGE),
        (),
        ("destination",),
    ),
    ShellCommand(
        "stats",
        "[on|off]",
        "Record statistics on messages sent, received, errors, etc. If no argument (on|off) is specified, "
        "dump the current statistics.",
        (),
        (),
        ("on|off",),
    ),
    ShellCommand(
        "subscribe",
        "<destination> [ack]",
        "Subscribes to a destination and shows its messages as they arrive.",
        (("destination", "the destination to subscribe to"),),
        (
            (
                "ack",
                "auto: the broker considers a message acknowledged when it has sent it; client or client-individual: "
                "acknowledge with ack",
            ),
        ),
        ("destination", "auto|client|client-individual"),
    ),
    ShellCommand(
        "unsubscribe",
        "<destination>",
        "Ends a subscription.",
        (("destination", "the destination of the subscription"),),
        (),
        ("subscribed",),
    ),
    ShellCommand("ver", "", _VERSION),
    ShellCommand("version", "", _VERSION),
)

BY_NAME = {command.name: command for command in SHELL_COMMANDS}

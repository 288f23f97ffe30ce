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
            subscription), "ack-id", "subscription", "file", "verb" (a command), or choices separated by "|".
    """

    name: str
    usage: str
    description: str
    required: tuple[tuple[str, str], ...] = ()
    optional: tuple[tuple[str, str], ...] = ()
    completes: tuple[str, ...] = ()


_DESTINATION = ("destination", "where to send the message")
_MESSAGE = ("message", "the content to send; it goes on to the end of the line")
_EXIT = "Ends the client, after it has said good-bye to the broker."
_QUOTE = "Write quotes around a message whose first or last characters are blanks."
_TRANSACTION = (
    "What is sent and acknowledged between begin and commit happens at commit, all of it, or not at all."
)
_ABORT = "Ends the transaction, so that nothing of it happens."
_ACK = (
    "Tells the broker that a message has been dealt with. It is needed in subscriptions whose ack is not auto: "
    "the broker keeps the message until then, and delivers it again if the connection is lost before. "
    "With client it stands for all earlier messages of the subscription, too."
)
_VERSION = "Shows the version of this client, and of the protocol."

VERBS = (
    ShellCommand("EOF", "", _EXIT + " It is what Ctrl-D types."),
    ShellCommand("abort", "", _ABORT),
    ShellCommand(
        "ack",
        "<message-id> [subscription-id]",
        _ACK,
        (("message-id", "the id of the message, or with STOMP 1.2 what its ack header says"),),
        (("subscription-id", "the id of the subscription (for STOMP 1.1, and for messages not seen here)"),),
        ("ack-id", "subscription"),
    ),
    ShellCommand("begin", "", f"Begins a transaction. {_TRANSACTION}"),
    ShellCommand("commit", "", "Ends the transaction, so that everything in it happens."),
    ShellCommand("exit", "", _EXIT),
    ShellCommand("help", "[topic]", "Quick help on commands", (), (("topic", "a command"),), ("verb",)),
    ShellCommand(
        "nack",
        "<message-id> [subscription]",
        "Tells the broker that a message could not be dealt with. What happens to it then is up to the broker: it is "
        "delivered again, put aside, or dropped.",
        (("message-id", "the id of the message, or with STOMP 1.2 what its ack header says"),),
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
        (("headers.json", "a file with a JSON object of further headers, or the object itself"),),
        ("destination", "file", "file"),
    ),
    ShellCommand(
        "sendrec",
        "<destination> <message>",
        f"Sends a message, and waits until the broker has confirmed it by a receipt. {_QUOTE}",
        (_DESTINATION, _MESSAGE),
        (),
        ("destination",),
    ),
    ShellCommand(
        "sendreply",
        "<destination> <correlation-id> <message>",
        "Sends an answer: a message whose correlation-id header says to which request it belongs.",
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
        "Asks for the messages of a destination. They are shown as they come.",
        (("destination", "where messages come from"),),
        (
            (
                "ack",
                "auto: a message counts as dealt with when it is delivered; client or client-individual: "
                "when you say ack",
            ),
        ),
        ("destination", "auto|client|client-individual"),
    ),
    ShellCommand(
        "unsubscribe",
        "<destination>",
        "Ends a subscription, so that no more messages of the destination come.",
        (("destination", "the name that was subscribed to"),),
        (),
        ("subscribed",),
    ),
    ShellCommand("ver", "", _VERSION),
    ShellCommand("version", "", _VERSION),
)

BY_NAME = {verb.name: verb for verb in VERBS}

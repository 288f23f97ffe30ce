"""`StompCLI`, the interactive client of stomp.py. It implements the commands that `command_table` describes."""

from __future__ import annotations

import cmd
import contextlib
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from stomp.classic.listeners import StatsListener
from stomp.cli.config.settings import ConnectionSettings, from_arguments
from stomp.cli.framework.exit_status import CommandError, Status, verdict
from stomp.cli.framework.terminal import Terminal
from stomp.cli.shell import line_parser, send_file
from stomp.cli.shell.command_table import BY_NAME
from stomp.cli.shell.connect import connect, connection
from stomp.cli.shell.help import ShellHelp, SubscriptionInfo
from stomp.cli.shell.render import Renderer
from stomp.cli.shell.session import ShellListener
from stomp.core.errors import StompError
from stomp.core.spellings import nearest
from stomp.utils import get_uuid

#: The default folder for files received in messages.
SAVE_TO = "stomp-received"
_MAX_DEPTH = 20
#: Seconds to wait for the RECEIPT of a subscription, and for CONNECTED to be shown.
_ANSWER_TIMEOUT = 10.0


class _ScriptLine(NamedTuple):
    """The current line of a script."""

    file: Path
    line: int


_Action = Callable[["StompCLI", str], "bool | None"]


def _reports_errors(action: _Action) -> _Action:
    """Decorate a command: its errors are reported and not raised."""

    @functools.wraps(action)
    def wrapper(self: StompCLI, args: str) -> bool | None:
        try:
            return action(self, args)
        except (StompError, CommandError, OSError, RecursionError) as error:
            self.report_error(error)
            return None

    return wrapper


class StompCLI(ShellHelp, ShellListener):
    """The interactive client. The constructor connects; call `close` to disconnect.

    The positional arguments are those of stomp.py. The keyword arguments exist only here:

    Args:
        settings: the settings of the connection, instead of all arguments up to `ssl_insecure`.
        terminal: the output, instead of `stdout`. Errors are written to its `err`.
        save_to: the folder for files received in messages.

    Raises:
        RuntimeError: there is no such version.
        ConnectFailed: the broker was not reached, or refused the connection.
        CommandError: the settings cannot be used, or the password could not be read.
    """

    def __init__(
        self,
        host: str | None = "localhost",
        port: int | str | None = 61613,
        user: str | None = "",
        passcode: str | None = "",
        ver: str = "1.1",
        prompt: str = "> ",
        verbose: bool = True,
        heartbeats: tuple[int, int] = (0, 0),
        use_ssl: bool = False,
        ssl_key_file: str | None = None,
        ssl_cert_file: str | None = None,
        ssl_ca_file: str | None = None,
        ssl_insecure: bool = False,
        stdin: TextIO | None = None,
        stdout: TextIO | None = None,
        *,
        settings: ConnectionSettings | None = None,
        terminal: Terminal | None = None,
        save_to: str = SAVE_TO,
    ) -> None:
        if terminal is None:
            # Programs that pass their own stream expect errors there, too.
            terminal = Terminal(stdout, None if stdout in (None, sys.stdout) else stdout)
        if settings is None:
            tls = (use_ssl, ssl_key_file, ssl_cert_file, ssl_ca_file, ssl_insecure)
            settings = from_arguments(host, port, user, passcode, ver, heartbeats, tls)
        cmd.Cmd.__init__(self, "Tab", stdin, terminal.out)
        ShellListener.__init__(self)
        self.prompt = prompt
        self.terminal = terminal
        self.settings = settings
        self.save_to = Path(save_to)
        self.renderer = Renderer(terminal, verbose=verbose, spaced=prompt != "")
        self.version = "multicast" if settings.multicast else (settings.versions or ("1.1",))[0]
        self.transaction_id: str | None = None
        self.subscriptions: dict[str, SubscriptionInfo] = {}
        self._ids = 0
        self._script_lines: list[_ScriptLine] = []
        self.conn: Any = connection(settings)
        self.conn.set_listener("", self)
        self._connect()

    # ------------------------------------------------------------------------------------- connection

    @property
    def verbose(self) -> bool:
        """True if all headers are shown."""
        return self.renderer.verbose

    def close(self) -> None:
        """Disconnect: send DISCONNECT, and wait for its RECEIPT for a limited time."""
        self._closing = True
        with contextlib.suppress(StompError, OSError):
            self.conn.disconnect()
        if not self.conn.transport.is_open:
            # The connection may have ended just now. Its thread calls listeners, and must end before the interpreter.
            self.conn.transport.join()

    def ensure_connected(self) -> None:
        """If the connection was lost, reconnect and subscribe again.

        Raises:
            StompError: connecting or subscribing failed.
            CommandError: there was a transaction, which ended with the connection.
        """
        if not self.lost:
            return
        self._connect()
        self.info("reconnected")
        if self.status is Status.UNREACHED:
            self.status = Status.OK
        for destination, info in self.subscriptions.items():
            self._send_subscribe(destination, info)
        if self.transaction_id is not None:
            lost, self.transaction_id = self.transaction_id, None
            raise CommandError(f"the transaction {lost} was lost with the connection", hint="begin a new one")

    def _connect(self) -> None:
        """Connect, and wait until CONNECTED was shown, so that the output of commands comes after it."""
        connects = self.connects
        connect(self.conn, self.settings)
        if self.settings.multicast:
            self._connected = True
            return
        with self.changed:
            self.changed.wait_for(lambda: self.connects != connects, _ANSWER_TIMEOUT)

    def answer(self, text: str, style: str = "") -> None:
        """Write the answer to a command to standard output."""
        self.show((self.terminal.styled(text, style, self.terminal.out) if style else text) + "\n")

    def report_error(self, error: Exception) -> None:
        """Report an error; in a script with the file and the line."""
        status, words = (
            verdict(error) if not isinstance(error, RecursionError) else (Status.USAGE, str(error))
        )
        script_line = self._script_lines[-1] if self._script_lines else None
        self.fail(f"{script_line.file}:{script_line.line}: {words}" if script_line else words, status)

    # ------------------------------------------------------------------------------------- cmd.Cmd

    def emptyline(self) -> bool:
        """Do nothing. `cmd.Cmd` would repeat the last command."""
        return False

    def default(self, line: str) -> None:
        """Report an unknown command. Lines that begin with # are comments."""
        if line.startswith("#"):
            return
        word = line.split()[0]
        suggestion = nearest(word, BY_NAME)
        hint = "type help for the commands" if not suggestion else f"did you mean {suggestion!r}?"
        self.report_error(CommandError(f"Unknown command: {word}", hint=hint))

    def onecmd(self, line: str) -> bool:
        """Run the command in a line. Returns True if it ends the client."""
        try:
            return bool(super().onecmd(line))
        except (StompError, CommandError, OSError) as error:
            self.report_error(error)
            return False

    # ------------------------------------------------------------------------------------- subscriptions

    @_reports_errors
    def do_subscribe(self, args: str) -> None:
        """See `command_table`."""
        words = self._words(args, "subscribe <destination> [ack]", 1, 2)
        self.subscribe(words[0], words[1] if len(words) > 1 else "auto")

    def subscribe(self, destination: str, ack: str = "auto") -> None:
        """Subscribe to a destination.

        Args:
            add_destination: the destination.
            ack: "auto", "client" or "client-individual".

        Raises:
            CommandError: there is a subscription to it already, or `ack` is invalid.
            StompError: there is no connection, or the broker did not confirm the subscription.
        """
        if ack not in ("auto", "client", "client-individual"):
            raise CommandError(f"ack is auto, client or client-individual, not {ack!r}")
        if destination in self.subscriptions:
            raise CommandError(f"Already subscribed to {destination}")
        self.ensure_connected()
        self._ids += 1
        info = self.subscriptions[destination] = SubscriptionInfo(self._ids, ack)
        self.recent.add_destination(destination)
        text = f"Subscribing to '{destination}' with acknowledge set to '{ack}', id set to '{self._ids}'"
        if self.prompt:
            self.answer(text)
        self._send_subscribe(destination, info)
        if not self.prompt:
            # A listener prints this after the RECEIPT, so that a program that waits for the line can send then.
            self.info(text)

    def _send_subscribe(self, destination: str, info: SubscriptionInfo) -> None:
        """Send SUBSCRIBE and wait for its RECEIPT. RabbitMQ does not know a subscription that is ended at once."""
        receipt = get_uuid()
        with self.wait_for_receipt(receipt, seconds=min(_ANSWER_TIMEOUT, self.settings.timeout), silent=True):
            self.conn.subscribe(destination, info.id, info.ack, receipt=receipt)

    @_reports_errors
    def do_unsubscribe(self, args: str) -> None:
        """See `command_table`."""
        [destination] = self._words(args, "unsubscribe <destination>", 1, 1)
        if destination not in self.subscriptions:
            raise CommandError(f"Subscription {destination} not found")
        self.ensure_connected()
        self.conn.unsubscribe(self.subscriptions[destination].id)
        del self.subscriptions[destination]
        self.answer(f"Unsubscribing from '{destination}'")

    # ------------------------------------------------------------------------------------- sending

    @_reports_errors
    def do_send(self, args: str) -> None:
        """See `command_table`."""
        destination, message = self._message(args, "send <destination> <message>", 1)
        self.conn.send(destination, line_parser.body(message), **self._in_transaction())

    @_reports_errors
    def do_sendrec(self, args: str) -> None:
        """See `command_table`."""
        destination, message = self._message(args, "sendrec <destination> <message>", 1)
        receipt = get_uuid()
        with self.wait_for_receipt(receipt, seconds=self.settings.timeout):
            self.conn.send(destination, line_parser.body(message), receipt=receipt, **self._in_transaction())

    @_reports_errors
    def do_sendreply(self, args: str) -> None:
        """See `command_table`."""
        usage = "sendreply <destination> <correlation-id> <message>"
        destination, correlation, message = self._message(args, usage, 2)
        headers = {"correlation-id": correlation}
        self.conn.send(
            destination, line_parser.body(f"{message}\n"), headers=headers, **self._in_transaction()
        )

    @_reports_errors
    def do_sendfile(self, args: str) -> None:
        """See `command_table`."""
        words = line_parser.split(args, 2)
        if len(words) < 2:
            raise CommandError("Expecting: sendfile <destination> <filename> [headers.json]")
        destination, filename, *more = words
        headers = send_file.headers_of(more[0], self.answer) if more else {}
        body = send_file.encoded(Path(filename), self.terminal)
        self.ensure_connected()
        self.recent.add_destination(destination)
        headers = {**headers, "filename": filename, **self._in_transaction()}
        self.conn.send(destination, body, headers=headers)

    # ------------------------------------------------------------------------------------- acknowledging

    @_reports_errors
    def do_ack(self, args: str) -> None:
        """See `command_table`."""
        self.check_ack_nack(self.conn.ack, args)

    @_reports_errors
    def do_nack(self, args: str) -> None:
        """See `command_table`."""
        if self.version == "1.0":
            raise CommandError("STOMP 1.0 has no NACK", hint="start with -S 1.1 or -S 1.2")
        self.check_ack_nack(self.conn.nack, args)

    def check_ack_nack(self, acknackfunc: Any, args: Any) -> None:
        """Call `ack` or `nack` of the connection with the ids that the STOMP version needs.

        Args:
            acknackfunc: the method `ack` or `nack` of the connection.
            args: the rest of the line, or a list of words: the message-id, and the subscription-id for STOMP 1.1. For
                a message that was received here, its subscription and its ack id are filled in.

        Raises:
            CommandError: an id is missing.
        """
        words = line_parser.words(args) if isinstance(args, str) else list(args)
        command = getattr(acknackfunc, "__name__", "ack")
        known = self.recent.messages.get(words[0]) if words else None
        if self.version == "1.1":
            if len(words) == 1 and known is not None and known[1] is not None:
                words.append(known[1])
            usage, count = f"{command} <message-id> <subscription-id>", 2
        elif self.version == "1.0":
            usage, count = f"{command} <message-id>", 1
        else:
            if known is not None and known[0] is not None:
                words[0] = known[0]
            usage, count = f"{command} <ack-id>", 1
        if len(words) < count:
            raise CommandError(f"Expecting: {usage}")
        self.ensure_connected()
        acknackfunc(*words[:count], **self._in_transaction())

    # ------------------------------------------------------------------------------------- transactions

    @_reports_errors
    def do_begin(self, args: str) -> None:
        """See `command_table`."""
        if self.transaction_id is not None:
            raise CommandError(f"Currently in a transaction ({self.transaction_id})")
        self.ensure_connected()
        self.transaction_id = str(self.conn.begin())
        self.answer(f"Transaction id: {self.transaction_id}")

    @_reports_errors
    def do_commit(self, args: str) -> None:
        """See `command_table`."""
        id = self._transaction()
        self.answer(f"Committing {id}")
        self.conn.commit(id)
        self.transaction_id = None

    @_reports_errors
    def do_abort(self, args: str) -> None:
        """See `command_table`."""
        id = self._transaction()
        self.conn.abort(id)
        self.transaction_id = None
        self.answer(f"Aborted transaction: {id}")

    do_rollback = do_abort

    # ------------------------------------------------------------------------------------- other commands

    @_reports_errors
    def do_stats(self, args: str) -> None:
        """See `command_table`."""
        word = args.strip()
        listener = self.conn.get_listener("stats")
        if word == "on":
            if listener is None:
                self.conn.set_listener("stats", StatsListener())
        elif word == "off" and listener is not None:
            self.conn.remove_listener("stats")
        elif word in ("", "off"):
            if listener is None:
                raise CommandError("No stats available", hint="stats on")
            self.answer(str(listener))
        else:
            raise CommandError("Expecting: stats [on|off]")

    @_reports_errors
    def do_run(self, args: str) -> bool:
        """See `command_table`."""
        [filename] = self._words(args, "run <filename>", 1, 1)
        return self.run_file(Path(filename))

    def run_file(self, file: Path) -> bool:
        """Run the commands in a file. Returns True if one of them ends the client.

        Raises:
            CommandError: the file does not exist, is not UTF-8, or runs itself.
        """
        if len(self._script_lines) >= _MAX_DEPTH or any(
            script_line.file == file for script_line in self._script_lines
        ):
            raise CommandError(f"{file} runs itself")
        try:
            content = file.expanduser().read_text(encoding="utf-8")
        except FileNotFoundError:
            raise CommandError(f"File {file} was not found") from None
        except UnicodeDecodeError:
            raise CommandError(f"File {file} is not UTF-8") from None
        for number, line in enumerate(content.splitlines(), 1):
            self._script_lines.append(_ScriptLine(file, number))
            try:
                if self.onecmd(line):
                    return True
            finally:
                self._script_lines.pop()
        return False

    def do_version(self, args: str) -> None:
        """See `command_table`."""
        from stomp._version import __version__

        self.answer(f"{__version__} [Protocol version {self.version}]", "strong")

    do_ver = do_version

    def do_quit(self, args: str) -> bool:
        """See `command_table`."""
        self.info("Shutting down, please wait")
        self._closing = True
        return True

    do_exit = do_quit

    def do_EOF(self, args: str) -> bool:  # noqa: N802 - the name that cmd.Cmd calls
        """See `command_table`."""
        return self.do_quit(args)

    # ------------------------------------------------------------------------------------- helpers

    def _words(self, args: str, usage: str, minimum: int, maximum: int) -> list[str]:
        words = line_parser.words(args)
        if not minimum <= len(words) <= maximum:
            raise CommandError(f"Expecting: {usage}")
        return words

    def _message(self, args: str, usage: str, count: int) -> list[str]:
        """Split a line into `count` words, the first of which is the destination, and the message.

        Reconnects if the connection was lost.
        """
        words = line_parser.split(args, count)
        if len(words) <= count:
            raise CommandError(f"Expecting: {usage}")
        self.ensure_connected()
        self.recent.add_destination(words[0])
        return words

    def _transaction(self) -> str:
        if self.transaction_id is None:
            raise CommandError("Not currently in a transaction")
        self.ensure_connected()
        return self.transaction_id

    def _in_transaction(self) -> dict[str, str]:
        return {} if self.transaction_id is None else {"transaction": self.transaction_id}

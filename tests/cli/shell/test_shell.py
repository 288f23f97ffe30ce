"""The commands of the prompt, one by one, on the class that programs of stomp.py make themselves."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import stomp
from stomp.broker import Broker
from stomp.cli.framework.exit_status import Status
from stomp.cli.shell import command_table, shell
from stomp.cli.shell.shell import StompCLI
from stomp.core.errors import ConnectFailed
from stomp.listener import ConnectionListener
from tests.listening import PATIENCE
from tests.printed import Printed

Make = Callable[..., StompCLI]


@pytest.fixture
def out() -> Printed:
    return Printed()


@pytest.fixture
def make(broker: Broker, out: Printed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    monkeypatch.chdir(tmp_path)
    made: list[StompCLI] = []

    def make(version: str = "1.1", **more: Any) -> StompCLI:
        arguments = {"verbose": False, "stdin": io.StringIO(), "stdout": out, **more}
        made.append(StompCLI(broker.host, broker.port, "admin", "password", version, **arguments))
        return made[-1]

    yield make
    for cli in made:
        cli.close()


@pytest.fixture
def cli(make: Make) -> StompCLI:
    return make()


def message_id(cli: StompCLI) -> str:
    """The id of the last message."""
    with cli.changed:
        assert cli.changed.wait_for(lambda: bool(cli.recent.messages), 10)
    return list(cli.recent.messages)[-1]


# ------------------------------------------------------------------------------------- the class


def test_stompcli_can_be_imported_as_in_stomp_py(cli: StompCLI) -> None:
    import stomp.__main__

    assert stomp.__main__.StompCLI is StompCLI
    assert isinstance(cli, stomp.ConnectionListener)
    assert cli.verbose is False
    assert StompCLI.__init__.__defaults__[6] is True  # type: ignore[index]


def test_unknown_version_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="Unknown version"):
        StompCLI("localhost", 1, ver="invalid")


def test_wrong_password_is_an_error(broker: Broker) -> None:
    with pytest.raises(ConnectFailed):
        StompCLI(broker.host, str(broker.port), "admin", "wrong", stdin=io.StringIO(), stdout=io.StringIO())


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_calls_of_the_stomp_py_suite_work(make: Make, out: Printed, version: str) -> None:
    cli = make(version, verbose=True)
    out.expect("CONNECTED")
    cli.onecmd("subscribe /queue/testsubscribe")
    out.expect("Subscribing to '/queue/testsubscribe' with acknowledge set to 'auto', id set to '1'")
    cli.onecmd("send /queue/testsubscribe this is a test")
    out.expect("MESSAGE")
    out.expect("this is a test")
    cli.onecmd("sendrec /queue/testsendrec this is a test")
    out.expect("RECEIPT")
    cli.onecmd("unsubscribe /queue/testsubscribe")
    out.expect("Unsubscribing from '/queue/testsubscribe'")
    assert cli.onecmd("quit") is True
    out.expect("Shutting down, please wait")


def test_cmdloop_runs_commands(make: Make, out: Printed) -> None:
    cli = make(stdin=io.StringIO("version\nquit\nversion\n"))
    cli.use_rawinput = False
    cli.cmdloop()
    assert out.getvalue().count("[Protocol version 1.1]") == 1


# ------------------------------------------------------------------------------------- each command


def test_subscribe_shows_messages(cli: StompCLI, out: Printed) -> None:
    cli.onecmd("subscribe /queue/a client")
    out.expect("Subscribing to '/queue/a' with acknowledge set to 'client', id set to '1'")
    cli.onecmd("subscribe '/queue/b b'")
    out.expect("Subscribing to '/queue/b b' with acknowledge set to 'auto', id set to '2'")
    cli.onecmd("subscribe /queue/a")
    out.expect("Already subscribed to /queue/a")
    cli.onecmd("subscribe")
    out.expect(r"Expecting: subscribe <destination> \[ack\]")
    cli.onecmd("subscribe /queue/c sometimes")
    out.expect("ack is auto, client or client-individual, not 'sometimes'")
    assert cli.status is Status.USAGE


def test_unsubscribe_ends_the_messages(cli: StompCLI, out: Printed) -> None:
    cli.onecmd("unsubscribe /queue/a")
    out.expect("Subscription /queue/a not found")
    cli.onecmd("unsubscribe")
    out.expect("Expecting: unsubscribe <destination>")
    cli.onecmd("subscribe /queue/a")
    cli.onecmd("unsubscribe /queue/a")
    out.expect("Unsubscribing from '/queue/a'")
    assert cli.subscriptions == {}


def test_send_keeps_the_spaces(cli: StompCLI, out: Printed) -> None:
    cli.onecmd("subscribe /queue/a")
    cli.onecmd("send /queue/a   two  blanks")
    out.expect("two  blanks")
    cli.onecmd("send /queue/a '  around  '")
    out.expect("  around  ")
    cli.onecmd("send /queue/a")
    out.expect("Expecting: send <destination> <message>")
    cli.onecmd("send 'open x")
    out.expect("the quote ' is not closed")


def test_sendrec_waits_for_its_receipt(cli: StompCLI, broker: Broker, out: Printed) -> None:
    cli.onecmd("sendrec /queue/a hello")
    assert broker.depth("/queue/a") == 1
    cli.onecmd("sendrec /queue/a")
    out.expect("Expecting: sendrec <destination> <message>")


def test_sendrec_reports_a_missing_receipt(cli: StompCLI, out: Printed) -> None:
    cli.conn.transport.disconnect_socket()
    cli.conn.transport.join()
    out.expect("lost connection")
    cli.lost = False  # so that it does not connect again
    cli.onecmd("sendrec /queue/a hello")
    assert cli.status is Status.UNREACHED


def test_sendreply_sends_the_correlation_id(make: Make, out: Printed) -> None:
    cli = make(verbose=True)
    cli.onecmd("subscribe /queue/a")
    cli.onecmd("sendreply /queue/a c-1 the answer")
    out.expect("correlation-id: c-1")
    out.expect("the answer")
    cli.onecmd("sendreply /queue/a c-1")
    out.expect("Expecting: sendreply <destination> <correlation-id> <message>")


def test_sendfile_sends_a_file(cli: StompCLI, out: Printed, tmp_path: Path) -> None:
    content = bytes(range(256)) * 100
    (tmp_path / "my file.bin").write_bytes(content)
    cli.onecmd("subscribe /queue/a")
    cli.onecmd("sendfile /queue/a 'my file.bin'")
    out.expect(f"Saved file: {shell.SAVE_TO}/my file.bin")
    assert (tmp_path / shell.SAVE_TO / "my file.bin").read_bytes() == content


def test_sendfile_sends_headers(make: Make, out: Printed, tmp_path: Path) -> None:
    cli = make(verbose=True)
    (tmp_path / "f").write_text("x")
    (tmp_path / "headers.json").write_text('{"custom": "header", "n": 1}')
    cli.onecmd("subscribe /queue/a")
    cli.onecmd("sendfile /queue/a f headers.json")
    out.expect("Loading headers.json")
    out.expect("Using headers {'custom': 'header', 'n': 1}")
    out.expect("MESSAGE")
    out.expect("n: 1")
    cli.onecmd('sendfile /queue/a f { "custom" : "other" }')
    out.expect("custom: other")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", r"Expecting: sendfile <destination> <filename> \[headers.json\]"),
        ("/queue/a", r"Expecting: sendfile <destination> <filename> \[headers.json\]"),
        ("/queue/a gone", "File gone does not exist"),
        ("/queue/a .", ".: Is a directory"),
        ("/queue/a f gone.json", "File gone.json does not exist"),
        ("/queue/a f {bad", "the headers: not JSON: .*"),
        ("/queue/a f list.json", "list.json: not a JSON object of headers"),
    ],
)
def test_sendfile_reports_errors(
    cli: StompCLI, out: Printed, tmp_path: Path, arguments: str, words: str
) -> None:
    (tmp_path / "f").write_text("x")
    (tmp_path / "list.json").write_text("[]")
    cli.onecmd(f"sendfile {arguments}")
    out.expect(words)
    assert cli.status is Status.USAGE


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_ack_acknowledges_a_message(make: Make, broker: Broker, version: str) -> None:
    cli = make(version)
    cli.onecmd("subscribe /queue/a client-individual")
    cli.onecmd("send /queue/a hello")
    id = message_id(cli)
    ack, subscription = cli.recent.messages[id]
    cli.onecmd(f"ack {ack}" if version == "1.2" else f"ack {id} {subscription}")
    cli.onecmd("sendrec /queue/b -")
    cli.close()
    assert broker.depth("/queue/a") == 0
    assert cli.status is Status.OK


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_ack_finds_the_subscription_of_a_received_message(make: Make, broker: Broker, version: str) -> None:
    cli = make(version)
    cli.onecmd("subscribe /queue/a client-individual")
    cli.onecmd("send /queue/a hello")
    cli.onecmd(f"ack {message_id(cli)}")
    cli.onecmd("sendrec /queue/b -")
    cli.close()
    assert broker.depth("/queue/a") == 0


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_nack_rejects_a_message(make: Make, version: str) -> None:
    cli = make(version)
    cli.onecmd("subscribe /queue/a client-individual")
    cli.onecmd("send /queue/a hello")
    id = message_id(cli)
    cli.onecmd(f"nack {id}")
    with cli.changed:
        assert cli.changed.wait_for(lambda: cli.received == 2, 10)
    assert cli.status is Status.OK


@pytest.mark.parametrize(
    ("version", "line", "words"),
    [
        ("1.0", "ack", "Expecting: ack <message-id>"),
        ("1.1", "ack", "Expecting: ack <message-id> <subscription-id>"),
        ("1.1", "ack unknown", "Expecting: ack <message-id> <subscription-id>"),
        ("1.1", "nack", "Expecting: nack <message-id> <subscription-id>"),
        ("1.2", "ack", "Expecting: ack <ack-id>"),
        ("1.2", "nack", "Expecting: nack <ack-id>"),
        ("1.0", "nack x", r"STOMP 1.0 has no NACK \(start with .*"),
    ],
)
def test_ack_without_ids_shows_the_usage(
    make: Make, out: Printed, version: str, line: str, words: str
) -> None:
    make(version).onecmd(line)
    out.expect(words)


def test_transaction_commits_sends_and_acks(cli: StompCLI, broker: Broker, out: Printed) -> None:
    cli.onecmd("begin")
    id = out.expect("Transaction id: (.*)")[1]
    cli.onecmd("begin")
    out.expect(rf"Currently in a transaction \({id}\)")
    for line in ("send /queue/a 1", "sendrec /queue/a 2", "sendreply /queue/a c 3"):
        cli.onecmd(line)
    assert broker.depth("/queue/a") == 0
    cli.onecmd("commit")
    out.expect(f"Committing {id}")
    cli.onecmd("sendrec /queue/b -")
    assert broker.depth("/queue/a") == 3


@pytest.mark.parametrize("word", ["abort", "rollback"])
def test_abort_discards_the_transaction(cli: StompCLI, broker: Broker, out: Printed, word: str) -> None:
    cli.onecmd("begin")
    id = out.expect("Transaction id: (.*)")[1]
    cli.onecmd("send /queue/a 1")
    cli.onecmd(word)
    out.expect(f"Aborted transaction: {id}")
    cli.onecmd("sendrec /queue/b -")
    assert broker.depth("/queue/a") == 0


@pytest.mark.parametrize("word", ["commit", "abort", "rollback"])
def test_commit_without_transaction_is_an_error(cli: StompCLI, out: Printed, word: str) -> None:
    cli.onecmd(word)
    out.expect("Not currently in a transaction")


def test_stats_shows_counts(cli: StompCLI, out: Printed) -> None:
    cli.onecmd("stats")
    out.expect(r"No stats available \(stats on\)")
    cli.onecmd("stats off")
    out.expect(r"No stats available \(stats on\)")
    cli.onecmd("stats on")
    cli.onecmd("stats on")
    cli.onecmd("sendrec /queue/a x")
    cli.onecmd("stats")
    out.expect("Connections: 0")
    out.expect("Messages sent: 1")
    cli.onecmd("stats off")
    cli.onecmd("stats maybe")
    out.expect(r"Expecting: stats \[on\|off\]")


def test_run_executes_a_file(cli: StompCLI, out: Printed, tmp_path: Path) -> None:
    (tmp_path / "my script").write_text("# a comment\n\nsubscribe /queue/a\nsend /queue/a x  y\nnope\n")
    assert cli.onecmd("run 'my script'") is False
    out.expect("Subscribing to .*")
    out.expect(r"my script:5: Unknown command: nope \(type help for the commands\)")
    out.find("x  y")


def test_quit_in_a_script_ends_it(cli: StompCLI, out: Printed, tmp_path: Path) -> None:
    (tmp_path / "inner").write_text("quit\nversion\n")
    (tmp_path / "outer").write_text("run inner\nversion\n")
    assert cli.onecmd("run outer") is True
    assert "Protocol version" not in out.getvalue()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "Expecting: run <filename>"),
        ("gone", "File gone was not found"),
        (".", ".: Is a directory"),
        ("binary", "File binary is not UTF-8"),
        ("itself", "itself:1: itself runs itself"),
    ],
)
def test_run_reports_unreadable_files(
    cli: StompCLI, out: Printed, tmp_path: Path, name: str, words: str
) -> None:
    (tmp_path / "binary").write_bytes(b"\xff")
    (tmp_path / "itself").write_text("run itself\n")
    cli.onecmd(f"run {name}")
    out.expect(words)


@pytest.mark.parametrize("word", ["ver", "version"])
def test_version_is_shown(cli: StompCLI, out: Printed, word: str) -> None:
    cli.onecmd(word)
    out.expect(rf"{stomp.__version__} \[Protocol version 1.1\]")


@pytest.mark.parametrize("word", ["quit", "exit", "EOF"])
def test_exit_commands_end_the_client(cli: StompCLI, out: Printed, word: str) -> None:
    assert cli.onecmd(word) is True
    out.expect("Shutting down, please wait")


def test_unknown_command_is_an_error(cli: StompCLI, out: Printed) -> None:
    cli.onecmd("")
    cli.onecmd("# nothing")
    assert out.getvalue() == ""
    cli.onecmd("nope x")
    out.expect(r"Unknown command: nope \(type help for the commands\)")
    cli.onecmd("snd /queue/a x")
    out.expect(r"Unknown command: snd \(did you mean 'send'\?\)")


# ------------------------------------------------------------------------------------- what comes


def send_file(cli: StompCLI, name: str, body: str) -> None:
    cli.onecmd("subscribe /queue/files")
    cli.conn.send("/queue/files", body, headers={"filename": name})


@pytest.mark.parametrize("name", ["/etc/evil", "../../evil", "..\\evil"])
def test_file_name_never_leaves_the_folder(cli: StompCLI, out: Printed, tmp_path: Path, name: str) -> None:
    send_file(cli, name, "aGk=")
    out.expect(f"Saved file: {shell.SAVE_TO}/evil")
    assert (tmp_path / shell.SAVE_TO / "evil").read_text() == "hi"


def test_body_that_is_not_base64_is_shown(cli: StompCLI, out: Printed, tmp_path: Path) -> None:
    send_file(cli, "x", "no base64!")
    out.expect("x: not saved, the body is not base64")
    out.expect("no base64!")
    cli.onecmd("sendrec /queue/a alive")
    assert cli.status is Status.OK
    assert not (tmp_path / shell.SAVE_TO).exists()


def test_unwritable_file_is_reported(cli: StompCLI, out: Printed, tmp_path: Path) -> None:
    (tmp_path / shell.SAVE_TO).write_text("a file where the folder should be")
    send_file(cli, "x", "aGk=")
    out.expect("x: not saved: .*")
    cli.onecmd("sendrec /queue/a alive")
    assert cli.status is Status.USAGE


def test_error_frame_is_shown(cli: StompCLI, out: Printed) -> None:
    cli.onecmd("unsubscribe /queue/a")
    cli.conn.unsubscribe("unknown")
    out.expect("ERROR: .*")
    out.expect("lost connection")


def test_lost_connection_is_reconnected(cli: StompCLI, broker: Broker, out: Printed) -> None:
    cli.onecmd("subscribe /queue/a")
    cli.conn.transport.disconnect_socket()
    out.expect("lost connection")
    statuses = [cli.status]
    cli.onecmd("send /queue/a hello")
    out.expect("reconnected")
    out.expect("hello")
    assert [*statuses, cli.status] == [Status.UNREACHED, Status.OK]


def test_transaction_is_lost_with_its_connection(cli: StompCLI, out: Printed) -> None:
    cli.onecmd("begin")
    cli.conn.transport.disconnect_socket()
    out.expect("lost connection")
    cli.onecmd("send /queue/a hello")
    out.expect(r"the transaction .* was lost with the connection \(begin a new one\)")
    cli.onecmd("commit")
    out.expect("Not currently in a transaction")


def test_sent_frames_are_shown_without_the_password(make: Make, out: Printed) -> None:
    make(verbose=True).onecmd("send /queue/a hello")
    out.expect(r"Sending \{cmd=SEND,headers=.*/queue/a.*,body=hello\}")
    assert "Sending {cmd=STOMP" in out.getvalue()
    assert "password" not in out.getvalue()


# ------------------------------------------------------------------------------------- completion


def test_words_are_completed(make: Make) -> None:
    cli = make("1.2")
    cli.onecmd("subscribe /queue/a client")
    cli.onecmd("send '/queue/b b' x")
    cli.onecmd("send /queue/a x")
    ack = cli.recent.messages[message_id(cli)][0]
    assert cli.candidates("send ") == ['"/queue/b b"', "/queue/a"]
    assert cli.candidates("unsubscribe ") == ["/queue/a"]
    assert cli.candidates("ack ") == [ack]
    assert cli.candidates("ack x ") == ["1"]
    assert cli.candidates("subscribe /queue/a c") == ["auto", "client", "client-individual"]
    assert cli.candidates("stats ") == ["on", "off"]
    assert cli.candidates("send /queue/a ") == cli.candidates("nope ") == []
    assert "subscribe" in cli.candidates("help ")
    assert "subscribe" in cli.candidates("")
    assert cli.expects("run ") == cli.expects("sendfile /queue/a ") == "file"


def test_readline_completes_words(cli: StompCLI) -> None:
    cli.onecmd("send /queue/a x")
    for command in ("send", "sendfile", "sendrec", "sendreply"):
        complete = getattr(cli, f"complete_{command}")
        line = f"{command} /qu"
        assert complete("/qu", line, len(command) + 1, len(line)) == complete("/qu", line) == ["/queue/a"]
    assert cli.complete_unsubscribe("", "unsubscribe ") == []
    assert cli.completedefault("o", "stats o", 6, 7) == ["on", "off"]
    assert cli.completenames("sub") == ["subscribe"]


def test_network_text_is_escaped(cli: StompCLI) -> None:
    cli.recent.add_message({"destination": "/queue/\x1b[2J", "message-id": "1"})
    assert cli.candidates("send ") == ["/queue/\\x1b[2J"]


def test_remembered_ids_are_limited(cli: StompCLI) -> None:
    for number in range(1000):
        cli.recent.add_message({"message-id": str(number), "destination": f"/queue/{number}"})
    assert len(cli.recent.messages) == len(cli.recent.destinations) == 200
    assert "999" in cli.recent.messages


# ------------------------------------------------------------------------------------- help


def test_help_lists_the_commands(cli: StompCLI, out: Printed) -> None:
    cli.onecmd("help")
    out.expect(r"Documented commands \(type help <topic>\):")
    listed = out.getvalue().split("=\n")[1].split()
    assert sorted(listed) == sorted(command_table.BY_NAME)


def test_every_command_has_help(cli: StompCLI, out: Printed) -> None:
    for command in command_table.SHELL_COMMANDS:
        assert callable(getattr(cli, f"do_{command.name}"))
        cli.onecmd(f"help {command.name}")
    cli.onecmd("? send")
    out.expect("Usage:")
    out.expect("\tEOF")
    cli.onecmd("help nope")
    out.expect(r"\*\*\* No help on nope")


def test_help_methods_print_help(cli: StompCLI, out: Printed) -> None:
    cli.help("x <y>", "Does x.", required=["y - what"], optional=["z - which"])
    out.expect(
        "Usage:\n\tx <y>\n\nRequired Parameters:\n\ty - what\n\nOptional Parameters:\n\tz - which\n\n.*"
    )


def test_multicast_sends_and_receives(monkeypatch: pytest.MonkeyPatch, out: Printed) -> None:
    from tests.multicasting import group_of_our_own

    with group_of_our_own(monkeypatch):
        cli = StompCLI(None, None, ver="multicast", verbose=False, stdin=io.StringIO(), stdout=out)
        try:
            cli.onecmd("subscribe /queue/a")
            cli.onecmd("send /queue/a by multicast")
            out.expect("by multicast")
            cli.onecmd("version")
            out.expect(r".*\[Protocol version multicast\]")
        finally:
            cli.close()


def test_quit_waits_for_on_disconnected(make: Make, broker: Broker) -> None:
    cli = make()
    calling, called, left = threading.Event(), threading.Event(), threading.Event()

    class Slow(ConnectionListener):
        def on_disconnected(self) -> None:
            calling.set()
            assert called.wait(PATIENCE)

    cli.conn.set_listener("slow", Slow())
    broker.disconnect_all()
    assert calling.wait(PATIENCE)

    def close() -> None:
        cli.close()
        left.set()

    leaving = threading.Thread(target=close)
    leaving.start()
    assert not left.wait(0.05)
    called.set()
    assert left.wait(PATIENCE)
    leaving.join(PATIENCE)

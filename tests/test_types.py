"""Type checkers see the names of the package that users need, and no others."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import stomp
import stomp.broker
import stomp.testing

#: A program of a user that annotates all objects that it gets.
RIGHT = """
import stomp
from stomp import Client, Confirmation, Frame, Message, Subscription, Transaction


class Listener(stomp.ConnectionListener):
    def on_connected(self, frame: stomp.Frame) -> None:
        print(frame.cmd, frame.headers["version"])

    def on_message(self, frame: Frame) -> None:
        frame.body.upper()

    def on_error(self, frame: stomp.Frame) -> None: ...
    def on_receipt(self, frame: stomp.Frame) -> None: ...
    def on_send(self, frame: stomp.Frame) -> None: ...
    def on_receiver_loop_completed(self, frame: stomp.Frame | None) -> None: ...


class Counting(stomp.StatsListener):
    def on_message(self, frame: stomp.Frame) -> None:
        super().on_message(frame)


class Both(stomp.WaitingListener, stomp.PrintingListener):
    def on_receipt(self, frame: Frame) -> None:
        super().on_receipt(frame)


def listen() -> None:
    conn: stomp.StompConnection12 = stomp.Connection12([("localhost", 61613)])
    conn.set_listener("", Listener())
    try:
        conn.connect(wait=True)
    except (stomp.exception.ConnectFailedException, stomp.AddressError) as err:
        print(err.hint)
    stomp.utils.get_uuid()
    stomp.logging.verbose = True


class Received(stomp.Hooks):
    def received(self, message: stomp.BaseMessage) -> None:
        print(message.destination)


def done(confirmation: stomp.Confirmation) -> None:
    print(confirmation.outcome)


def take(client: Client, subscription: Subscription) -> None:
    message: Message | None = subscription.receive(1)
    confirmation: Confirmation = client.send_async("/queue/a", b"x", priority=3)
    confirmation.add_done_callback(done)
    confirmation.result()
    with client.transaction() as transaction:
        tx: Transaction = transaction
    merged: stomp.MergedSubscription = client.merge(subscription)
    consumer: stomp.Consumer = client.consume("/queue/a", lambda message: message.json())
    report: stomp.DrainReport = client.drain()
    profile: stomp.BrokerProfile = client.broker
    where: stomp.Address | None = client.address
    stats: stomp.Stats = client.stats()
    for change in client.states():
        seen: stomp.StateChange = change


async def take_async(client: stomp.AsyncClient, subscription: stomp.AsyncSubscription) -> None:
    message: stomp.AsyncMessage | None = await subscription.receive(1)
    confirmation: stomp.AsyncConfirmation = await client.send_async("/queue/a", b"x")
    await confirmation
    async with client.transaction() as transaction:
        tx: stomp.AsyncTransaction = transaction
    async with client.confirmations() as batch:
        together: stomp.AsyncBatch = batch


def what_went_wrong(err: Exception) -> str | float:
    if isinstance(err, stomp.LimitExceeded):
        return err.limit
    if isinstance(err, stomp.HeartbeatLost):
        return err.silence
    if isinstance(err, stomp.RemoteProtocolError | stomp.FrameError):
        return err.message
    return ""


OPTIONS = stomp.Options(limits=stomp.Limits(body=100), lenient=stomp.Leniency.TRIM)
"""

#: Lines with a type error each.
WRONG = [
    "stomp.Clinet()",
    "stomp.Connction([('localhost', 61613)])",
    "stomp.utils.get_uid()",
    "stomp.testing.Relai",
    "stomp.adapter.wss",
    "stomp.ConnectionListener().on_message('no frame')",
    "stomp.Client().send('/queue/a', 5)",
    "stomp.Client().send('/queue/a', b'', priorty=5)",
    "stomp.Client(heartbeat=5)",
]


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("types")
    right, wrong = folder / "right.py", folder / "wrong.py"
    right.write_text(RIGHT)
    wrong.write_text("import stomp\nimport stomp.adapter\nimport stomp.testing\n\n" + "\n".join(WRONG) + "\n")
    return right, wrong


def complaints(folder: Path, *command: Any) -> str:
    words = [sys.executable, "-m", *map(str, command)]
    answer = subprocess.run(words, capture_output=True, text=True, check=False, cwd=folder)
    assert answer.returncode == 1, answer.stderr
    return answer.stdout


def check(output: str) -> None:
    assert "right.py" not in output
    unnoticed = [line for number, line in enumerate(WRONG, 5) if f"wrong.py:{number}:" not in output]
    assert not unnoticed, output


@pytest.mark.slow(reason="starts mypy")
@pytest.mark.timeout(300)
def test_mypy_takes_right_names_and_refuses_typos(programs, tmp_path):
    pytest.importorskip("mypy")
    source = Path(stomp.__file__).parents[1]
    settings = tmp_path / "mypy.ini"
    settings.write_text(f"[mypy]\nstrict = true\nmypy_path = {source}\n")
    check(
        complaints(tmp_path, "mypy", "--config-file", settings, "--cache-dir", tmp_path / "cache", *programs)
    )


@pytest.mark.slow(reason="starts pyright")
@pytest.mark.timeout(300)
def test_pyright_takes_right_names_and_refuses_typos(programs, tmp_path):
    pytest.importorskip("pyright")
    check(complaints(tmp_path, "pyright", "--pythonpath", sys.executable, *programs))


# ------------------------------------------------------------------------------------- all names

#: Classes that users never name, or import from elsewhere, and the reason.
ELSEWHERE = {
    "stomp.core.frames.frame:Frame": "the frame of errors and hooks; `stomp.Frame` is that of listeners",
    "stomp.transport:Transport": "the module is reached by `stomp.transport`",
    "stomp.client.sync.driver:SyncDriver": "only clients make what wants one",
    "stomp.client.aio.driver:AsyncDriver": "only clients make what wants one",
    "stomp.core.engine.message_queue:ClientSubscription": "only clients make what wants one",
    "stomp.core.engine.message_queue:MessageQueue": "only clients make what wants one",
    "stomp.core.engine.transactions:TransactionRecord": "only clients make what wants one",
    "stomp.net.tls:TlsLayer": "only connections ask settings for one",
    "stomp.core.session.base:Session": "`stomp.core` is for those who do I/O themselves",
    "stomp.core.session.client:ClientSession": "`stomp.core` is for those who do I/O themselves",
    "stomp.core.session.server:ServerSession": "`stomp.core` is for those who do I/O themselves",
}


def public_classes() -> list[type]:
    found = [
        getattr(module, name) for module in (stomp, stomp.broker, stomp.testing) for name in module.__all__
    ]
    return [each for each in found if inspect.isclass(each) and each.__module__.startswith("stomp.")]


def exported() -> set[Any]:
    return {id(each) for each in public_classes()}


def names_in_signatures(cls: type) -> set[str]:
    """The names in the annotations of the public members of a class and its bases."""
    names: set[str] = set()
    for base in cls.__mro__:
        if not base.__module__.startswith("stomp."):
            continue
        for name, member in vars(base).items():
            if name.startswith("_") and name != "__init__":
                continue
            function: Any = (
                member.fget if isinstance(member, property) else getattr(member, "__func__", member)
            )
            for text in getattr(inspect.unwrap(function), "__annotations__", {}).values():
                if isinstance(text, str):
                    parts = {each.id for each in ast.walk(ast.parse(text)) if isinstance(each, ast.Name)}
                    names |= {f"{base.__module__}:{part}" for part in parts}
    return names


@pytest.mark.slow(reason="parses all modules")
def test_every_class_in_a_public_signature_is_exported():
    """A user who writes a function around a client can annotate its arguments and results."""
    known = exported()
    missing = set()
    for cls in public_classes():
        for place in names_in_signatures(cls):
            module, name = place.split(":")
            found = vars(importlib.import_module(module)).get(name)
            if found is None:
                found = imported_for_checkers(module, name)
            ours = inspect.isclass(found) and found.__module__.startswith("stomp.")
            home = f"{found.__module__}:{found.__name__}" if ours else ""
            if ours and id(found) not in known and home not in ELSEWHERE:
                missing.add(f"{cls.__qualname__} names {home}")
    assert not missing


def imported_for_checkers(module: str, name: str) -> Any:
    """The names that a module imports only for type checkers."""
    tree = ast.parse(Path(str(importlib.import_module(module).__file__)).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("stomp."):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return getattr(importlib.import_module(str(node.module)), alias.name)
    return None


def test_every_error_is_exported():
    errors = importlib.import_module("stomp.core.errors")
    for name, value in vars(errors).items():
        if inspect.isclass(value) and issubclass(value, Exception):
            assert getattr(stomp, name) is value


def test_type_checkers_see_the_names_that_exist():
    """The names of `__all__` and those imported for type checkers are the same, and all can be imported."""
    tree = ast.parse(Path(str(stomp.__file__)).read_text(encoding="utf-8"))
    [block] = [
        node
        for node in tree.body
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    ]
    names = {
        alias.asname or alias.name
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert names - set(stomp._SUBMODULES) == set(stomp._HOMES)
    assert set(stomp._HOMES) <= set(stomp.__all__)
    for name in stomp._HOMES:
        assert getattr(stomp, name) is not None

"""What only Artemis has: multicast and anycast addresses, FQQN, a window in bytes, CONNECTED of 1.0 without a name."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import stomp
from stomp.core.errors import Unsupported
from tests.brokers.conftest import FURTHER, RealBroker, address_of, at, variable_of
from tests.cli.commands.test_listen import SOON, bodies
from tests.cli.oneshot import Stomp, ended

#: The acceptor as "artemis create" makes it, without prefixes: its port is one less.
PLAIN = at("artemis", "artemis-next")
ANYCAST = {"destination-type": "ANYCAST"}
ANYCAST_SUBSCRIPTION = {"subscription-type": "ANYCAST"}
TIMEOUT = 30.0


def plain_url(broker: RealBroker) -> str:
    host, port = address_of(f"{variable_of(broker.name)}_PLAIN", FURTHER[broker.name] - 1)
    return f"stomp://{broker.user}:{broker.password}@{host}:{port}"


@pytest.fixture
def plain(broker: RealBroker) -> Iterator[stomp.Client]:
    with stomp.Client(plain_url(broker)) as client:
        yield client


@pytest.fixture
def client(broker: RealBroker) -> Iterator[stomp.Client]:
    with stomp.Client(f"stomp://{broker.user}:{broker.password}@{broker.host}:{broker.port}") as client:
        yield client


@pytest.fixture
def name() -> str:
    return f"stompkit-{uuid.uuid4().hex}"


@PLAIN
@pytest.mark.parametrize("prefix", ["", "/queue/"])
def test_a_plain_name_is_multicast_and_keeps_nothing(plain: stomp.Client, name: str, prefix: str) -> None:
    plain.send(prefix + name, "gone", confirm=True)
    with plain.subscribe(prefix + name) as subscription:
        assert subscription.receive(timeout=1) is None


@PLAIN
def test_types_in_headers_make_a_queue(plain: stomp.Client, name: str) -> None:
    plain.send(name, "kept", confirm=True, headers=ANYCAST)
    message = plain.subscribe(name, headers=ANYCAST_SUBSCRIPTION).receive(timeout=TIMEOUT)
    assert message is not None
    assert message.text == "kept"
    assert message.headers["destination-type"] == "ANYCAST"


@PLAIN
def test_a_queue_of_an_address_has_a_qualified_name(plain: stomp.Client, name: str) -> None:
    # Two subscriptions to one queue of a multicast address share its messages. The name of a queue is unique in the
    # broker, not in its address.
    one, two = (plain.subscribe(f"{name}::{name}-shared") for _ in range(2))
    for number in range(10):
        plain.send(name, str(number), confirm=True)
    texts: list[str] = []
    while len(texts) < 10:
        received = [message for each in (one, two) if (message := each.receive(timeout=0.2)) is not None]
        texts += [message.text for message in received]
    assert sorted(texts, key=int) == [str(number) for number in range(10)]


@PLAIN
def test_prefetch_1_is_one_message_at_a_time(client: stomp.Client, broker: RealBroker, name: str) -> None:
    queue = f"/queue/{name}"
    one = client.subscribe(queue, ack="client-individual", prefetch=1)
    for number in range(2):
        client.send(queue, str(number), confirm=True)
    first = one.receive(timeout=TIMEOUT)
    assert first is not None
    assert one.receive(timeout=0.5) is None
    first.ack(confirm=True)
    second = one.receive(timeout=TIMEOUT)
    assert second is not None
    second.ack(confirm=True)


@at("artemis", "artemis-next", "hornetq")
def test_other_prefetches_are_refused(client: stomp.Client, name: str) -> None:
    # HornetQ delivers more than one message with consumer-window-size:0.
    with pytest.raises(Unsupported, match="window is in bytes"):
        prefetch = 1 if client.broker.name == "hornetq" else 2
        client.subscribe(f"/queue/{name}", ack="client-individual", prefetch=prefetch)


@PLAIN
def test_a_window_without_limit_delivers_all(client: stomp.Client, name: str) -> None:
    queue, size = f"/queue/{name}", 4096
    for _ in range(20):
        client.send(queue, b"x" * size, confirm=True)
    # The default window is 10 KiB.
    subscription = client.subscribe(queue, ack="client", headers={"consumer-window-size": "-1"})
    messages = [subscription.receive(timeout=TIMEOUT) for _ in range(20)]
    assert all(messages)
    assert messages[-1] is not None
    messages[-1].ack(confirm=True)


@PLAIN
def test_1_0_does_not_name_the_broker(broker: RealBroker, name: str) -> None:
    url = f"stomp://{broker.user}:{broker.password}@{broker.host}:{broker.port}"
    with stomp.Client(url, versions="1.0") as client:
        assert client.broker.name == "generic"
        with pytest.raises(Unsupported, match="selector") as caught:
            client.subscribe(f"/queue/{name}", selector="a = 1")
        assert "broker=" in caught.value.hint
    with stomp.Client(url, versions="1.0", broker="artemis") as client:
        client.subscribe(f"/queue/{name}", selector="a = 1").close()


@at("artemis", "artemis-next")
def test_doctor_warns_of_an_acceptor_without_prefixes(
    broker: RealBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Stomp(plain_url(broker), monkeypatch)("doctor")
    assert b"was gone before there was a subscription" in answer.out
    assert b"anycastPrefix" in answer.out
    with_prefixes = Stomp(f"stomp://{broker.user}:{broker.password}@{broker.host}:{broker.port}", monkeypatch)
    assert "was gone" not in with_prefixes.well("doctor").decode()


class TestCommandsWithoutPrefixes:
    """A queue exists once a message with ``destination-type:ANYCAST`` was sent to it: commands need no header then."""

    NAMES = tuple(str(number) for number in range(50))

    @pytest.fixture
    def stomp(self, broker: RealBroker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stomp]:
        with Stomp(plain_url(broker), monkeypatch) as made:
            yield made

    def fill(self, stomp: Stomp, queue: str, *bodies: str) -> None:
        lines = "".join(f"{body}\n" for body in bodies)
        stomp.well("send", queue, "--lines", "--header", "destination-type:ANYCAST", stdin=lines.encode())

    @PLAIN
    def test_move(self, stomp: Stomp, name: str) -> None:
        self.fill(stomp, name, *self.NAMES)
        self.fill(stomp, f"{name}-2", "first")
        stomp.well("move", name, f"{name}-2", "--timeout", "1")
        assert [body.decode() for body in bodies(stomp, f"{name}-2")] == ["first", *self.NAMES]
        assert bodies(stomp, name) == []

    @PLAIN
    def test_dump_and_replay(self, stomp: Stomp, name: str, tmp_path: Path) -> None:
        self.fill(stomp, name, *self.NAMES)
        self.fill(stomp, f"{name}-2", "first")
        stomp.well("dump", name, "-o", str(tmp_path / "dump"), "--timeout", "1")
        stomp.well("replay", str(tmp_path / "dump"), "--to", f"{name}-2")
        assert [body.decode() for body in bodies(stomp, f"{name}-2")] == ["first", *self.NAMES]

    @PLAIN
    def test_listen_runs_a_program(self, stomp: Stomp, name: str, tmp_path: Path) -> None:
        self.fill(stomp, name, *self.NAMES[:5])
        stomp.well("listen", name, "-n", "5", "--exec", f"cat >> {tmp_path}/out", *SOON)
        assert (tmp_path / "out").read_text() == "".join(self.NAMES[:5])
        assert bodies(stomp, name) == []

    @PLAIN
    def test_request_and_reply(self, stomp: Stomp, name: str) -> None:
        self.fill(stomp, name, "no request")
        process = stomp.start("reply", name, "-n", "2", "--exec", "tr a-z A-Z")
        assert stomp.well("request", name, "hello") == b"HELLO"
        assert ended(process).status == 0
        assert bodies(stomp, name) == []

    @PLAIN
    def test_move_to_a_name_that_does_not_exist_loses_the_messages(self, stomp: Stomp, name: str) -> None:
        """As the page says: the broker confirms them."""
        self.fill(stomp, name, *self.NAMES)
        stomp.well("move", name, f"{name}-2", "--timeout", "1")
        assert bodies(stomp, f"{name}-2") == []
        assert bodies(stomp, name) == []

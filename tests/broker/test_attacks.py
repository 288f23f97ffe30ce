"""Clients that try to make the broker work or store without bounds, while another client sends and receives."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator

import pytest

from stomp.broker import Broker, Policy
from stomp.broker.engine import Engine
from stomp.broker.like import Like
from stomp.broker.store import RequestRefused
from stomp.broker.wildcards import Trie, words_of
from tests.broker.party import party
from tests.broker.rawclient import Ended, RawClient, eventually

_LEAST_ROUND_TRIPS = 5
_MIB = 1024 * 1024


class GoodClient(threading.Thread):
    """Sends a message to itself again and again; `longest` is the longest round trip in seconds."""

    def __init__(self, broker: Broker) -> None:
        super().__init__(daemon=True)
        self.longest = 0.0
        self.count = 0
        self.error: BaseException | None = None
        self.done = threading.Event()
        self.client = RawClient(broker)
        self.client.connect()
        self.client.send("SUBSCRIBE", id="1", destination="/queue/good")
        self.client.sync()

    def run(self) -> None:
        try:
            while not self.done.is_set() or self.count < _LEAST_ROUND_TRIPS:
                started = time.monotonic()
                self.client.send("SEND", "x", destination="/queue/good")
                self.client.expect("MESSAGE")
                self.longest = max(self.longest, time.monotonic() - started)
                self.count += 1
        except BaseException as err:
            self.error = err


@pytest.fixture
def good(broker: Broker) -> Iterator[GoodClient]:
    """A client whose round trip stays below a second during the test."""
    client = GoodClient(broker)
    client.start()
    yield client
    client.done.set()
    client.join(30)
    client.client.close()
    assert client.error is None
    assert client.count >= _LEAST_ROUND_TRIPS
    # Below 1 s on an idle machine. Other tests run beside this one; without bounds an attack took a minute or more.
    assert client.longest < 5.0


def _attack(broker: Broker, data: list[bytes]) -> None:
    """Write frames until the broker has processed them or has closed the connection."""
    with RawClient(broker) as attacker:
        attacker.connect()
        with contextlib.suppress(OSError, Ended):
            for part in data:
                attacker.write(part)
            attacker.sync()


def _send(destination: str, **headers: str) -> bytes:
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    return f"SEND\ndestination:{destination}\n{lines}\nx\0".encode()


def _subscribe(number: int, destination: str, selector: str = "") -> bytes:
    extra = f"selector:{selector}\n" if selector else ""
    return f"SUBSCRIBE\nid:{number}\ndestination:{destination}\n{extra}\n\0".encode()


def test_like_with_a_long_pattern_and_a_long_value(broker: Broker, good: GoodClient) -> None:
    pattern = "%" + "a" * 30_000 + "b%"
    value = "a" * 65_000
    _attack(broker, [_subscribe(1, "/topic/a", f"x LIKE '{pattern}'"), *[_send("/topic/a", x=value)] * 3])
    pattern = "%" + "a" * 4000 + "_" + "a" * 4000 + "b%"
    _attack(broker, [_subscribe(1, "/topic/a", f"x LIKE '{pattern}'"), *[_send("/topic/a", x=value)] * 20])


def test_selectors_with_many_terms(broker: Broker, good: GoodClient) -> None:
    long = " OR ".join(["a = 1"] * 9000)
    short = " OR ".join(["a = 1"] * 20)
    _attack(broker, [_subscribe(number, "/topic/a", long) for number in range(300)])
    subscriptions = [_subscribe(number, "/topic/a", short) for number in range(240)]
    _attack(broker, [*subscriptions, *[_send("/topic/a", a="2")] * 60])


def test_wildcards_in_many_subscriptions(broker: Broker, good: GoodClient) -> None:
    choose = random.Random(1)
    patterns = [".".join(choose.choice("*#a") for _ in range(40)) for _ in range(3000)]
    subscriptions = [_subscribe(number, f"/topic/{each}") for number, each in enumerate(patterns)]
    _attack(broker, [*subscriptions, _send("/topic/" + ".".join("a" * 2000))])
    _attack(broker, [*subscriptions[:40], *[_send("/topic/" + ".".join("a" * 50))] * 50])


def test_selectors_on_a_queue_with_many_messages(broker: Broker, good: GoodClient) -> None:
    selector = " OR ".join(["a = 1"] * 100)
    fill = [_send("/queue/many", a="2")] * 20_000
    _attack(broker, [*fill, *[_subscribe(number, "/queue/many", selector) for number in range(20)]])


def test_unfinished_frames_before_connect(broker: Broker, good: GoodClient) -> None:
    head = b"CONNECT\naccept-version:1.2\ncontent-length:16000000\n\n"
    with RawClient(broker) as attacker:
        attacker.write(head + b"x" * _MIB)
        assert "CONNECT" in attacker.expect("ERROR").headers["message"]


def test_unfinished_frames_of_many_connections_count() -> None:
    with Broker(policy=Policy(max_bytes=20 * _MIB)) as broker, contextlib.ExitStack() as stack:
        refused = 0
        for _ in range(10):
            attacker = stack.enter_context(RawClient(broker))
            attacker.connect()
            with contextlib.suppress(OSError):
                attacker.write(b"SEND\ndestination:/queue/a\ncontent-length:4000000\n\n" + b"x" * 3_000_000)
            try:
                attacker.sock.settimeout(0.5)
                refused += attacker.frame(0.5).headers["message"] == "the broker is full"
            except (TimeoutError, OSError, Ended):
                pass
        assert refused >= 6
        with RawClient(broker) as client:
            client.connect()
            client.send("SEND", "x", destination="/queue/b", receipt="r")
            client.expect("RECEIPT")
        stack.close()
        eventually(lambda: broker.connections == [])
        with RawClient(broker) as client:
            client.connect()
            client.send("SEND", b"x" * 8_000_000, destination="/queue/b", receipt="r")
            client.expect("RECEIPT")


def test_finished_frames_do_not_count_as_unfinished(broker: Broker, client: RawClient) -> None:
    for _ in range(12):
        client.send("SEND", b"x" * 15 * _MIB, destination="/topic/nobody")
    client.sync()


def test_names_of_queues_count() -> None:
    with Broker(policy=Policy(max_bytes=4 * _MIB)) as broker:
        _attack(broker, [_send(f"/queue/{number}") for number in range(10_000)])
        assert 1000 < len(broker.destinations()) < 2000


# ------------------------------------------------------------------------------------- limits of the engine


def test_queue_costs_nothing_when_it_is_empty(engine: Engine) -> None:
    one = party(engine)
    for number in range(10):
        one.send(f"/queue/{number}", "x", expiration="0")
        one.subscribe(f"/queue/{number}", str(number))
        one.unsubscribe(str(number))
    assert engine.destinations() == {}
    assert (engine.capacity.queues, engine.capacity.bytes, engine.capacity.messages) == (0, 0, 0)


def test_refused_send_makes_no_queue() -> None:
    engine = Engine(Policy(max_messages=1))
    one = party(engine)
    one.send("/queue/a", "x")
    with pytest.raises(RequestRefused):
        one.send("/queue/b", "x")
    assert engine.destinations() == {"/queue/a": 1}


def test_slow_subscription_drops_its_oldest_messages() -> None:
    engine = Engine(Policy(max_subscription_bytes=10_000))
    slow, sender = party(engine), party(engine)
    slow.subscribe("/topic/a", ack="client", prefetch_count="1")
    for number in range(100):
        sender.send("/topic/a", f"{number:01000}")
    (first,) = slow.messages()
    assert int(first.body) == 0
    slow.ack(first)
    assert int(slow.messages()[0].body) > 80
    assert engine.dropped > 80
    assert engine.capacity.bytes <= 12_000
    slow.leave()
    assert engine.capacity.bytes == 0


def test_slow_subscription_takes_a_message_larger_than_its_limit() -> None:
    engine = Engine(Policy(max_subscription_bytes=1000))
    slow = party(engine)
    slow.subscribe("/topic/a", ack="client", prefetch_count="1")
    slow.send("/topic/a", "1" * 2000, "2" * 2000, "3" * 2000)
    slow.ack(slow.messages()[0])
    assert slow.bodies() == ["3" * 2000]


def test_slow_consumer_is_disconnected_if_the_policy_says_so() -> None:
    policy = Policy(max_subscription_bytes=100_000, slow_consumer="disconnect")
    with Broker(policy=policy) as broker, RawClient(broker) as slow, RawClient(broker) as sender:
        slow.connect()
        slow.send("SUBSCRIBE", id="1", destination="/topic/a", ack="client", prefetch_count="1")
        slow.sync()
        sender.connect()
        for _ in range(200):
            sender.send("SEND", b"x" * 1000, destination="/topic/a")
        sender.sync()
        eventually(lambda: len(broker.connections) == 1)


def test_full_queue_refuses_and_other_queues_go_on() -> None:
    engine = Engine(Policy(max_queue_bytes=10_000))
    one = party(engine)
    with pytest.raises(RequestRefused, match="queue is full"):
        one.send("/queue/a", *["x" * 1000] * 20)
    party(engine).send("/queue/b", "x")


@pytest.mark.parametrize("destination", ["/queue/" + "x" * 2000, "/topic/" + "a." * 100])
def test_long_destination_is_refused(engine: Engine, destination: str) -> None:
    with pytest.raises(RequestRefused, match="at most"):
        party(engine).send(destination, "x")
    with pytest.raises(RequestRefused, match="at most"):
        party(engine).subscribe(destination)


def test_cost_of_selectors_is_given_back(engine: Engine) -> None:
    one = party(engine)
    selector = " OR ".join(["a = 1"] * 900)
    for number in range(6):
        for destination in ("/queue/a", "/topic/a", "/topic/a.#.b"):
            one.subscribe(destination, str(number), selector=selector)
            one.unsubscribe(str(number))
    assert one.client.cost == 0


def test_cost_of_one_connection_is_limited(engine: Engine) -> None:
    one = party(engine)
    selector = " OR ".join(["a = 1"] * 900)
    with pytest.raises(RequestRefused, match="cost"):
        for number in range(50):
            one.subscribe("/queue/a", str(number), selector=selector)
    party(engine).subscribe("/queue/a", selector=selector)


def test_long_selector_is_refused(engine: Engine) -> None:
    with pytest.raises(RequestRefused, match="selector"):
        party(engine).subscribe("/queue/a", selector="a = '" + "x" * 9000 + "'")


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("", "", True),
        ("", "a", False),
        ("%", "", True),
        ("%%", "abc", True),
        ("a%", "abc", True),
        ("%c", "abc", True),
        ("%b%", "abc", True),
        ("ab%bc", "abc", False),
        ("%ab%ab%", "ab", False),
        ("%_b_%", "abc", True),
        ("%_b_%", "ab", False),
        ("%a_c%e_g%", "xabcxefgx", True),
        ("%a_c%a_c%", "abcabxabc", True),
        ("%__%", "a", False),
        ("_", "a", True),
    ],
)
def test_like(pattern: str, text: str, matches: bool) -> None:
    assert Like(pattern)(text) is matches


def test_trie_keeps_nothing_of_what_was_removed() -> None:
    trie = Trie()
    names = ["/topic/a.*", "/topic/a.#", "/topic/a.>", "/topic/a.#.b", "/topic/*"]
    for name in names:
        trie.add(name, words_of(name) or [])
    assert sorted(trie.find("/topic/a.b")) == sorted(names[:4])
    for name in names:
        trie.remove(name, words_of(name) or [])
    assert trie.find("/topic/a.b") == []
    assert not trie._root.children

"""Invalid arguments raise `UsageError` with a hint; `stomp.Client` and `stomp.AsyncClient` raise the same errors."""

import asyncio
import datetime
import enum
import inspect
import subprocess
import sys
from typing import Any

import pytest

import stomp
from stomp.broker import Broker
from stomp.client import arguments as tables

NUMBERS = "pass a whole number"
SECONDS = "pass a number of seconds"
FLAG = "pass True or False"
TEXT = "pass text"
HEADERS = r'pass a dictionary, as in headers={"name": "value"}'


class Colour(enum.Enum):
    RED = "red"


#: Arguments of the class: (name, invalid value, text of the error).
SETTINGS = [
    ("login", ["admin"], "login is of type list"),
    ("passcode", ["swordfish"], "passcode is of type list (pass text, or a function that returns it)"),
    ("vhost", 5, "vhost is 5 (pass text"),
    ("client_id", ["x"], "client_id is of type list"),
    ("headers", "a:b", f"headers is of type str ({HEADERS})"),
    ("headers", {"a": {"b": 1}}, "the header 'a' is of type dict (pass text or a number"),
    ("headers", {5: "a"}, "the name of a header is 5"),
    ("heartbeat", 5, "heartbeat is 5 (pass two numbers of milliseconds, as in heartbeat=(10000, 10000))"),
    ("heartbeat", (5,), "pass two numbers of milliseconds"),
    ("heartbeat", ("5", "5"), "heartbeat is ('5', '5')"),
    ("heartbeat", (5, -5), "heartbeat is (5, -5)"),
    ("heartbeat", (5.5, 5), "heartbeat is (5.5, 5)"),
    ("versions", "1.3", "versions has '1.3' (use some of 1.0, 1.1, 1.2"),
    ("versions", [], "versions is empty"),
    ("versions", 1.2, "versions is 1.2 (use some of"),
    ("versions", [1.2], "versions has 1.2 (use some of"),
    ("tls", True, "tls is of type bool (pass stomp.TlsSettings(...)"),
    ("proxy", 3128, "proxy is of type int (pass a URL, as in http://proxy:3128)"),
    ("reconnect", "no", f"reconnect is 'no' ({FLAG})"),
    ("attempts", "3", "attempts is '3' (pass a number of rounds"),
    ("reattempts", True, "reattempts is True (pass a number of rounds"),
    ("max_losses", "5", "max_losses is '5' (pass a whole number of connections; -1 is no limit)"),
    ("backoff", 5, "backoff is of type int (pass stomp.Backoff(...))"),
    ("shuffle", 1, f"shuffle is 1 ({FLAG})"),
    ("on_unknown", "hope", "on_unknown is 'hope' (use raise or resend)"),
    ("window", "10", f"window is '10' ({NUMBERS}, at least 1)"),
    ("window", 0, f"window is 0 ({NUMBERS}, at least 1)"),
    ("window_bytes", 1.5, f"window_bytes is 1.5 ({NUMBERS}"),
    ("timeout", "3", f"timeout is '3' ({SECONDS} above 0, as in timeout=3)"),
    ("timeout", 0, f"timeout is 0 ({SECONDS} above 0"),
    ("timeout", float("nan"), f"timeout is nan ({SECONDS}"),
    ("connect_timeout", (1, 2), f"connect_timeout is of type tuple ({SECONDS}"),
    ("broker", "kafka", "no kind of broker called 'kafka'"),
    ("broker", 5, "broker is 5 (use one of rabbitmq"),
    ("max_decompressed_size", 0, f"max_decompressed_size is 0 ({NUMBERS}"),
    ("high_water", None.__class__, f"high_water is of type type ({NUMBERS}"),
    ("hooks", stomp.Hooks(), "hooks is of type Hooks (pass a list, as in hooks=[MyHooks()])"),
    ("limits", {"body": 5}, "limits is of type dict (pass stomp.Limits(...))"),
    ("lenient", "yes", "lenient is 'yes' (pass True, False or 'trim')"),
    ("options", {"backoff": 5}, "options is of type dict (pass stomp.Options(...))"),
]
SEND = [
    ("headers", "a:b", f"headers is of type str ({HEADERS})"),
    ("headers", {"a": [1]}, "the header 'a' is of type list"),
    (
        "headers",
        {"a": Colour.RED},
        "the header 'a' is of type Colour (pass text or a number, such as the .value",
    ),
    ("json", {1}, "json cannot be written as JSON: Object of type set is not JSON serializable"),
    ("content_type", 5, "content_type is 5 (pass text"),
    ("text", "yes", f"text is 'yes' ({FLAG})"),
    ("compress", "zip", "compress is 'zip' (use gzip or deflate)"),
    ("compress", True, "compress is True (use gzip or deflate)"),
    ("persistent", "yes", f"persistent is 'yes' ({FLAG})"),
    ("priority", 99, f"priority is 99 ({NUMBERS}, 0 to 9;"),
    ("priority", "4", f"priority is '4' ({NUMBERS}"),
    ("priority", -1, f"priority is -1 ({NUMBERS}"),
    ("ttl", "60", f"ttl is '60' ({SECONDS} above 0, as in ttl=60)"),
    ("ttl", 0, f"ttl is 0 ({SECONDS} above 0"),
    ("ttl", datetime.timedelta(0), f"ttl is of type timedelta ({SECONDS} above 0"),
    ("ttl", 10**9, "ttl is 1000000000 (pass a number of seconds below 1000000000)"),
    ("delay", [5], f"delay is of type list ({SECONDS}"),
    ("queue_type", 5, "queue_type is 5 (pass text"),
    ("correlation_id", ["x"], "correlation_id is of type list"),
    ("reply_to", {"a": 1}, "reply_to is of type dict"),
    ("reply_to", Colour.RED, "reply_to is of type Colour (pass text or a number, such as the .value"),
]
SUBSCRIBE = [
    ("prefetch", "10", f"prefetch is '10' ({NUMBERS}, at least 1; leave it out"),
    ("prefetch", 0, f"prefetch is 0 ({NUMBERS}"),
    ("selector", 5, "selector is 5 (pass text"),
    ("durable", True, "durable is True (pass a name for the durable subscription)"),
    ("durable", "", "durable is '' (pass a name"),
    ("exclusive", "yes", f"exclusive is 'yes' ({FLAG})"),
    ("queue_type", 5, "queue_type is 5 (pass text"),
    ("headers", [("a", "b")], f"headers is of type list ({HEADERS})"),
    ("id", ["1"], "id is of type list"),
    ("confirm", 0, f"confirm is 0 ({FLAG})"),
    ("max_silence", "5", f"max_silence is '5' ({SECONDS} above 0, as in max_silence=5)"),
    ("max_silence", 0, f"max_silence is 0 ({SECONDS}"),
]


def same(*errors: BaseException) -> str:
    """The text of two errors, which must be the same."""
    kinds, texts = {type(each) for each in errors}, {str(each) for each in errors}
    assert len(kinds) == len(texts) == 1, errors
    assert kinds == {stomp.UsageError}, errors
    return texts.pop()


@pytest.mark.parametrize(("name", "value", "words"), SETTINGS, ids=lambda value: str(value)[:30])
def test_a_wrong_setting(name, value, words):
    errors = []
    for cls in (stomp.Client, stomp.AsyncClient):
        with pytest.raises(stomp.UsageError) as caught:
            cls(**{name: value})
        errors.append(caught.value)
    text = same(*errors)
    assert words in text
    assert "swordfish" not in text


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("localhost", 61613), "takes one argument without a name, which is the URL"),
        ((("localhost", 61613),), 'the URL is of type tuple (pass text, as in "stomp://localhost:61613")'),
        ((61613,), "the URL is of type int"),
        ((["stomp://a"],), "the URL is of type list"),
    ],
)
def test_what_is_no_url(args, words):
    for cls in (stomp.Client, stomp.AsyncClient):
        with pytest.raises(stomp.UsageError) as caught:
            cls(*args)
        assert words in str(caught.value)


def test_every_setting_and_option_has_a_check_and_a_wrong_value_here():
    assert set(inspect.signature(stomp.Client).parameters) - {"url"} == set(tables.SETTINGS)
    assert {name for name, *_ in SETTINGS} == set(tables.SETTINGS)
    assert {name for name, *_ in SEND} == set(tables.SEND) == set(stomp.SendOptions.__annotations__)
    assert (
        {name for name, *_ in SUBSCRIBE}
        == set(tables.SUBSCRIBE)
        == set(stomp.SubscribeOptions.__annotations__)
    )


# ------------------------------------------------------------------------------------- verbs

#: (method, arguments, keyword arguments, text of the error), for methods of a client.
VERBS: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    *(("send", ("/queue/a", b"x"), {name: value}, words) for name, value, words in SEND),
    *(("subscribe", ("/queue/a",), {name: value}, words) for name, value, words in SUBSCRIBE),
    ("send", ("/queue/a", b"x"), {"confirm": "yes"}, f"confirm is 'yes' ({FLAG})"),
    (
        "send",
        ("/queue/a", b"x"),
        {"confirm": True, "timeout": "3"},
        f"timeout is '3' ({SECONDS}, as in timeout=3)",
    ),
    (
        "send",
        ("/queue/a", {"a": 1}),
        {},
        "the body is of type dict (pass bytes or str, or for JSON json=)",
    ),
    ("send", ("/queue/a", None), {}, "the body is of type NoneType"),
    ("send", ("", b"x"), {}, "there is no destination"),
    ("send", (None, b"x"), {}, "there is no destination"),
    ("send", (Colour.RED, b"x"), {}, "the destination is of type Colour (pass text"),
    ("send", (5, b"x"), {}, 'the destination is 5 (pass text, as in "/queue/orders")'),
    ("send_async", (5, b"x"), {}, "the destination is 5"),
    ("send_async", ("/queue/a", b"x"), {"timeout": [3]}, f"timeout is of type list ({SECONDS}"),
    ("send_async", ("/queue/a", b"x"), {"priority": 99}, "priority is 99"),
    ("send_many", (5,), {}, "messages is of type int (pass (destination, body) pairs"),
    ("send_many", (["/queue/a"],), {}, "message 1 is not a pair"),
    ("send_many", ([("/queue/a", b"x")],), {"ttl": "60"}, "ttl is '60'"),
    ("send_many", ([("/queue/a", b"x")],), {"timeout": "3"}, "timeout is '3'"),
    ("request", ("/queue/a", 5), {}, "the body is of type int"),
    ("request", ("/queue/a", b"x"), {"timeout": "3"}, "timeout is '3'"),
    ("request", ("/queue/a", b"x"), {"delay": "3"}, "delay is '3'"),
    ("subscribe", (5,), {}, "the destination is 5"),
    ("subscribe", (None,), {}, "there is no destination"),
    (
        "subscribe",
        ("/queue/a",),
        {"ack": "individual"},
        "ack is 'individual' (use auto, client or client-individual)",
    ),
    ("subscribe", ("/queue/a",), {"ack": True}, "ack is True (use auto"),
    ("subscribe", ("/queue/a",), {"timeout": "3"}, "timeout is '3'"),
    ("consume", ("/queue/a", print), {"concurrency": 0}, f"concurrency is 0 ({NUMBERS}, at least 1)"),
    ("consume", ("/queue/a", print), {"concurrency": "2"}, f"concurrency is '2' ({NUMBERS}, at least 1)"),
    ("consume", ("/queue/a", print), {"prefetch": 0}, "prefetch is 0"),
    ("consume", (None, print), {}, "there is no destination"),
    ("merge", (), {}, "there is no subscription to merge"),
    ("merge", ("/queue/a",), {}, "argument 1 of merge is not a subscription of this client"),
    ("close", ("3",), {}, "timeout is '3'"),
    ("drain", ("3",), {}, "timeout is '3'"),
    ("states", ("3",), {}, "timeout is '3'"),
    ("run_forever", (), {"timeout": "3"}, "timeout is '3'"),
    (
        "run_forever",
        (),
        {"signals": 15},
        "signals is of type int (pass a list, as in signals=[signal.SIGTERM])",
    ),
]
#: The same for methods of objects that a client returns: (object, method, ...).
HANDLES: list[tuple[str, str, tuple[Any, ...], dict[str, Any], str]] = [
    ("message", "ack", (), {"confirm": "yes"}, "confirm is 'yes'"),
    ("message", "ack", (), {"confirm": True, "timeout": "3"}, "timeout is '3'"),
    ("message", "nack", (), {"requeue": "no"}, f"requeue is 'no' ({FLAG})"),
    ("message", "nack", (), {"confirm": 1}, "confirm is 1"),
    ("message", "nack", (), {"timeout": "3"}, "timeout is '3'"),
    ("message", "reply", (5,), {}, "the body is of type int"),
    ("message", "reply", (b"",), {"confirm": "yes"}, "confirm is 'yes'"),
    ("message", "reply", (b"",), {"persistent": "yes"}, "persistent is 'yes'"),
    ("subscription", "receive", ("3",), {}, "timeout is '3'"),
    ("subscription", "messages", ("3",), {}, "timeout is '3'"),
    ("subscription", "close", (), {"delete": "yes"}, f"delete is 'yes' ({FLAG})"),
    ("subscription", "close", (), {"timeout": "3"}, "timeout is '3'"),
    ("confirmation", "result", ("3",), {}, "timeout is '3'"),
    ("confirmation", "exception", ("3",), {}, "timeout is '3'"),
    ("transaction", "send", (5, b"x"), {}, "the destination is 5"),
    ("transaction", "send", ("/queue/a", b"x"), {"ttl": "5"}, "ttl is '5'"),
    ("transaction", "ack", ("m-1",), {}, "an object of type str is not a message"),
    ("transaction", "nack", (None,), {}, "an object of type NoneType is not a message"),
    ("transaction", "commit", ("3",), {}, "timeout is '3'"),
    ("transaction", "abort", ("3",), {}, "timeout is '3'"),
    ("consumer", "close", ("3",), {}, "timeout is '3'"),
]
CASES = [("client", *case) for case in VERBS] + HANDLES


def refused(owner: Any, verb: str, args: Any, kwargs: Any) -> stomp.UsageError:
    with pytest.raises(stomp.UsageError) as caught:
        getattr(owner, verb)(*args, **kwargs)
    return caught.value


async def refused_async(owner: Any, verb: str, args: Any, kwargs: Any) -> stomp.UsageError:
    with pytest.raises(stomp.UsageError) as caught:
        result = getattr(owner, verb)(*args, **kwargs)
        if inspect.isawaitable(result):
            await result
    return caught.value


def errors_of_client(url: str) -> list[stomp.UsageError]:
    found = []
    with stomp.Client(url) as client:
        subscription = client.subscribe("/queue/h", ack="client-individual")
        confirmation = client.send_async("/queue/h", b"x", reply_to="/queue/r")
        message = subscription.receive(20)
        consumer = client.consume("/queue/c", lambda message: None)
        with client.transaction() as transaction:
            owners: dict[str, Any] = locals()
            for which, verb, args, kwargs, _ in CASES:
                found.append(refused(owners[which], verb, args, kwargs))
        assert client.state is stomp.ClientState.CONNECTED
        assert message is not None
        message.ack(confirm=True)
    return found


async def errors_of_async_client(url: str) -> list[stomp.UsageError]:
    found = []
    async with stomp.AsyncClient(url) as client:
        subscription = await client.subscribe("/queue/h", ack="client-individual")
        confirmation = await client.send_async("/queue/h", b"x", reply_to="/queue/r")
        message = await subscription.receive(20)
        consumer = await client.consume("/queue/c", lambda message: None)
        async with client.transaction() as transaction:
            owners: dict[str, Any] = locals()
            for which, verb, args, kwargs, _ in CASES:
                found.append(await refused_async(owners[which], verb, args, kwargs))
        assert client.state is stomp.ClientState.CONNECTED
        assert message is not None
        await message.ack(confirm=True)
    return found


def test_wrong_arguments_of_verbs_raise_the_same_in_both_clients(broker):
    """The call has no effect: the connection, the message and the transaction are unchanged."""
    plain, awaited = errors_of_client(broker.url), asyncio.run(errors_of_async_client(broker.url))
    for (*_, words), one, other in zip(CASES, plain, awaited, strict=True):
        assert words in same(one, other)


def test_values_that_are_right_in_another_form(broker):
    minute = datetime.timedelta(minutes=1)
    for versions in ("1.2", "1.1,1.2", ["1.2"], ("1.1", "1.2")):
        with stomp.Client(broker.url, versions=versions, heartbeat=[0, 0]) as client:  # type: ignore[arg-type]
            assert client.version == "1.2"
            client.send("/queue/a", b"x", ttl=minute, confirm=True, timeout=20)
            subscription = client.subscribe("/queue/a")
            assert subscription.receive(20) is not None
            assert subscription.receive(-1) is None


# ------------------------------------------------------------------------------------- settings in objects


@pytest.mark.parametrize(
    ("cls", "given", "words"),
    [
        (stomp.Backoff, {"initial": "1"}, "Backoff.initial is '1' (pass a number, 0 or more)"),
        (stomp.Backoff, {"maximum": -1}, "Backoff.maximum is -1 (pass a number, 0 or more)"),
        (
            stomp.Options,
            {"connect_timeout": "3"},
            "Options.connect_timeout is '3' (pass a number of seconds)",
        ),
        (stomp.Options, {"attempts": None}, "Options.attempts is None (pass a number of rounds"),
        (stomp.Options, {"shuffle": "yes"}, f"Options.shuffle is 'yes' ({FLAG})"),
        (stomp.Options, {"backoff": 5}, "Options.backoff is of type int (pass a stomp.Backoff)"),
        (stomp.Options, {"limits": 100}, "Options.limits is of type int (pass a stomp.Limits)"),
        (stomp.Options, {"websocket": {}}, "Options.websocket is of type dict"),
        (stomp.Options, {"proxy": 3128}, "Options.proxy is of type int (pass a URL"),
        (stomp.Options, {"tolerance": "2"}, "Options.tolerance is '2' (pass a number)"),
        (stomp.Limits, {"frame": "100"}, f"Limits.frame is '100' ({NUMBERS}, at least 1)"),
        (stomp.Limits, {"body": 0}, f"Limits.body is 0 ({NUMBERS}, at least 1)"),
    ],
)
def test_wrong_values_in_objects_of_settings(cls, given, words):
    with pytest.raises(stomp.UsageError) as caught:
        cls(**given)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("host", None, "host is None (pass text"),
        ("port", "61613", "port is '61613' (a port is a number from 0 to 65535)"),
        ("port", 65536, "port is 65536"),
        ("users", "admin:secret", "users is of type str (pass a dictionary of passcodes by login"),
        ("heartbeat", 5, "heartbeat is 5 (pass two numbers of milliseconds"),
        ("versions", "1.3", "versions has '1.3' (use some of 1.0, 1.1, 1.2"),
        ("connect_timeout", "3", f"connect_timeout is '3' ({SECONDS} above 0"),
    ],
)
def test_wrong_settings_of_the_embedded_broker(name, value, words):
    with pytest.raises(stomp.UsageError) as caught:
        Broker(**{name: value})
    assert words in str(caught.value)
    assert "secret" not in str(caught.value).replace('"secret"', "")


def test_wrong_settings_of_tls():
    verify: Any = "no"
    for cls in (stomp.Client, stomp.AsyncClient):
        with pytest.raises(stomp.UsageError, match=r"TlsSettings.verify is 'no' .pass True or False"):
            cls("stomp+ssl://a", tls=stomp.TlsSettings(verify=verify))


# ------------------------------------------------------------------------------------- closed subscriptions


def test_receiving_from_a_closed_subscription_raises(broker):
    with stomp.Client(broker.url) as client:
        subscription = client.subscribe("/queue/a")
        subscription.close()
        for take in (
            subscription.receive,
            lambda: subscription.receive(0),
            lambda: list(subscription),
            subscription.messages,
        ):
            with pytest.raises(
                stomp.UsageError, match=r"the subscription to /queue/a is closed .subscribe again"
            ):
                take()
        other = client.subscribe("/queue/b")
    with pytest.raises(stomp.UsageError, match="the subscription to /queue/b is closed"):
        other.receive()


def test_receiving_from_a_closed_subscription_of_the_async_client_raises(broker):
    async def main():
        async with stomp.AsyncClient(broker.url) as client:
            subscription = await client.subscribe("/queue/a")
            await subscription.close()
            with pytest.raises(stomp.UsageError, match="the subscription to /queue/a is closed"):
                await subscription.receive()
            with pytest.raises(stomp.UsageError, match="the subscription to /queue/a is closed"):
                async for _ in subscription:
                    pass
            with pytest.raises(stomp.UsageError, match="the subscription to /queue/a is closed"):
                subscription.messages(1)

    asyncio.run(main())


def test_closing_a_subscription_ends_an_iteration_that_has_begun(broker):
    with stomp.Client(broker.url) as client:
        for iterate in (iter, lambda subscription: subscription.messages(20)):
            subscription = client.subscribe("/queue/a")
            client.send_many([("/queue/a", b"x")] * 3)
            taken = []
            for message in iterate(subscription):
                taken.append(message)
                if len(taken) == 3:
                    subscription.close()
            assert len(taken) == 3
            with pytest.raises(StopIteration):
                next(subscription)


def test_messages_that_are_left_in_a_closed_subscription_can_be_taken(broker):
    with stomp.Client(broker.url) as client:
        subscription = client.subscribe("/queue/a")
        client.send_many([("/queue/a", b"x")] * 2)
        first = subscription.receive(20)
        client.send("/queue/b", b"", confirm=True)  # its RECEIPT arrives after the second message
        subscription.close()
        assert first is not None
        assert subscription.receive() is not None
        with pytest.raises(stomp.UsageError, match="is closed"):
            subscription.receive()


def test_a_consumer_that_is_closed_at_once_ends_without_an_error(broker, caplog):
    with stomp.Client(broker.url) as client:
        for _ in range(20):
            client.consume("/queue/a", print).close()
    assert not caplog.records


# ------------------------------------------------------------------------------------- python -O

OPTIMIZED = """
import asyncio
import stomp
from stomp.adapter.multicast import MulticastConnection

assert False, "python -O is what this is about"


def refused(kind, function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except kind as error:
        print(type(error).__name__, error)
    else:
        raise SystemExit(f"{function} has taken {args} {kwargs}")


ten, eleven, twelve = stomp.Connection10(), stomp.Connection11(), stomp.Connection12()
for conn in (ten, eleven, twelve, MulticastConnection()):
    refused(AssertionError, conn.send, None, "x")
    refused(AssertionError, conn.send, "/queue/a", None)
    refused(AssertionError, conn.commit)
    refused(AssertionError, conn.abort, None)
    refused(AssertionError, conn.set_listener, "", None)
refused(AssertionError, ten.subscribe, None)
refused(AssertionError, ten.unsubscribe)
refused(AssertionError, ten.ack, None)
for conn in (eleven, twelve, MulticastConnection()):
    refused(AssertionError, conn.subscribe, None, "1")
    refused(AssertionError, conn.subscribe, "/queue/a", None)
    refused(AssertionError, conn.unsubscribe, None)
refused(AssertionError, eleven.ack, None, "1")
refused(AssertionError, eleven.ack, "1", None)
refused(AssertionError, eleven.nack, "1", None)
refused(AssertionError, twelve.ack, None)
refused(AssertionError, twelve.nack, None)
client = stomp.Client()
refused(stomp.UsageError, client.send, "/queue/a", b"x", priority=99)
refused(stomp.UsageError, client.send, None, b"x")
refused(stomp.UsageError, stomp.Client, heartbeat=5)
refused(stomp.UsageError, stomp.Limits, body=0)
"""


@pytest.mark.slow(reason="starts three interpreters that import everything")
def test_python_with_optimization_loses_no_check():
    outputs = []
    for option in ("-O", "-OO", "-E"):
        program = OPTIMIZED if option != "-E" else OPTIMIZED.replace("assert False", "assert True")
        answer = subprocess.run(
            [sys.executable, option, "-c", program], capture_output=True, text=True, check=False
        )
        assert answer.returncode == 0, answer.stderr
        outputs.append(answer.stdout)
    assert len(set(outputs)) == 1
    assert outputs[0].count("\n") >= 40

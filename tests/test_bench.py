"""The benchmark kit: its arithmetic, and that every scenario completes. Speed is not tested."""

import asyncio
import doctest
import json
import os
import queue
import shutil
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass

import pytest

import stomp.broker
from bench import (
    blocking,
    contenders,
    embedded,
    instructions,
    report,
    run,
    scenarios,
    servers,
    starting,
    tables,
    targets,
    through,
)
from bench.adapters import Gate, Turnstile, Window, bare, stompkit_client, stompkit_listener
from bench.contenders import CLIENTS, Contender, Missing
from bench.forms import FORMS, bodies, encoded
from bench.measuring import Taken, next_count, quantile
from bench.places import ROOT
from bench.report import FIGURES, Demand, Row, Spread, number, rows
from bench.scenarios import Failed, Growth, Lacking, Setting, Talk, read_figures
from bench.servers import Server, body_of
from bench.servers.server import ClientEngine, Shape, header, render
from bench.targets import Target, verdict
from bench.work import KINDS, MOST, Work
from stomp.core.frames.decoder import Decoder
from stomp.core.frames.frame import Frame
from stomp.core.frames.versions import STOMP12

WORK = {"work": Talk("some work", "group", "receive")}


# ---------------------------------------------------------------------------------------------- arithmetic


@pytest.mark.parametrize(
    ("part", "expected"), [(0.0, 1), (0.25, 1), (0.5, 2), (0.51, 3), (0.75, 3), (0.99, 4), (1.0, 4)]
)
def test_a_quantile_is_one_of_the_values(part: float, expected: float) -> None:
    assert quantile([4, 2, 1, 3], part) == expected


def test_a_rate_is_over_all_durations_and_a_quantile_of_each() -> None:
    stream = Taken(100, [0.5], cpu=0.2, peak=7).figures()
    assert stream == {"count": 100, "rate": 200, "cpu": 0.002, "peak": 7}
    single = Taken(3, [0.3, 0.1, 0.2], more={"accepted": 9}).figures()
    assert (single["p50"], single["p99"], single["accepted"]) == (0.2, 0.3, 9)
    assert Taken(20, [], more={"share": 0.1}).figures() == {"count": 20, "share": 0.1}


def test_runs_grow_until_one_is_long_enough() -> None:
    counts: list[int] = []
    count: int | None = 10
    while count:
        counts.append(count)
        count = next_count(Taken(count, [count * 1e-4]), 1.0)
    assert counts == [10, 200, 4000, 10000]


def test_spread_of_no_values_is_none() -> None:
    assert Spread.of([]) is None
    assert Spread.of([3, 1, 2, 9]) == Spread(2.5, 1, 9)


def summed(ours: list[float | None], base: list[float | None]) -> list[Row]:
    def taken(rates: list[float | None]) -> list[scenarios.Figures | None]:
        return [None if rate is None else {"rate": rate, "cpu": 1e-6} for rate in rates]

    return rows({"work": {"stompkit": taken(ours), "stomp.py": taken(base), "bare": taken([100] * 3)}}, WORK)


def test_ratios_are_taken_round_by_round() -> None:
    # In the second round the machine was slow for both: the ratio of the medians would be 40 / 10.
    ours, base, bare_sockets = summed([50, 10, 40], [10, 2, 10])
    assert ours.ratio == Spread(5, 4, 5)
    assert ours.floor == Spread(0.4, 0.1, 0.5)
    assert ours.value == Spread(40, 10, 50)
    assert base.ratio is None
    assert bare_sockets.floor is None


def test_a_round_that_failed_counts_for_neither() -> None:
    found = summed([50, None, 40], [10, 2, None])
    assert found[0].ratio == Spread(5, 5, 5)
    assert found[0].value == Spread(45, 40, 50)
    assert summed([None], [1])[0].value is None


def test_two_measurements_make_one_and_ratios_stay_within_rounds() -> None:
    first: report.Runs = {
        "work": {"stompkit": [{"rate": 50}], "stomp.py": [{"rate": 10}]},
        "one": {"bare": [{}]},
    }
    second: report.Runs = {"work": {"stomp.py": [{"rate": 20}, None], "bare": [{"rate": 60}, {"rate": 70}]}}
    joined = report.join(first, second)
    assert joined == {
        "work": {
            "stompkit": [{"rate": 50}, None, None],
            "stomp.py": [{"rate": 10}, {"rate": 20}, None],
            "bare": [None, {"rate": 60}, {"rate": 70}],
        },
        "one": {"bare": [{}]},
    }
    found = {row.client: row.ratio for row in rows({"work": joined["work"]}, WORK)}
    assert found == {"stompkit": Spread(5, 5, 5), "stomp.py": None, "bare": Spread(3, 3, 3)}


def test_without_the_base_there_is_no_ratio() -> None:
    assert rows({"work": {"stompkit": [{"rate": 1, "cpu": 1}]}}, WORK)[0].ratio is None


def test_tables_show_medians_ratios_and_failures() -> None:
    found = summed([50, 10, 40], [10, 2, 10])
    assert [cell.strip() for cell in tables.details(found).splitlines()[2].split("|")[1:-1]] == [
        "some work, per second",
        "stompkit",
        "40 (10-50)",
        "5x (4-5)",
        "0.4x",
        "1 (1x)",
    ]
    assert "| failed" in tables.details(summed([None], [1]))
    assert [cell.strip() for cell in tables.matrix(found).splitlines()[2].split("|")[1:-1]] == [
        "some work, per second",
        "5x",
        "10",
        "10x",
    ]
    assert [cell.strip() for cell in tables.matrix(found).splitlines()[3].split("|")[1:-1]] == [
        "some work, CPU of the client, µs each ↓",
        "1x",
        "1",
        "1x",
    ]


def test_form_table_shows_cpu_and_ratio_of_each_client() -> None:
    clients: dict[str, list[scenarios.Figures | None]] = {
        "stompkit": [{"rate": 1, "cpu": 2e-6}],
        "stomp.py": [{"rate": 1, "cpu": 9e-6}],
    }
    found = rows({"send-text": clients}, run.SCENARIOS)
    assert [cell.strip() for cell in tables.form_table(found).splitlines()[2].split("|")[1:-1]] == [
        "str, as in the README",
        "2 (4.5x)",
        "9",
    ]
    assert tables.form_table([]) == ""


def test_summary_shows_ratios_to_the_base_and_its_own_figure() -> None:
    clients: dict[str, list[scenarios.Figures | None]] = {
        "stompkit": [{"p50": 90e-6, "p99": 1.0}],
        "stomp.py": [{"p50": 100e-6, "p99": 1.0}],
    }
    found = rows({"confirm": clients}, run.SCENARIOS)
    assert [cell.strip() for cell in tables.summary(found).splitlines()[2].split("|")[1:-1]] == [
        "send and wait for the RECEIPT",
        "0.9 of the time",
        "",
        "",
        "",
        "100 µs",
    ]
    assert {(scenario, figure) for _, scenario, figure in tables.SUMMARY} <= {
        (name, figure) for name, scenario in run.SCENARIOS.items() for figure in scenario.figures
    }


def test_forms_are_measured_in_one_batch() -> None:
    assert run.batches(["pair", "send-text", "connect", "send-json"]) == [
        ["pair"],
        ["send-text", "send-json"],
        ["connect"],
    ]


def test_pictures_show_every_client() -> None:
    found = summed([50, 10, 40], [10, 2, 10])
    text = tables.bars(found, width=10)
    assert [line.split()[-1] for line in text.splitlines()[1:]] == ["5x", "1x", "10x"]
    assert [line.count("#") for line in text.splitlines()[1:]] == [7, 1, 10]
    (picture,) = tables.pictures(found).values()
    assert picture.startswith("<svg")
    assert ">5x</text>" in picture
    assert tables.svg([]) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.60491, "0.605"), (12.34, "12.3"), (999.4, "999"), (1004, "1,000"), (45678, "45,700")],
)
def test_numbers_have_three_significant_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_docstring_examples_are_correct() -> None:
    assert doctest.testmod(report).failed == 0


@pytest.mark.parametrize(("demanded", "met"), [(0.4, False), (0.5, True)])
def test_demand_on_cpu_is_met_or_missed(demanded: float, met: bool) -> None:
    clients: dict[str, list[scenarios.Figures | None]] = {
        "stompkit": [{"rate": 1, "cpu": 2e-6}],
        "stomp.py": [{"rate": 1, "cpu": 4e-6}],
    }
    found = rows({"work": clients}, WORK)
    verdict, sentence = Demand("stompkit", "work", cpu=demanded).verdict(found)
    assert verdict is met
    assert sentence.endswith(": met" if met else ": MISSED")


@pytest.mark.parametrize(("below", "met"), [(40, False), (41, True)])
def test_demand_on_a_time_is_met_or_missed(below: float, met: bool) -> None:
    found = summed([50, 10, 40], [10, 2, 10])
    assert Demand("stompkit", "work", p50=below).verdict(found)[0] is met


def test_demand_without_measurement_is_not_met() -> None:
    assert not Demand("stompkit", "other", cpu=1).verdict([])[0]
    assert not Demand("stompkit", "work", cpu=1).verdict(summed([None], [1]))[0]
    assert not Demand("stompkit", "work", cpu=1).verdict(summed([1], [None]))[0]
    assert not Demand("stompkit", "work", p50=1).verdict(summed([None], [1]))[0]


# ---------------------------------------------------------------------------------------------- targets


def test_every_target_has_a_scenario_and_a_figure() -> None:
    for target in targets.read():
        assert target.figure in run.SCENARIOS[target.scenario].figures
        assert target.of in ("ratio", "value")
        assert FIGURES[target.figure].comparable or target.of == "value"


@pytest.mark.parametrize(
    ("pure", "of", "met", "text"),
    [
        (5, "ratio", True, "5x (≥ 5x), by CPU 1x"),
        (5.5, "ratio", False, "5x (≥ 5.5x), by CPU 1x ✗"),
        (40, "value", True, "40 (≥ 40)"),
    ],
)
def test_a_target_is_met_or_not(pure: float, of: str, met: bool, text: str) -> None:
    found = summed([50, 10, 40], [10, 2, 10])
    stands = verdict(Target("a target", "work", "rate", pure=pure, of=of), found, "pure")
    assert (stands.met, stands.text) == (met, text)


@pytest.mark.parametrize(("pure", "met", "text"), [(3, True, "2.5 (≤ 3)"), (2, False, "2.5 (≤ 2) ✗")])
def test_target_can_be_a_difference_in_cpu_to_another_client(pure: float, met: bool, text: str) -> None:
    def row(client: str, cpu: float) -> Row:
        return Row("work", "t", "g", "rate", client, None, None, None, Spread(cpu, cpu, cpu))

    target = Target("t", "work", "rate", pure=pure, client="stompkit-client", less="stompkit")
    found = [row("stompkit", 2e-6), row("stompkit-client", 4.5e-6)]
    stands = verdict(target, found, "pure")
    assert (stands.met, stands.text) == (met, text)
    assert verdict(target, found[:1], "pure") == targets.Verdict(None, f"? (≤ {pure})")


def test_a_rate_may_be_met_by_cpu() -> None:
    row = Row("work", "t", "g", "rate", "stompkit", None, Spread(3, 1, 9), None, None, Spread(0.2, 0.2, 0.2))
    stands = verdict(Target("t", "work", "rate", pure=4), [row], "pure")
    assert stands == targets.Verdict(True, "3x (≥ 4x), by CPU 5x", by_cpu=True)
    assert verdict(Target("t", "work", "rate", pure=6), [row], "pure").met is False
    assert verdict(Target("t", "work", "rate", pure=2), [row], "pure").by_cpu is False
    line = tables.target_table([Target("t", "work", "rate", pure=4)], [row]).splitlines()[2]
    assert line.split("|")[-2].strip() == "by CPU"


def test_time_target_is_an_upper_limit() -> None:
    row = Row("work", "some work", "group", "p50", "stompkit", Spread(1e-4, 0, 1), None, None, None)
    assert verdict(Target("t", "work", "p50", pure=100, of="value"), [row], "pure").met is True
    assert verdict(Target("t", "work", "p50", pure=99, of="value"), [row], "pure").met is False


def test_target_without_measurement_is_open() -> None:
    target = Target("a target", "work", "rate", pure=5, native=6)
    found = summed([50], [10])
    assert verdict(target, found, "native") == targets.Verdict(None, "? (≥ 6x)")
    assert verdict(Target("a target", "work", "rate"), found, "pure") == targets.Verdict(None, "")
    table = tables.target_table([target], found)
    assert [cell.strip() for cell in table.splitlines()[2].split("|")[1:-1]] == [
        "a target",
        "5x (≥ 5x), by CPU 1x",
        "? (≥ 6x)",
        "yes",
    ]


# ---------------------------------------------------------------------------------------------- the server


@pytest.mark.parametrize("escaped", [False, True])
def test_blocks_hold_whole_frames_of_one_length(escaped: bool) -> None:
    block = render(Shape("7", 100, escaped))
    decoder = Decoder(version=STOMP12)
    decoder.feed(bytes(block.part(3)))
    messages = [frame for frame in decoder.frames() if isinstance(frame, Frame)]
    assert [message.body for message in messages] == [body_of(100)] * 3
    assert len({message.headers["message-id"] for message in messages}) == 3
    assert {len(message.headers) for message in messages} == {8}
    assert all((":" in message.headers["message-id"]) is escaped for message in messages)
    assert len(block.data) == block.frame * block.frames


@pytest.mark.parametrize("size", [0, 1, 83, 84, 85, 100, 1024 * 1024])
def test_bodies_have_their_size_and_no_nul(size: int) -> None:
    body = body_of(size)
    assert len(body) == size
    assert 0 not in body
    body.decode()


def test_headers_are_found_by_their_whole_name() -> None:
    frame = b"SEND\nx-receipt:1\nreceipt:2\r\ndestination:/q\n\nbody"
    assert header(frame, b"receipt") == b"2"
    assert header(frame, b"ack") == b""


def both() -> list[object]:
    """The commands of the server in Python and, if there is a compiler, of the server in C."""
    python = pytest.param([sys.executable, "-m", "bench.servers.server"], id="python")
    program = servers.build(servers.SOURCE)
    return [python, *([pytest.param([str(program)], id="c")] if program else [])]


@pytest.fixture(scope="module", params=both())
def any_server(request):
    with Server(start=request.param) as running:
        yield running


def exchange(port: int, *parts: bytes, end: bytes) -> bytes:
    """Send these bytes to a server; return its response up to `end`."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), 20) as sock:
        for part in parts:
            sock.sendall(part)
        while not answer.endswith(end):
            more = sock.recv(1 << 16)
            if not more:
                break
            answer += more
    return answer


CONNECT = b"CONNECT\naccept-version:1.1,1.2\nheart-beat:0,0\n\n\0\n"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_server_takes_frames_cut_anywhere(any_server, size) -> None:
    script = (
        CONNECT + b"SUBSCRIBE\r\nid:1\r\ndestination:/bench/echo\r\n\r\n\0"
        b"SEND\ndestination:/bench/echo\nreceipt:r\n\nhello\0DISCONNECT\nreceipt:bye\n\n\0"
    )
    parts = [script[at : at + size] for at in range(0, len(script), size)]
    answer = exchange(any_server.port, *parts, end=b"RECEIPT\nreceipt-id:bye\n\n\0\n")
    assert answer.startswith(b"CONNECTED\nversion:1.2\n")
    assert answer.count(b"\0") == 4
    assert b"\n\nhello\0" in answer
    assert b"RECEIPT\nreceipt-id:r\n\n\0" in answer


@pytest.mark.parametrize(
    ("query", "shape"),
    [
        ("size=100", Shape("1", 100)),
        ("size=300&escaped=1", Shape("1", 300, escaped=True)),
        ("size=50&length=0&extra=3", Shape("1", 50, length=False, extra=3)),
        ("size=5000&nul=1&segment=700", Shape("1", 5000, nul=True)),
        ("size=0&acks=1", Shape("1", 0)),
    ],
)
def test_both_servers_fire_the_same(any_server, query, shape) -> None:
    subscribe = f"SUBSCRIBE\nid:1\ndestination:/bench/fire?count=3&{query}\n\n\0".encode()
    expected = b"".join(shape.frame(number) for number in range(3))
    answer = exchange(any_server.port, CONNECT, subscribe, end=expected)
    assert answer.partition(b"\0\n")[2] == expected


def test_both_servers_send_a_message_after_counting(any_server) -> None:
    subscribe = b"SUBSCRIBE\nid:1\ndestination:/bench/sink?count=3\n\n\0"
    send = b"SEND\ndestination:/queue/a\n\nx\0"
    answer = exchange(any_server.port, CONNECT, subscribe + send, send * 2, end=b"content-length:0\n\n\0\n")
    assert answer.count(b"MESSAGE\n") == 1


def test_both_servers_send_the_requested_heartbeats(any_server) -> None:
    connect = CONNECT.replace(b"0,0", b"0,10")
    assert exchange(any_server.port, connect, end=b"\0\n\n\n\n").startswith(b"CONNECTED\n")


def test_more_frames_than_promised_are_noticed() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b"SUBSCRIBE\nid:1\ndestination:/bench/sink?count=1\n\n\0SEND\n\n\0SEND\n\n\0")
        with pytest.raises(ValueError, match="1 frames more"):
            ClientEngine(theirs).run()


def test_without_a_compiler_the_server_is_in_python(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(servers, "compiler", lambda: None)
    assert servers.build(servers.SOURCE, tmp_path) is None
    monkeypatch.setattr(servers, "build", lambda source: None)
    assert servers.command()[0] == "Python"


def test_compiler_error_is_reported(tmp_path, capsys) -> None:
    if servers.compiler() is None:
        pytest.skip("no C compiler")
    source = tmp_path / "wrong.c"
    source.write_text("this is no C")
    assert servers.build(source, tmp_path) is None
    assert "wrong.c cannot be built" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------- the clients


def test_work_survives_its_command_line() -> None:
    work = Work("confirm", 61613, seconds=0.5, window=10, query="a=1&b=2", vhost="/x")
    assert Work.of(work.words()) == work
    assert work.fire(7, acks=1) == "/bench/fire?count=7&size=100&a=1&b=2&acks=1"
    for words in (["kind=nothing"], ["kind=send", "colour=red"], []):
        with pytest.raises(ValueError, match="not understood"):
            Work.of(words)


def test_a_window_lets_no_more_through_than_it_may() -> None:
    window = Window()
    unconfirmed: queue.SimpleQueue[None] = queue.SimpleQueue()
    most = 0

    def broker() -> None:
        for _ in range(25):
            unconfirmed.get(timeout=10)
            window.confirmed()

    window.begin(25, 10)
    answering = threading.Thread(target=broker)
    answering.start()
    for _ in range(25):
        unconfirmed.put(None)
        most = max(most, unconfirmed.qsize())
        window.sent()
    window.end()
    answering.join(10)
    assert unconfirmed.empty()
    assert most <= 10


def test_a_window_waits_for_the_last_one() -> None:
    window = Window()
    window.begin(3, 10)
    for _ in range(3):
        window.sent()
    ended = threading.Thread(target=window.end)
    ended.start()
    window.confirmed()
    window.confirmed()
    ended.join(0.05)
    assert ended.is_alive()
    window.confirmed()
    ended.join(10)
    assert not ended.is_alive()


def test_gates_open_before_they_are_reached_or_after() -> None:
    gate = Gate()
    gate.open()
    gate.enter()
    threading.Timer(0.01, gate.open).start()
    gate.enter()


def test_turnstile_passes_one_waiter_each_time() -> None:
    async def turn() -> None:
        turnstile = Turnstile()
        turnstile.open()
        turnstile.open()
        await turnstile.enter()
        asyncio.get_running_loop().call_soon(turnstile.open)
        await turnstile.enter()

    asyncio.run(turn())


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        yield running


@pytest.mark.parametrize("kind", [*blocking.RUNS, "produce"])
@pytest.mark.parametrize("client", [bare.Client, stompkit_listener.Client])
def test_every_kind_of_work_completes(server, client, kind) -> None:
    taken = blocking.take(client, Work(kind, server.port, count=3, window=2 if kind == "confirm" else 1))
    assert taken.count == 3
    assert len(taken.durations) in (1, 3)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("client", ["stompkit", "stompkit-client", "stompkit-aio"])
def test_each_form_of_a_send_completes_with_each_api(server, client, form) -> None:
    found = scenarios.run_client(CLIENTS[client], Work("send", server.port, count=3, form=form), None)
    assert found["count"] == 3


@pytest.mark.parametrize("form", FORMS)
def test_listener_api_and_client_send_the_same_headers_in_each_form(form) -> None:
    with stomp.broker.Broker() as broker:
        work = Work("send", broker.port, count=1, size=100, form=form)
        body = bodies(form, 100)[0]
        for adapter in (stompkit_listener, stompkit_client):
            sender = adapter.Client(work)
            sender.sender(FORMS[form])("/queue/forms", body, 7)
            sender.close()
        with stomp.Client(broker.url) as client, client.subscribe("/queue/forms") as messages:
            received = [next(messages) for _ in range(2)]
    wanted = FORMS[form].all_headers(7)
    for message in received:
        assert {name: message.headers.get(name) for name in wanted} == wanted
        assert message.body == encoded(body)


def test_bodies_of_a_form_are_a_power_of_two_and_have_about_the_size() -> None:
    for name in FORMS:
        texts = bodies(name, 100)
        assert len(texts) & (len(texts) - 1) == 0
        assert {isinstance(text, str) for text in texts} == {FORMS[name].text}
        assert all(80 <= len(encoded(text)) <= 120 for text in texts)


def test_bare_sockets_lack_forms_with_headers(server) -> None:
    for client in ("bare", "bare-c"):
        if client == "bare-c" and servers.compiler() is None:
            continue
        with pytest.raises(Lacking, match="made before"):
            scenarios.run_client(CLIENTS[client], Work("send", server.port, count=1, form="headers"), None)


def test_stall_measures_accepted_bytes(server) -> None:
    work = Work("stall", server.port, size=64 * 1024, seconds=0.2)
    found = scenarios.run_client(CLIENTS["stompkit"], work, None)
    assert 0 < found["accepted"] <= MOST
    assert found["peak"] >= 0


def test_idle_connections_are_alive_at_the_end(server) -> None:
    work = Work("idle", server.port, connections=3, heartbeat=50, seconds=0.3)
    found = scenarios.run_client(CLIENTS["stompkit"], work, None)
    assert found["count"] == 3
    assert found["memory"] >= 0
    # The timer thread and, if idle connections have no threads, the idle poller.
    assert found["threads"] * 3 >= 2


def test_runs_follow_each_other_on_one_connection(server) -> None:
    for client in (bare.Client, stompkit_listener.Client):
        connection = client(Work("receive", server.port))
        for name, once in blocking.RUNS.items():
            assert once(connection, Work(name, server.port), 2).count == 2
        connection.close()


@pytest.mark.parametrize(
    "kind", ["receive", "send", "acknowledge", "confirm", "pair", "roundtrip", "connect"]
)
def test_bare_sockets_in_c_do_the_same_work(server, kind) -> None:
    program = servers.build(ROOT / "bench/adapters/bare.c")
    if program is None:
        pytest.skip("no C compiler")
    contender = Contender(lambda: [str(program)])
    found = scenarios.run_client(contender, Work(kind, server.port, count=3), None)
    assert (found["count"], found["version"]) == (3, "C")


def setting(server, **more) -> Setting:
    return Setting(server, None, seconds=0.01, **more)


def test_the_scenarios_are_made_of_works_that_exist() -> None:
    for scenario in run.SCENARIOS.values():
        assert set(scenario.figures) <= FIGURES.keys()
        assert set(scenario.clients) <= CLIENTS.keys()
        if isinstance(scenario, Talk):
            assert Work(scenario.kind, **scenario.work).kind in KINDS


def test_growth_is_what_a_unit_costs_at_the_end(server) -> None:
    steps = ((1, {"size": 100}), (10, {"size": 1000}))
    found = Growth("growing", "growth", steps).measure(CLIENTS["bare"], setting(server, count=3))
    first, last = found["costs"]
    assert found["growth"] == pytest.approx(last / first)
    assert found["slowest"] == 1 / found["rate"]


def test_unsupported_growth_step_raises_lacking(server) -> None:
    with pytest.raises(Lacking, match="bare sockets count NULs"):
        Growth("growing", "growth", ((1, {"query": "nul=1"}),)).measure(CLIENTS["bare"], setting(server))


def test_figures_are_the_last_json_line_of_a_process() -> None:
    assert read_figures('READY\n{"rate": 1}\n', "") == {"rate": 1}
    with pytest.raises(Lacking, match="no receipts"):
        read_figures('{"unsupported": "no receipts"}', "")
    with pytest.raises(Failed, match="the reason"):
        read_figures("", "Traceback\nthe reason")
    with pytest.raises(Failed, match="said nothing"):
        read_figures("", "")


def test_hanging_process_is_killed() -> None:
    hanging = Contender(lambda: [sys.executable, "-c", "import threading; threading.Event().wait()"])
    with pytest.raises(Failed, match="no end after"):
        scenarios.run_client(hanging, Work("receive"), None, timeout=0.2)


# ---------------------------------------------------------------------------------------------- environments


def test_missing_tool_is_reported(monkeypatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    for client in ("stompjs", "stompit", "go-stomp"):
        with pytest.raises(Missing, match="there is no"):
            CLIENTS[client].prepare()


def test_without_the_codec_in_c_its_clients_are_skipped(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(contenders, "NATIVE", tmp_path / "native")
    with pytest.raises(Missing, match="there is no native/ in this checkout"):
        CLIENTS["stompkit-native"].prepare()


def test_outdated_installation_is_rebuilt(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(contenders, "ROOT", tmp_path)
    source = tmp_path / "source.c"
    source.touch()
    made: list[bool] = []
    for times in (None, (0, 0), (2e9, 2e9)):  # unchanged, older, newer than all that was built
        if times:
            os.utime(source, times)
        contenders._once(tmp_path / "home", lambda: made.append(True), [source])
    assert len(made) == 2


def test_incomplete_installation_is_rebuilt(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(contenders, "ROOT", tmp_path)
    home = tmp_path / "home"
    made: list[bool] = []

    def fail() -> None:
        (home / "rest").touch()
        raise Missing("no network")

    with pytest.raises(Missing):
        contenders._once(home, fail)
    for _ in range(2):
        contenders._once(home, lambda: made.append((home / "rest").exists()))
    assert made == [False]


def test_failing_installation_has_its_reason() -> None:
    with pytest.raises(Missing, match="the reason"):
        contenders._run([sys.executable, "-c", "raise SystemExit('the reason')"])
    with pytest.raises(Missing, match="nothing-of-that-name"):
        contenders._run(["nothing-of-that-name"])


# ---------------------------------------------------------------------------------------------- other scenarios


def test_start_is_measured_with_and_without_the_interpreter(server, monkeypatch) -> None:
    monkeypatch.setattr(starting, "TIMES", 1)
    for scenario in (starting.Start("import"), starting.Start("version", ("--version",))):
        found = scenario.measure(CLIENTS["stompkit"], setting(server))
        assert found["start"] > 0
        assert found["start_cpu"] > found["over_cpu"]
    with pytest.raises(Failed):
        starting.Start("wrong", ("--no-such-option",)).measure(CLIENTS["stompkit"], setting(server))
    with pytest.raises(Lacking):
        starting.Start("import").measure(CLIENTS["bare"], setting(server))


def test_the_size_is_that_of_the_sources(server) -> None:
    found = starting.Size().measure(CLIENTS["stompkit"], setting(server))
    assert found["packages"] == 1
    assert 100_000 < found["size"] < 10_000_000


def test_a_broker_that_is_not_up_is_skipped(server, monkeypatch, free_port) -> None:
    monkeypatch.setenv("BROKERS_RABBITMQ", f"127.0.0.1:{free_port}")
    for name in ("through-rabbitmq", "confirm-rabbitmq"):
        with pytest.raises(Lacking, match="rabbitmq is not up"):
            through.THROUGHS[name].measure(CLIENTS["stompkit"], setting(server))


@dataclass
class Broker:
    """The embedded broker, instead of a real one."""

    port: int


@pytest.fixture
def broker(monkeypatch):
    command = [sys.executable, "-m", "stomp", "broker", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().rstrip().rpartition(":")[2])
            monkeypatch.setenv("BROKERS_ACTIVEMQ", f"127.0.0.1:{port}")
            yield Broker(port)
        finally:
            process.kill()


def test_messages_go_through_a_broker(server, broker) -> None:
    found = through.THROUGHS["through-activemq"].measure(CLIENTS["stompkit"], setting(server, count=50))
    assert found["count"] == 49
    assert found["rate"] > 0
    assert found["produced"] > 0
    confirmed = through.THROUGHS["confirm-activemq"].measure(CLIENTS["stompkit"], setting(server, count=5))
    assert confirmed["count"] == 5


# ---------------------------------------------------------------------------------------------- instructions


def test_more_instructions_than_before_are_a_loss() -> None:
    (met, sentence), (missed, lost) = instructions.compare(
        {"decode": 110, "encode": 112}, {"decode": 100, "encode": 100}
    )
    assert (met, missed) == (True, False)
    assert sentence == "decode: 110 instructions a frame, at most 110 are allowed: met"
    assert lost.endswith("MISSED")


def test_counts_are_kept_for_each_build(tmp_path, monkeypatch, capsys) -> None:
    file = tmp_path / "counts.json"
    monkeypatch.setattr(instructions, "FILE", file)
    monkeypatch.setattr(instructions, "count", lambda: {"decode": 100, "encode": 200})
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/" + name)
    assert "none are known for" in instructions.check(file)[0][1]
    instructions.update(file)
    assert json.loads(file.read_text()) == {instructions.build_key(): {"decode": 100, "encode": 200}}
    assert [met for met, _ in instructions.check(file)] == [True, True]
    monkeypatch.setattr(instructions, "count", lambda: {"decode": 100, "encode": 300})
    assert [met for met, _ in instructions.check(file)] == [True, False]
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert instructions.check(file) == [
        (True, "instructions are not compared: there is no valgrind on this machine")
    ]


@pytest.mark.parametrize("work", instructions.WORKS)
def test_counted_work_runs(work) -> None:
    assert instructions.main(["--work", work, "3"]) == 0


# ---------------------------------------------------------------------------------------------- all together


@pytest.mark.slow(reason="starts a broker and a client for each of eight measurements")
def test_clients_are_compared_in_processes_of_their_own(tmp_path, capfd) -> None:
    sentence, measured, pictures = tmp_path / "report.md", tmp_path / "report.json", tmp_path / "pictures"
    work = ["--scenarios", "receive-0,pair", "--clients", "stompkit,bare", "--rounds", "2", "--count", "3"]
    files = ["--json", str(measured), "--markdown", str(sentence), "--plots", str(pictures)]
    assert run.main([*work, *files]) == 0
    everything = json.loads(measured.read_text())
    assert set(everything["about"]["versions"]) == {"stompkit", "bare"}
    assert [len(everything["runs"]["pair"][client]) for client in ("stompkit", "bare")] == [2, 2]
    assert len(everything["rows"]) == 4
    assert "receive 0 B" in sentence.read_text()
    assert "receive 0 B" in capfd.readouterr().out
    assert list(pictures.iterdir()) == []  # no ratio without the base
    again = tmp_path / "again.md"
    assert run.main(["--rounds", "0", "--with", str(measured), "--markdown", str(again)]) == 0
    assert "receive 0 B" in again.read_text()


def test_failing_client_is_reported_and_not_retried(monkeypatch, capfd) -> None:
    failing = Contender(lambda: [sys.executable, "-c", "raise SystemExit('out of order')"])
    monkeypatch.setitem(CLIENTS, "bare", failing)
    assert run.main(["--scenarios", "pair", "--clients", "bare", "--rounds", "2", "--count", "1"]) == 1
    out, err = capfd.readouterr()
    assert "failed" in out
    assert err.count("pair with bare failed: out of order") == 1


def test_missing_client_is_skipped_and_reported(monkeypatch, capfd, tmp_path) -> None:
    def missing() -> list[str]:
        raise Missing("there is no node on this machine")

    monkeypatch.setitem(CLIENTS, "stompjs", Contender(missing))
    sentence = tmp_path / "report.md"
    work = ["--scenarios", "receive-0", "--clients", "bare,stompjs", "--rounds", "1", "--count", "1"]
    assert run.main([*work, "--markdown", str(sentence)]) == 0
    assert "stompjs is skipped: there is no node" in capfd.readouterr().err
    assert "Skipped: stompjs: there is no node" in sentence.read_text()


def test_a_client_that_lacks_something_is_left_out(capfd) -> None:
    assert run.main(["--scenarios", "idle,pair", "--clients", "bare", "--rounds", "1", "--count", "1"]) == 0
    assert "idle" not in capfd.readouterr().out.splitlines()[0]


def test_names_that_do_not_exist_are_refused(capsys) -> None:
    for option in ("--clients", "--scenarios", "--groups"):
        with pytest.raises(SystemExit):
            run.main([option, "nobody"])
        assert "there is no nobody" in capsys.readouterr().err
    assert run.chosen("send-*,pair,pair", run.SCENARIOS)[-1] == "pair"
    assert run.by_group("start") == list(starting.STARTS)


# ---------------------------------------------------------------------------------------------- the embedded broker


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it reads /proc")
@pytest.mark.parametrize("load", ["queue", "connections", "stalled"])
def test_embedded_broker_is_measured(load) -> None:
    variables = {"PYTHONPATH": str(ROOT / "src")}
    server = embedded.MeasuredServer([sys.executable, "-m", "bench.servers.embedded"], variables, None)
    try:
        figures = embedded.LOADS[load](server, embedded.QUICK, None)
    finally:
        server.close()
    assert figures["cpu"] >= 0


def test_ratios_of_the_servers_are_taken_within_a_round() -> None:
    runs = {"queue": {"go-stomp": [{"cpu": 2.0}, {"cpu": 10.0}], "pure": [{"cpu": 4.0}, {"cpu": 10.0}]}}
    assert embedded.report(runs).splitlines()[2:] == [
        "| queue | CPU of a message, µs | go-stomp | 6 | |",
        "| queue | CPU of a message, µs | pure | 7 | 1.50 (1.00 to 2.00) |",
    ]

"""The benchmark kit: its arithmetic, and that every scenario comes to its end. Never how fast anything is."""

import doctest
import json
import socket

import pytest

import bench.client
from bench import report, run
from bench.adapters import Contract, bare, stompkit_listener
from bench.client import measure
from bench.report import Demand, Spread, figures, number, quantile, rows, table
from bench.scenarios import SCENARIOS
from bench.server import Conversation, body_of, header, render
from stomp.core.decoder import Decoder
from stomp.core.dialect import STOMP12
from stomp.core.frame import Frame

TITLES = {"work": "some work"}


# ---------------------------------------------------------------------------------------------- arithmetic


@pytest.mark.parametrize(
    ("part", "expected"), [(0.0, 1), (0.25, 1), (0.5, 2), (0.51, 3), (0.75, 3), (0.99, 4), (1.0, 4)]
)
def test_a_quantile_is_one_of_the_values(part: float, expected: float) -> None:
    assert quantile([4, 2, 1, 3], part) == expected


def test_a_rate_is_over_all_durations_and_a_quantile_of_each() -> None:
    assert figures(["rate"], 100, [0.5]) == {"rate": 200}
    assert figures(["p50", "p99"], 3, [0.3, 0.1, 0.2]) == {"p50": 0.2, "p99": 0.3}


def test_the_spread_of_nothing_is_nothing() -> None:
    assert Spread.of([]) is None
    assert Spread.of([3, 1, 2, 9]) == Spread(2.5, 1, 9)


def summed(ours: list[float | None], base: list[float | None]) -> dict[str, report.Row]:
    def taken(rates: list[float | None]) -> list[report.Figures | None]:
        return [None if rate is None else {"rate": rate, "cpu": 1e-6} for rate in rates]

    runs: report.Runs = {"work": {"ours": taken(ours), "base": taken(base)}}
    return {row.client: row for row in rows(runs, TITLES, {"work": ("rate",)}, "base")}


def test_ratios_are_taken_round_by_round() -> None:
    # In the second round the machine was slow for both: the ratio of the medians would be 40 / 10.
    found = summed([50, 10, 40], [10, 2, 10])
    assert found["ours"].ratio == Spread(5, 4, 5)
    assert found["ours"].value == Spread(40, 10, 50)
    assert found["base"].ratio is None


def test_a_round_that_failed_counts_for_neither() -> None:
    found = summed([50, None, 40], [10, 2, None])
    assert found["ours"].ratio == Spread(5, 5, 5)
    assert found["ours"].value == Spread(45, 40, 50)
    assert summed([None], [1])["ours"].value is None


def test_without_the_base_there_is_no_ratio() -> None:
    runs: report.Runs = {"work": {"ours": [{"rate": 1, "cpu": 1}]}}
    assert rows(runs, TITLES, {"work": ("rate",)}, "base")[0].ratio is None


def test_a_table_tells_medians_ratios_and_failures() -> None:
    text = table(list(summed([50, 10, 40], [10, 2, 10]).values()), "base")
    assert [cell.strip() for cell in text.splitlines()[2].split("|")[1:-1]] == [
        "some work, per second",
        "ours",
        "40 (10-50)",
        "5x (4-5)",
        "1",
    ]
    assert "| failed" in table(list(summed([None], [1]).values()), "base")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.60491, "0.605"), (12.34, "12.3"), (999.4, "999"), (1004, "1,000"), (45678, "45,700")],
)
def test_numbers_have_three_digits_that_count(value: float, text: str) -> None:
    assert number(value) == text


def test_examples_are_true() -> None:
    assert doctest.testmod(report).failed == 0


@pytest.mark.parametrize(("demanded", "met"), [(4.9, True), (5.0, True), (5.1, False)])
def test_a_demand_on_a_ratio(demanded: float, met: bool) -> None:
    found = list(summed([50, 10, 40], [10, 2, 10]).values())
    verdict, told = Demand("ours", "work", "rate", ratio=demanded).verdict(found)
    assert verdict is met
    assert told.endswith(": met" if met else ": MISSED")


@pytest.mark.parametrize(("below", "met"), [(40, False), (41, True)])
def test_a_demand_on_a_time(below: float, met: bool) -> None:
    found = list(summed([50, 10, 40], [10, 2, 10]).values())
    assert Demand("ours", "work", "rate", below=below).verdict(found)[0] is met


def test_what_was_not_measured_is_not_met() -> None:
    assert not Demand("ours", "other", "rate", ratio=1).verdict([])[0]
    assert not Demand("ours", "work", "rate", ratio=1).verdict(list(summed([None], [1]).values()))[0]
    assert not Demand("ours", "work", "rate", ratio=1).verdict(list(summed([1], [None]).values()))[0]


def test_runs_grow_until_one_is_long_enough(monkeypatch) -> None:
    monkeypatch.setattr(bench.client, "SETTLE", 0.0)
    counts: list[int] = []

    def work(client: object, count: int) -> list[float]:
        counts.append(count)
        return [count * 1e-4]

    count, durations, _ = measure(work, None, seconds=1.0)
    assert counts == [10, 200, 4000, 10000]
    assert (count, durations) == (10000, [1.0])
    assert measure(work, None, seconds=1.0, count=3)[0] == 3


# ---------------------------------------------------------------------------------------------- the server


@pytest.mark.parametrize("escaped", [False, True])
def test_blocks_hold_whole_frames_of_one_length(escaped: bool) -> None:
    block = render("7", 100, escaped)
    decoder = Decoder(dialect=STOMP12)
    decoder.feed(bytes(block.part(3)))
    messages = [frame for frame in decoder.frames() if isinstance(frame, Frame)]
    assert [message.body for message in messages] == [body_of(100)] * 3
    assert len({message.headers["message-id"] for message in messages}) == 3
    assert {len(message.headers) for message in messages} == {8}
    assert all((":" in message.headers["message-id"]) is escaped for message in messages)
    assert len(block.data) == block.frame * block.frames


@pytest.mark.parametrize("size", [0, 1, 35, 36, 100, 1024 * 1024])
def test_bodies_have_their_size_and_no_nul(size: int) -> None:
    body = body_of(size)
    assert len(body) == size
    assert 0 not in body
    body.decode()


def test_headers_are_found_by_their_whole_name() -> None:
    frame = b"SEND\nx-receipt:1\nreceipt:2\ndestination:/q\n\nbody"
    assert header(frame, b"receipt") == b"2"
    assert header(frame, b"ack") == b""


def test_the_server_takes_frames_cut_anywhere() -> None:
    script = (
        b"CONNECT\naccept-version:1.2\n\n\0\nSUBSCRIBE\nid:1\ndestination:/bench/echo\n\n\0"
        b"SEND\ndestination:/bench/echo\nreceipt:r\n\nhello\0DISCONNECT\nreceipt:bye\n\n\0"
    )
    for size in (1, 7, len(script)):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            for at in range(0, len(script), size):
                ours.sendall(script[at : at + size])
            Conversation(theirs).run()
            theirs.close()
            with ours.makefile("rb") as stream:
                answer = stream.read()
        assert answer.count(b"\0") == 4
        assert b"\n\nhello\0" in answer
        assert answer.endswith(b"RECEIPT\nreceipt-id:bye\n\n\0\n")


def test_more_frames_than_promised_are_noticed() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b"SUBSCRIBE\nid:1\ndestination:/bench/sink?count=1\n\n\0SEND\n\n\0SEND\n\n\0")
        with pytest.raises(ValueError, match="1 frames more"):
            Conversation(theirs).run()


# ---------------------------------------------------------------------------------------------- all together


@pytest.fixture(scope="module")
def server():
    with run.Server() as running:
        yield running


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
@pytest.mark.parametrize("client", [bare.Client, stompkit_listener.Client])
def test_every_scenario_comes_to_its_end(server, client, scenario) -> None:
    connection: Contract = client(server.port)
    # Twice, because runs follow each other on one connection.
    for _ in range(2):
        durations = scenario.run(connection, 3)
        assert len(durations) in (1, 3)
        assert figures(scenario.figures, 3, durations).keys() == set(scenario.figures)
    connection.close()


def test_clients_are_compared_in_processes_of_their_own(tmp_path, capfd) -> None:
    told, measured = tmp_path / "report.md", tmp_path / "report.json"
    work = ["--scenarios", "receive-0,pair", "--clients", "stompkit,bare", "--rounds", "2", "--count", "3"]
    assert run.main([*work, "--json", str(measured), "--markdown", str(told)]) == 0
    everything = json.loads(measured.read_text())
    assert set(everything["about"]["versions"]) == {"stompkit", "bare"}
    assert [len(everything["runs"]["pair"][client]) for client in ("stompkit", "bare")] == [2, 2]
    assert len(everything["rows"]) == 4
    assert "receive 0 B" in told.read_text()
    assert "receive 0 B" in capfd.readouterr().out


def test_a_client_that_fails_is_told_and_not_tried_again(monkeypatch, capfd) -> None:
    monkeypatch.setitem(run.CLIENTS, "bare", run.Contender("nothing"))
    assert run.main(["--scenarios", "pair", "--clients", "bare", "--rounds", "2", "--count", "1"]) == 1
    out, err = capfd.readouterr()
    assert "failed" in out
    assert err.count("pair with bare failed") == 1


def test_names_that_do_not_exist_are_refused(capsys) -> None:
    with pytest.raises(SystemExit):
        run.main(["--clients", "nobody"])
    assert "there is no nobody" in capsys.readouterr().err

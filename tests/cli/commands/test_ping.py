"""`stomp ping`."""

from __future__ import annotations

import json
import re
import signal

from stomp.testing.servers import ScriptedServer, greet
from tests.cli.oneshot import Stomp, ended

_MS = r"\d+\.\d\d ms"


class TestPing:
    """At any broker."""

    def test_text_output_has_each_round_trip_and_a_summary(self, stomp: Stomp) -> None:
        lines = stomp.well("ping", "-n", "2", "--interval", "0").decode().splitlines()
        assert re.fullmatch(rf"connected to \S+, .*, STOMP 1\.2, in {_MS}", lines[0])
        assert re.fullmatch(rf"1: {_MS}", lines[1])
        assert re.fullmatch(rf"2: {_MS}", lines[2])
        assert re.fullmatch(rf"2 round trips: min {_MS}, avg {_MS}, max {_MS}", lines[3])

    def test_json_output_has_all_round_trips(self, stomp: Stomp) -> None:
        said = json.loads(stomp.well("ping", "-n", "3", "--interval", "0", "--json"))
        assert (said["count"], said["version"]) == (3, "1.2")
        seconds = said["seconds"]
        assert 0 < seconds["min"] <= seconds["avg"] <= seconds["max"]

    def test_signal_ends_with_a_summary(self, stomp: Stomp) -> None:
        process = stomp.start("ping", "--interval", "60")
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        answer = ended(process)
        assert (answer.status, answer.err) == (130, "")
        assert answer.out.startswith(b"1 round trips: ")


def test_silent_broker_is_a_timeout(stomp: Stomp) -> None:
    with ScriptedServer(greet) as server:
        stomp.url = f"stomp://{server.host}:{server.port}"
        answer = stomp("ping", "--timeout", "0.2")
    assert answer.status == 3
    assert answer.err.count("\n") == 1

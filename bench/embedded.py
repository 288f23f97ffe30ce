"""What the embedded broker costs beside the server of go-stomp: CPU, memory, time. Both have the same clients.

    python -m bench.embedded              three minutes; --rounds for more
    python -m bench.embedded --quick      one small round of each, for the tests

The servers take turns, in the order A B, B A; each run has a new process, on a CPU for itself if there are two. A ratio
is taken within a round. go-stomp's server is built if Go is there; without it, only the broker is measured.

    queue        100 B from one process through one queue to another one, by bare sockets, which write 64 KiB at a time
    queue-go     the same by go-stomp's client, which writes what its program has sent so far
    connections  500 connections, each with a queue, send and receive in turn
    stalled      100 B to a topic with a subscriber that reads all and one that reads nothing; the memory is the peak.
                 Not with go-stomp's server: there, all others wait for the subscriber that reads nothing
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import selectors
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contenders import CLIENTS, Missing, build_go, environment, native_environment
from bench.places import ROOT, on_cpu, two_cpus
from bench.scenarios import Failed, Figures, read_figures
from bench.servers import body_of
from bench.through import start
from bench.work import Work

#: Nothing takes this long, in seconds.
TIMEOUT = 60.0
MiB = 1024 * 1024
_SIZE = 100
_TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_CONNECT = b"CONNECT\naccept-version:1.2\nhost:/\n\n\0"


@dataclass(frozen=True)
class Plan:
    """How much of each."""

    messages: int = 60_000
    connections: int = 500
    each: int = 40  #: messages of each connection
    rounds: int = 5


QUICK = Plan(messages=500, connections=20, each=3, rounds=1)


class MeasuredServer:
    """A server in a separate process.

    Args:
        command: how to start it; it prints its port.
        variables: its environment.
        cpu: where it runs.
    """

    def __init__(self, command: Sequence[str], variables: dict[str, str], cpu: int | None) -> None:
        with on_cpu(cpu):
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **variables},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # warnings about slow subscribers, which are meant
                text=True,
            )
        assert self.process.stdout is not None
        words = self.process.stdout.readline().split()
        if not words:
            raise Missing(f"{Path(command[0]).name} did not start")
        self.port = int(words[0])

    def cpu(self) -> float:
        """The seconds of CPU that it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    def memory(self) -> int:
        """Its resident bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    def close(self) -> None:
        try:
            self.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()


# ------------------------------------------------------------------------------------------------- loads


class Peer:
    """A connection of bare sockets."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.sendall(_CONNECT)
        self.expect(1)

    def expect(self, frames: int) -> None:
        """Read this many frames."""
        while frames > 0:
            data = self.sock.recv(256 * 1024)
            if not data:
                raise Failed("the server has closed the connection")
            frames -= data.count(0)

    def subscribe(self, destination: str, *, confirmed: bool = False) -> None:
        more = "receipt:r\n" if confirmed else ""
        self.sock.sendall(f"SUBSCRIBE\nid:1\ndestination:{destination}\nack:auto\n{more}\n\0".encode())
        if confirmed:
            self.expect(1)


def frame(destination: str) -> bytes:
    body = body_of(_SIZE)
    return f"SEND\ndestination:{destination}\ncontent-length:{len(body)}\n\n".encode() + body + b"\0"


def through_queue(server: MeasuredServer, plan: Plan, client: str, cpu: int | None) -> Figures:
    """From a process that sends to one that receives."""
    contender = CLIENTS[client]
    queue = f"/queue/bench-{client}"

    def work(kind: str) -> Work:
        return Work(kind, server.port, count=plan.messages, destination=queue)

    with on_cpu(cpu), contextlib.ExitStack() as stack:
        consumer = start(contender, work("consume"))
        stack.callback(_end, consumer)
        timer = threading.Timer(TIMEOUT, consumer.kill)
        stack.callback(timer.cancel)
        timer.start()
        assert consumer.stdout is not None
        if "READY" not in consumer.stdout.readline():
            raise Failed((consumer.communicate(timeout=5)[1].strip().splitlines() or ["not ready"])[-1])
        used = server.cpu()
        producer = start(contender, work("produce"))
        stack.callback(_end, producer)
        read_figures(*producer.communicate(timeout=TIMEOUT))
        received = read_figures(*consumer.communicate(timeout=TIMEOUT))
        used = server.cpu() - used
    return {"cpu": used / plan.messages * 1e6, "rate": received["rate"]}


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def connections(server: MeasuredServer, plan: Plan, cpu: int | None) -> Figures:
    """Many connections, each with a queue of its own and one message under way."""
    with on_cpu(cpu), contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
        before, used, begin = server.memory(), server.cpu(), time.perf_counter()
        for number in range(plan.connections):
            peer = Peer(server.port)
            stack.callback(peer.sock.close)
            # Without a receipt: go-stomp's server sends none for SUBSCRIBE.
            peer.subscribe(f"/queue/bench-{number}")
            message = frame(f"/queue/bench-{number}")
            selector.register(peer.sock, selectors.EVENT_READ, [peer, message, plan.each])
        opened, used = server.cpu() - used, server.cpu()
        grown = server.memory() - before
        connected = time.perf_counter() - begin
        for key in selector.get_map().values():
            key.data[0].sock.sendall(key.data[1])
        left = plan.connections
        while left:
            events = selector.select(TIMEOUT)
            if not events:
                raise Failed("a message did not arrive")
            for key, _ in events:
                peer, message, _ = key.data
                got = peer.sock.recv(65536).count(0)
                if not got:
                    continue
                key.data[2] -= got
                if key.data[2] > 0:
                    peer.sock.sendall(message)
                else:
                    selector.unregister(peer.sock)
                    left -= 1
        used = server.cpu() - used
    return {
        "cpu": used / (plan.connections * plan.each) * 1e6,
        "connect_cpu": opened / plan.connections * 1e6,
        "connected": connected,
        "memory": grown / plan.connections,
    }


def stalled(server: MeasuredServer, plan: Plan, cpu: int | None) -> Figures:
    """One subscriber of a topic reads nothing; the other must get all, and a third client must be served."""
    topic = "/topic/bench-stalled"
    with on_cpu(cpu):
        idle, reader, sender = Peer(server.port), Peer(server.port), Peer(server.port)
        before, used = server.memory(), server.cpu()
        idle.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        idle.subscribe(topic, confirmed=True)
        reader.subscribe(topic, confirmed=True)
        # 100 B each, but as many bytes as the limit of a subscription and more.
        count = plan.messages * 2
        block, batch = frame(topic), 100
        most = 0
        for sent in range(0, count, batch):
            sender.sock.sendall(block * batch)
            reader.expect(batch)
            if sent % 10_000 == 0:
                most = max(most, server.memory() - before)
        used = server.cpu() - used
        most = max(most, server.memory() - before)
        for peer in (idle, reader, sender):
            peer.sock.close()
    return {"cpu": used / count * 1e6, "memory": most}


LOADS: dict[str, Callable[[MeasuredServer, Plan, int | None], Figures]] = {
    "queue": lambda server, plan, cpu: through_queue(server, plan, "bare", cpu),
    "queue-go": lambda server, plan, cpu: through_queue(server, plan, "go-stomp", cpu),
    "connections": connections,
    "stalled": stalled,
}
#: Loads that a server cannot take.
SKIPPED = {("go-stomp", "stalled")}


# --------------------------------------------------------------------------------------------- servers


def go_server() -> list[str]:
    return [str(build_go("go-stomp-server", ROOT / "bench/servers/go"))]


def commands(skipped: dict[str, str]) -> dict[str, tuple[list[str], dict[str, str]]]:
    """How to start each server that this machine can run, go-stomp's first."""
    ours = ["-m", "bench.servers.embedded"]
    source = str(ROOT / "src")
    wanted: dict[str, Callable[[], tuple[list[str], dict[str, str]]]] = {
        "go-stomp": lambda: (go_server(), {}),
        "pure": lambda: ([str(environment()), *ours], {"PYTHONPATH": source, "STOMPKIT_NATIVE": "0"}),
        "native": lambda: (
            [str(native_environment()), *ours],
            {"PYTHONPATH": source, "STOMPKIT_NATIVE": "1"},
        ),
    }
    found = {}
    for name, make in wanted.items():
        try:
            found[name] = make()
        except Missing as why:
            skipped[name] = str(why)
    return found


Runs = dict[str, dict[str, list[Figures]]]


def measure(plan: Plan, loads: Sequence[str], skipped: dict[str, str]) -> Runs:
    """All rounds: the figures by load and server."""
    client_cpu, server_cpu = two_cpus() or (None, None)
    runs: Runs = {load: {} for load in loads}
    servers = commands(skipped)
    for number in range(plan.rounds):
        for load in loads:
            names = [name for name in servers if (name, load) not in SKIPPED]
            for name in names if number % 2 == 0 else reversed(names):
                server = MeasuredServer(*servers[name], server_cpu)
                try:
                    figures = LOADS[load](server, plan, client_cpu)
                except Missing as why:
                    skipped[load] = str(why)
                    continue
                finally:
                    server.close()
                runs[load].setdefault(name, []).append(figures)
    return runs


# ---------------------------------------------------------------------------------------------- report

#: Figures of a run: their titles, and what they are multiplied with.
_FIGURES = {
    "cpu": ("CPU of a message, µs", 1.0),
    "rate": ("messages a second", 1.0),
    "connect_cpu": ("CPU of a connection and a SUBSCRIBE, µs", 1.0),
    "connected": ("time until all are connected, s", 1.0),
    "memory": ("memory, KiB", 1 / 1024),
}


def report(runs: Runs) -> str:
    """A table: each figure of each server as the median of the rounds, and the ratio to go-stomp's server."""
    lines = ["| load | figure | server | median | ratio to go-stomp's |", "|---|---|---|---:|---:|"]
    for load, servers in runs.items():
        base = servers.get("go-stomp", [])
        for key, (title, scale) in _FIGURES.items():
            for name, rounds in servers.items():
                if key not in rounds[0]:
                    continue
                value = statistics.median(each[key] for each in rounds) * scale
                ratios = (
                    []
                    if name == "go-stomp"
                    else [_ratio(key, *pair) for pair in zip(rounds, base, strict=False)]
                )
                spread = (
                    f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) "
                    if ratios
                    else ""
                )
                lines.append(f"| {load} | {title} | {name} | {_number(value)} | {spread}|")
    return "\n".join(lines)


def _ratio(key: str, ours: Figures, theirs: Figures) -> float:
    return ours[key] / theirs[key] if theirs[key] else math.inf


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.embedded", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one small round, for the tests")
    parser.add_argument("--rounds", type=int, default=Plan.rounds)
    parser.add_argument("--messages", type=int, default=Plan.messages)
    parser.add_argument(
        "--loads", type=lambda text: text.split(","), default=list(LOADS), help=", ".join(LOADS)
    )
    args = parser.parse_args(argv)
    if not sys.platform.startswith("linux"):
        print(
            "it reads the CPU and the memory of the servers from /proc, which only Linux has", file=sys.stderr
        )
        return 1
    plan = QUICK if args.quick else Plan(messages=args.messages, rounds=args.rounds)
    skipped: dict[str, str] = {}
    runs = measure(plan, args.loads, skipped)
    print(report(runs))
    for name, why in skipped.items():
        print(f"{name} is skipped: {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""stomp.net.dial"""

import errno
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stomp.core.errors import AddressError, ConnectFailed
from stomp.net import dial
from stomp.net.address import Address
from stomp.net.dial import Deadline, open_socket, set_keepalive, wait_ready
from stomp.testing import FakeClock
from tests.ports import LOOPBACK, one_port, port_of

PATIENCE = 10.0
#: Long enough for loopback on a busy machine, short enough to be waited for.
SHORT = 0.5


def listening(host: str = "127.0.0.1") -> socket.socket:
    return socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)


@pytest.fixture
def endpoints() -> Iterator[dict[str, socket.socket]]:
    """Addresses with one port. All of them refuse until a test has them listen."""
    with one_port(*LOOPBACK) as socks:
        yield socks


@pytest.fixture
def black_hole(endpoints: dict[str, socket.socket]) -> Iterator[int]:
    """The port of `endpoints`. 127.0.0.1 answers nothing, as behind a firewall: its backlog is full."""
    server = endpoints["127.0.0.1"]
    server.listen(0)
    with ExitStack() as stack:
        for _ in range(8):
            client = stack.enter_context(socket.socket())
            client.settimeout(0.1)
            try:
                client.connect(server.getsockname())
            except TimeoutError:
                break
        else:
            pytest.skip("a full backlog does not keep this system from accepting")
        yield port_of(server)


@pytest.fixture
def resolves(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let every name have these addresses."""

    def set_addresses(*hosts: str) -> None:
        def getaddrinfo(_: str, port: int, **__: Any) -> list[Any]:
            return [
                (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (host, port, 0, 0))
                if ":" in host
                else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))
                for host in hosts
            ]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    return set_addresses


def failure(address: Address, seconds: float = PATIENCE, **kwargs: Any) -> ConnectFailed:
    with pytest.raises(ConnectFailed) as caught:
        open_socket(address, Deadline(seconds), **kwargs)
    error = caught.value
    assert error.address == str(address)
    assert error.__cause__ is error.failures[-1]
    return error


# ---------------------------------------------------------------------------------------- deadline


def test_deadline_counts_down() -> None:
    clock = FakeClock()
    deadline = Deadline(2.0, clock)
    assert deadline.left == deadline.check() == 2.0
    clock.advance(1.5)
    assert deadline.left == deadline.check() == 0.5
    clock.advance(1.0)
    assert deadline.left == 0.0
    with pytest.raises(TimeoutError, match="timed out"):
        deadline.check()


# --------------------------------------------------------------------------------------------- TCP


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_connection_to_itself_is_refused(host: str) -> None:
    # A client that tries a local port of the ephemeral range again and again gets that port as its own one day, and TCP
    # connects it to itself.
    with listening(host) as server:
        port = port_of(server)
    error = failure(Address(host, port), bind=(host, port))
    assert isinstance(error.failures[0], ConnectionRefusedError)
    assert "connection refused" in str(error)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_connected_socket_is_blocking_with_nodelay(host: str) -> None:
    with listening(host) as server, open_socket(Address(host, port_of(server)), Deadline(PATIENCE)) as sock:
        assert sock.getpeername()[:2] == (host, port_of(server))
        assert sock.gettimeout() is None
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("order", [["127.0.0.1", "::1"], ["::1", "127.0.0.1"]])
def test_both_families_are_tried(
    host: str, order: list[str], endpoints: dict[str, socket.socket], resolves: Callable[..., None]
) -> None:
    resolves(*order)
    endpoints[host].listen()
    with open_socket(Address("both", port_of(endpoints[host])), Deadline(PATIENCE)) as sock:
        assert sock.getpeername()[0] == host


def test_refused_connection_has_a_hint(free_port: int) -> None:
    error = failure(Address("127.0.0.1", free_port))
    assert error.message == f"cannot connect to 127.0.0.1:{free_port}: connection refused"
    assert error.phase == "tcp"
    assert [type(one) for one in error.failures] == [ConnectionRefusedError]
    assert "that the broker is running" in error.hint


def test_error_names_each_numeric_address(free_port: int, resolves: Callable[..., None]) -> None:
    resolves("127.0.0.1", "::1", "127.0.0.1", "127.0.0.2")
    error = failure(Address("broker", free_port))
    assert error.message == (
        f"cannot connect to broker:{free_port}: connection refused (127.0.0.1, ::1, 127.0.0.2)"
    )
    assert len(error.failures) == 3


def test_unresponsive_address_times_out(black_hole: int) -> None:
    error = failure(Address("127.0.0.1", black_hole), SHORT)
    assert error.message.endswith(": timed out")
    assert error.phase == "tcp"
    assert "firewall" in error.hint


def test_unresponsive_address_leaves_time_for_the_others(
    black_hole: int, endpoints: dict[str, socket.socket], resolves: Callable[..., None]
) -> None:
    resolves("127.0.0.1", "::1")
    endpoints["::1"].listen()
    with open_socket(Address("both", black_hole), Deadline(8 * SHORT)) as sock:
        assert sock.getpeername()[0] == "::1"


def test_error_has_all_reasons_and_the_first_useful_hint(
    black_hole: int, resolves: Callable[..., None]
) -> None:
    resolves("::1", "127.0.0.1")
    error = failure(Address("both", black_hole), 2 * SHORT)
    assert (
        error.message
        == f"cannot connect to both:{black_hole}: connection refused (::1); timed out (127.0.0.1)"
    )
    assert "that the broker is running" in error.hint


def test_the_deadline_is_shared_equally(
    monkeypatch: pytest.MonkeyPatch, resolves: Callable[..., None]
) -> None:
    resolves("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4")
    clock = FakeClock()
    shares = []

    def connect(family: int, sockaddr: Any, seconds: float, bind: Any) -> socket.socket:
        shares.append(seconds)
        # The first two are refused at once, the others use up their share.
        if len(shares) <= 2:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        clock.advance(seconds)
        raise TimeoutError("timed out")

    monkeypatch.setattr(dial, "_connect", connect)
    with pytest.raises(ConnectFailed) as caught:
        open_socket(Address("many", 1), Deadline(8.0, clock))
    assert shares == [2.0, pytest.approx(8 / 3), 4.0, 4.0]
    assert len(caught.value.failures) == 4


def test_expired_deadline_is_a_timeout(free_port: int) -> None:
    assert failure(Address("127.0.0.1", free_port), 0).message.endswith(": timed out")


def test_address_families_alternate() -> None:
    four, six = socket.AF_INET, socket.AF_INET6
    found = [(six, ("a",)), (six, ("b",)), (six, ("b",)), (six, ("c",)), (four, ("d",)), (four, ("e",))]
    assert [sockaddr[0] for _, sockaddr in dial._interleaved(found)] == ["a", "d", "b", "e", "c"]


def test_missing_address_family_is_one_failure(
    monkeypatch: pytest.MonkeyPatch, resolves: Callable[..., None]
) -> None:
    resolves("::1", "127.0.0.1")
    real = socket.socket

    def without_ipv6(family: int = -1, *args: Any, **kwargs: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return real(family, *args, **kwargs)

    with listening() as server:
        monkeypatch.setattr(socket, "socket", without_ipv6)
        try:
            sock = open_socket(Address("both", port_of(server)), Deadline(PATIENCE))
        finally:
            monkeypatch.undo()
        with sock:
            assert sock.getpeername()[0] == "127.0.0.1"


def test_failing_nodelay_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    # macOS does so if the peer has gone already.
    monkeypatch.setattr(socket, "TCP_NODELAY", 12345)
    with (
        listening() as server,
        open_socket(Address("127.0.0.1", port_of(server)), Deadline(PATIENCE)) as sock,
    ):
        assert sock.gettimeout() is None


# ---------------------------------------------------------------------------------------- resolving


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "name or service not known"),
        (UnicodeEncodeError("idna", "x", 0, 1, "label too long"), "label too long"),
        (ValueError("embedded null character"), "embedded null character"),
    ],
)
def test_unknown_host_has_a_hint(monkeypatch: pytest.MonkeyPatch, raised: Exception, reason: str) -> None:
    def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        raise raised

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    error = failure(Address("nowhere", 61613))
    assert error.message.startswith("cannot resolve the host name 'nowhere': ")
    assert reason in error.message
    assert error.phase == "resolve"
    assert error.failures == (raised,)
    assert "numeric address" in error.hint


def test_name_without_addresses_is_an_error(resolves: Callable[..., None]) -> None:
    resolves()
    assert failure(Address("empty", 61613)).phase == "resolve"


def test_unresponsive_resolver_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answer = threading.Event(), threading.Event()
    threads = []

    def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        threads.append(threading.current_thread())
        asked.set()
        answer.wait(PATIENCE)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    error = failure(Address("slow", 61613), SHORT)
    assert error.message == "cannot resolve the host name 'slow': timed out"
    assert error.phase == "resolve"
    assert "name server" in error.hint
    assert asked.is_set()
    assert threads[0].daemon
    answer.set()
    threads[0].join(PATIENCE)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "fe80::1%1"])
def test_numeric_address_is_resolved_without_a_thread(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setattr(threading, "Thread", None)
    found = dial._look_up(host, 61613, Deadline(0))
    assert [(str(sockaddr[0]).partition("%")[0], sockaddr[1]) for *_, sockaddr in found] == [
        (host.partition("%")[0], 61613)
    ]


def test_names_are_resolved_for_each_connection(
    endpoints: dict[str, socket.socket], resolves: Callable[..., None]
) -> None:
    endpoints["127.0.0.1"].listen()
    address = Address("moving", port_of(endpoints["127.0.0.1"]))
    resolves("127.0.0.2")
    assert "127.0.0.2" in failure(address).message
    resolves("127.0.0.1")
    open_socket(address, Deadline(PATIENCE)).close()


# ------------------------------------------------------------------------------------ bind address


@pytest.mark.parametrize("own", ["127.0.0.1", "127.0.0.3", ""])
def test_bind_sets_the_local_address(own: str) -> None:
    with listening() as server:
        address = Address("127.0.0.1", port_of(server))
        with open_socket(address, Deadline(PATIENCE), bind=(own, 0)) as sock:
            assert sock.getsockname()[0] == (own or "127.0.0.1")


def test_bind_address_selects_the_family(resolves: Callable[..., None]) -> None:
    resolves("::1", "127.0.0.1")
    with listening("127.0.0.1") as server:
        address = Address("both", port_of(server))
        with open_socket(address, Deadline(PATIENCE), bind=("127.0.0.1", 0)) as sock:
            assert sock.getpeername()[0] == "127.0.0.1"


def test_foreign_bind_address_is_an_error(free_port: int) -> None:
    error = failure(Address("127.0.0.1", free_port), bind=("192.0.2.77", 0))
    assert "cannot bind to 192.0.2.77:0: cannot assign requested address" in error.message


@pytest.mark.parametrize("bind", [("127.0.0.1", "0"), ("127.0.0.1", 99999), ("127.0.0.1",), 5, ("a\0b", 0)])
def test_invalid_bind_address_is_an_error(free_port: int, bind: Any) -> None:
    with pytest.raises(AddressError, match="host, port"):
        open_socket(Address("127.0.0.1", free_port), Deadline(PATIENCE), bind=bind)


# ------------------------------------------------------------------------------------ Unix sockets


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name: the path of a Unix socket has 107 bytes at most."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def test_unix_socket_connects(folder: Path) -> None:
    path = str(folder / "broker.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        with open_socket(Address("", 0, "unix", path), Deadline(PATIENCE)) as sock:
            assert sock.getpeername() == path
            assert sock.gettimeout() is None


def test_missing_unix_socket_has_a_hint(folder: Path) -> None:
    error = failure(Address("", 0, "unix", f"{folder}/none"))
    assert error.message == f"cannot connect to unix:{folder}/none: no such file or directory"
    assert error.phase == "tcp"
    assert "that the broker is running" in error.hint


def test_unix_socket_without_listener_has_a_hint(folder: Path) -> None:
    path = str(folder / "left.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
    assert "connection refused" in failure(Address("", 0, "unix", path)).message


def test_unix_socket_with_a_full_queue_has_a_hint(folder: Path) -> None:
    path = str(folder / "busy.sock")
    with socket.socket(socket.AF_UNIX) as server, ExitStack() as stack:
        server.bind(path)
        server.listen(0)
        clients: list[socket.socket] = []
        with pytest.raises(ConnectFailed) as caught:
            while len(clients) < 100:
                clients.append(
                    stack.enter_context(open_socket(Address("", 0, "unix", path), Deadline(SHORT)))
                )
        assert caught.value.hint


@pytest.mark.parametrize("path", ["/" + "x" * 200, "/a\0b"])
def test_invalid_unix_path_is_an_error(path: str) -> None:
    assert failure(Address("", 0, "unix", path)).phase == "tcp"


def test_system_without_unix_sockets_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "AF_UNIX")
    assert "no Unix sockets" in failure(Address("", 0, "unix", "/run/x")).message


# --------------------------------------------------------------------------------------- keep-alive


def keep_alive_settings(sock: socket.socket) -> tuple[int, ...]:
    return (
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
    )


needs_settings = pytest.mark.skipif(
    not hasattr(socket, "TCP_KEEPIDLE"), reason="this system has other names for the settings"
)


@needs_settings
@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (None, (0, None, None, None)),
        (False, (0, None, None, None)),
        ((), (0, None, None, None)),
        (True, (1, None, None, None)),
        (("auto",), (1, None, None, None)),
        (["auto"], (1, None, None, None)),
        (("linux", 77, 11, 5), (1, 77, 11, 5)),
        (["linux", "77", None, 5], (1, 77, None, 5)),
        (("linux", None, None, None), (1, None, None, None)),
        (("mac", 77), (1, 77, None, None)),
        (("mac", None), (1, None, None, None)),
    ],
)
def test_keepalive_options_are_set(form: object, expected: tuple[int | None, ...]) -> None:
    with socket.socket() as sock:
        untouched = keep_alive_settings(sock)
        assert set_keepalive(sock, form) == ""
        wanted = tuple(u if e is None else e for e, u in zip(expected, untouched, strict=True))
        assert keep_alive_settings(sock) == wanted


@needs_settings
def test_keepalive_uses_the_name_of_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "TCP_KEEPALIVE", socket.TCP_KEEPIDLE, raising=False)
    real = socket.TCP_KEEPIDLE
    for form in (("mac", 77), ("linux", 77, 11, 5)):
        with socket.socket() as sock:
            with monkeypatch.context() as patch:
                patch.delattr(socket, "TCP_KEEPIDLE")
                assert set_keepalive(sock, form) == ""
            assert sock.getsockopt(socket.IPPROTO_TCP, real) == 77


@pytest.mark.parametrize(
    "form",
    [
        1,
        "auto",
        "linux",
        object(),
        ("windows", 1),
        (None,),
        ([],),
        ("linux",),
        ("linux", 1),
        ("mac",),
        ("mac", 1, 2),
    ],
)
def test_invalid_keepalive_is_reported_and_ignored(form: object) -> None:
    with socket.socket() as sock:
        assert "is invalid" in set_keepalive(sock, form)
        assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


@pytest.mark.parametrize("value", ["x", -1, 2**40, float("inf"), float("nan"), [], b"\xff"])
def test_failing_keepalive_option_is_reported_and_others_are_set(value: object) -> None:
    with socket.socket() as sock:
        complaint = set_keepalive(sock, ("linux", value, None, 5))
        assert "could not be set: TCP_KEEP" in complaint
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 5


def test_missing_keepalive_options_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "TCP_KEEPIDLE", raising=False)
    monkeypatch.delattr(socket, "TCP_KEEPALIVE", raising=False)
    with socket.socket() as sock:
        assert "TCP_KEEPALIVE" in set_keepalive(sock, ("mac", 77))
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def test_keepalive_on_a_closed_socket_is_reported() -> None:
    sock = socket.socket()
    sock.close()
    assert set_keepalive(sock, True)


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5)


@given(
    VALUES | st.lists(VALUES | st.sampled_from(["linux", "mac", "auto"])) | st.dictionaries(VALUES, VALUES)
)
def test_keep_alive_never_raises(form: object) -> None:
    with socket.socket() as sock:
        assert isinstance(set_keepalive(sock, form), str)


# ---------------------------------------------------------------------------------------- wait_ready


@pytest.fixture(params=["poll", "select"])
def waiting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of waiting: Windows has no poll."""
    if request.param == "select":
        monkeypatch.delattr("select.poll")
    return str(request.param)


@pytest.mark.usefixtures("waiting")
class TestWaitReady:
    def test_wait_returns_nothing_after_the_timeout(self) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            assert wait_ready(ours, read=True, write=False, seconds=0) == (False, False)
            assert wait_ready(ours, read=True, write=False, seconds=0.001) == (False, False)

    def test_wait_reports_only_requested_events(self) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            assert wait_ready(ours, read=True, write=True, seconds=PATIENCE) == (False, True)
            theirs.sendall(b"x")
            assert wait_ready(ours, read=True, write=True, seconds=PATIENCE) == (True, True)
            assert wait_ready(ours, read=True, write=False, seconds=PATIENCE) == (True, False)
            assert wait_ready(ours, read=False, write=True, seconds=PATIENCE) == (False, True)

    def test_full_socket_is_not_writable(self) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            with pytest.raises(BlockingIOError):
                while ours.send(b"x" * 65536):
                    pass
            assert wait_ready(ours, read=True, write=True, seconds=0) == (False, False)

    def test_end_of_stream_is_readable(self) -> None:
        ours, theirs = socket.socketpair()
        with ours:
            theirs.close()
            assert wait_ready(ours, read=True, write=False, seconds=PATIENCE) == (True, False)

    def test_reset_is_readable_and_writable(self) -> None:
        with listening() as server, socket.create_connection(server.getsockname()) as ours:
            theirs, _ = server.accept()
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            theirs.close()
            assert wait_ready(ours, read=True, write=False, seconds=PATIENCE) == (True, False)
            assert wait_ready(ours, read=False, write=True, seconds=PATIENCE) == (False, True)

    def test_shutdown_wakes_the_wait(self) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            states: list[tuple[bool, bool]] = []
            waiter = threading.Thread(
                target=lambda: states.append(wait_ready(ours, read=True, write=False, seconds=PATIENCE))
            )
            waiter.start()
            ours.shutdown(socket.SHUT_RDWR)
            waiter.join(PATIENCE)
            assert states == [(True, False)]

    def test_closed_socket_is_ready(self) -> None:
        sock = socket.socket()
        sock.close()
        assert wait_ready(sock, read=True, write=False, seconds=PATIENCE) == (True, False)
        assert wait_ready(sock, read=False, write=True, seconds=PATIENCE) == (False, True)

"""The names of credentials and heart-beats are accepted in all APIs; other spellings give a hint."""

from __future__ import annotations

import pytest

import stomp
from stomp.broker import Broker
from stomp.core import spellings
from stomp.core.spellings import OTHER, also_named, common, heartbeat_also, nearest


def test_the_common_names_are_those_of_the_headers() -> None:
    assert set(OTHER.values()) == {"login", "passcode", "heartbeat"}


@pytest.mark.parametrize(("spelling", "name"), OTHER.items())
def test_other_spellings_are_replaced_and_noted(spelling: str, name: str) -> None:
    given = {"first": 1, spelling: 2, "last": 3}
    with pytest.warns(DeprecationWarning, match=f"^the argument {spelling!r} is named {name!r}$") as seen:
        found = common(given)
    assert seen[0].filename != spellings.__file__  # it is the caller's
    assert list(found.items()) == [("first", 1), (name, 2), ("last", 3)]
    assert spelling in given


def test_names_of_an_api_are_accepted_without_a_warning() -> None:
    given = {"login": "me", "heartbeat": (0, 0), "user_id": 5}
    assert common(given) is given
    names = {"vhost": "host", "user": "user"}
    assert common({"user": 1, "username": 2}, names) == {"user": 1, "username": 2}
    with pytest.warns(DeprecationWarning, match="^the argument 'vhost' is named 'host'$"):
        assert common({"user": 1, "vhost": 2}, names) == {"user": 1, "host": 2}


def test_a_function_may_accept_other_spellings() -> None:
    @also_named
    def connect(address: str, *, login: str = "", **more: object) -> tuple[object, ...]:
        """Connect."""
        return address, login, more

    with pytest.warns(DeprecationWarning, match="^the argument 'user' is named 'login'$"):
        assert connect("a", user="me", wait=True) == ("a", "me", {"wait": True})
    assert connect(address="a", login="me") == ("a", "me", {})
    assert (connect.__name__, connect.__doc__) == ("connect", "Connect.")


def test_the_listener_api_may_accept_the_common_name_of_heartbeats() -> None:
    class Connection:
        @heartbeat_also
        def __init__(self, host: str, heartbeats: tuple[int, int] = (0, 0)) -> None:
            """Make it."""
            self.given = host, heartbeats

    assert Connection("a", heartbeat=(1, 2)).given == ("a", (1, 2))  # type: ignore[call-arg]
    assert Connection(host="a", heartbeats=(1, 2)).given == ("a", (1, 2))
    assert Connection.__init__.__doc__ == "Make it."
    for spelling in ("heart_beat", "heart_beats"):
        with pytest.warns(
            DeprecationWarning, match=f"^the argument '{spelling}' is named 'heartbeat'$"
        ) as found:
            assert Connection("a", **{spelling: (1, 2)}).given == ("a", (1, 2))
        assert found[0].filename == __file__
    text = r"^the arguments heartbeat and heartbeats are the same \(pass one of them\)$"
    with pytest.raises(TypeError, match=text):
        Connection("a", heartbeat=(1, 2), heartbeats=(1, 2))  # type: ignore[call-arg]


def test_the_most_similar_word_is_found() -> None:
    assert nearest("heartbea", ["beat", "heartbeat", "heartbeats"]) == "heartbeat"
    assert nearest("login", iter(["passcode", "heartbeat"])) == ""


def test_both_spellings_at_once_are_refused() -> None:
    with pytest.raises(
        TypeError, match=r"^the arguments username and login are the same \(pass login only\)$"
    ):
        common({"username": "a", "login": "b"})


@pytest.mark.parametrize("kind", [stomp.Client, stomp.AsyncClient])
@pytest.mark.parametrize("spelling", OTHER)
def test_a_client_accepts_other_spellings_with_a_hint(kind: type, spelling: str) -> None:
    value = (5000, 6000) if OTHER[spelling] == "heartbeat" else "secret"
    with pytest.warns(
        DeprecationWarning, match=f"the argument '{spelling}' is named '{OTHER[spelling]}'"
    ) as seen:
        client = kind("stomp://localhost", **{spelling: value})
    assert seen[0].filename == __file__
    assert getattr(client._settings.config, OTHER[spelling]) == value


@pytest.mark.parametrize("kind", [stomp.Client, stomp.AsyncClient])
def test_an_unknown_argument_of_a_client_names_a_similar_one(kind: type) -> None:
    with pytest.raises(TypeError, match=r"unexpected argument 'recconect' .*did you mean 'reconnect'\?"):
        kind("stomp://localhost", recconect=True)
    with pytest.raises(TypeError, match=r"unexpected argument 'xyzzy' of \w+$"):
        kind("stomp://localhost", xyzzy=True)


def test_a_url_accepts_the_spelling_of_the_listener_api() -> None:
    assert stomp.Client("stomp://a?heartbeats=1,2")._settings.config.heartbeat == (1, 2)


def test_the_broker_accepts_the_spelling_of_the_listener_api() -> None:
    with pytest.warns(DeprecationWarning, match="'heartbeats' is named 'heartbeat'"):
        broker = Broker(heartbeats=(7, 8))  # type: ignore[call-arg]
    assert broker._settings.heartbeat == (7, 8)


@pytest.mark.parametrize("kind", [stomp.Connection11, stomp.Connection12, stomp.WSConnection])
def test_a_connection_accepts_the_common_name_of_heartbeats(kind: type) -> None:
    assert kind(heartbeat=(1000, 2000)).heartbeats == (1000, 2000)
    with pytest.raises(TypeError, match="heartbeat and heartbeats are the same"):
        kind(heartbeat=(0, 0), heartbeats=(0, 0))


@pytest.mark.parametrize("kind", [stomp.Connection10, stomp.Connection11, stomp.Connection12])
def test_a_connection_logs_in_by_the_common_names(kind: type) -> None:
    with Broker(users={"me": "secret"}) as broker:
        conn = kind([(broker.host, broker.port)])
        conn.connect(login="me", passcode="secret", wait=True)
        assert conn.is_connected()
        conn.disconnect()
        with pytest.warns(DeprecationWarning, match="is named") as seen:
            conn.connect(user="me", password="secret", wait=True)
        assert [warning.filename for warning in seen] == [__file__] * 2
        conn.disconnect()

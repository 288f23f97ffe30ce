"""What a user with permissions may see and change on the page, and the user of a client certificate."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import trustme

from stomp.broker import Broker, Permissions
from stomp.broker.http import application
from stomp.broker.http.application import API
from tests.broker.http.conftest import page_of
from tests.broker.rawclient import RawClient, eventually

USERS: dict[str, str | None] = {"admin": "secret-0", "alice": "secret-a", "all": "secret-b"}
PERMISSIONS = {
    "alice": Permissions(read=["/queue/a*", "/topic/a.*"], write=["/queue/a", "/queue/b"]),
    "all": Permissions(),
}


class Site:
    """A broker with users, and its page."""

    def __init__(self, broker: Broker, url: str) -> None:
        self.broker = broker
        self._url = url

    def as_user(self, name: str) -> httpx2.Client:
        return httpx2.Client(base_url=self._url, auth=(name, USERS[name] or ""), timeout=20, trust_env=False)

    def anonymous(self) -> httpx2.Client:
        return httpx2.Client(base_url=self._url, timeout=20, trust_env=False)

    def client(self, name: str) -> RawClient:
        client = RawClient(self.broker)
        client.connect(login=name, passcode=USERS[name] or "")
        return client


@pytest.fixture
def site() -> Iterator[Site]:
    with (
        Broker(users=USERS, permissions=PERMISSIONS) as broker,
        page_of(broker) as page,
    ):
        for name in ("/queue/a", "/queue/a2", "/queue/b", "/queue/c"):
            broker.put(name, "body of " + name)
        yield Site(broker, page.url)


@pytest.fixture
def alice(site: Site) -> Iterator[httpx2.Client]:
    with site.as_user("alice") as http:
        yield http


@pytest.fixture
def admin(site: Site) -> Iterator[httpx2.Client]:
    with site.as_user("admin") as http:
        yield http


def get(http: httpx2.Client, path: str, **parameters: Any) -> Any:
    response = http.get(API + path, params=parameters)
    assert response.status_code == 200, response.text
    return response.json()


def names(http: httpx2.Client) -> list[str]:
    return [each["name"] for each in get(http, "/destinations")["items"]]


# ------------------------------------------------------------------------------------- destinations


def test_lists_have_the_destinations_that_the_user_may_read(
    alice: httpx2.Client, admin: httpx2.Client
) -> None:
    assert names(alice) == ["/queue/a", "/queue/a2"]
    assert names(admin) == ["/queue/a", "/queue/a2", "/queue/b", "/queue/c"]
    seen = get(alice, "/overview")
    assert (seen["destinations"], seen["user"], seen["limited"]) == (2, "alice", True)
    seen = get(admin, "/overview")
    assert (seen["destinations"], seen["user"], seen["limited"]) == (4, "admin", False)
    metrics = alice.get("/metrics").text
    assert 'destination="/queue/a2"' in metrics
    assert "/queue/c" not in metrics


def test_user_who_may_use_all_destinations_is_not_limited(site: Site) -> None:
    with site.as_user("all") as http:
        assert len(names(http)) == 4
        assert http.patch(API + "/faults", json={"delay": 0}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "fields"),
    [
        ("GET", "/messages?destination=/queue/c", None),
        ("GET", "/messages?destination=/queue/missing", None),
        ("GET", "/messages/1/body?destination=/queue/c", None),
        ("DELETE", "/messages?destination=/queue/c", None),
        ("DELETE", "/messages?destination=/queue/c&number=1", None),
        ("POST", "/messages", {"destination": "/queue/c"}),
        ("POST", "/messages", {"destination": "/queue/a2"}),
        ("POST", "/messages", {"destination": "/exchange/amq.topic/a"}),
        ("POST", "/messages/move", {"destination": "/queue/c", "to": "/queue/a"}),
        ("POST", "/messages/move", {"destination": "/queue/a", "to": "/queue/c"}),
        ("POST", "/messages/move", {"destination": "/queue/a", "to": "/amq/queue/c"}),
        ("POST", "/messages/retry", {}),
        ("PATCH", "/faults", {"refuse_logins": True}),
        ("PATCH", "/faults", {"delay": 1}),
        ("POST", "/faults/pause", {"destination": "/queue/a", "paused": True}),
    ],
)
def test_what_the_user_may_not_do_is_refused(
    site: Site, alice: httpx2.Client, method: str, path: str, fields: Any
) -> None:
    before = site.broker.destinations()
    response = alice.request(method, API + path, json=fields)
    assert response.status_code == 403
    assert response.json()["error"].startswith("access refused: this ")
    assert "body of" not in response.text
    assert site.broker.destinations() == before


def test_what_the_user_may_do_is_done(site: Site, alice: httpx2.Client) -> None:
    (message,) = get(alice, "/messages", destination="/queue/a2")["items"]
    assert message["body"] == "body of /queue/a2"
    body = alice.get(f"{API}/messages/{message['number']}/body", params={"destination": "/queue/a2"})
    assert body.content == b"body of /queue/a2"
    for name in ("/queue/a", "/queue/b", "/amq/queue/a"):
        assert alice.post(API + "/messages", json={"destination": name}).status_code == 201
    moved = alice.post(API + "/messages/move", json={"destination": "/queue/a2", "to": "/queue/b"})
    assert moved.json() == {"moved": 1, "left": 0}
    deleted = alice.delete(API + "/messages", params={"destination": "/queue/a"})
    assert deleted.json() == {"deleted": 3}
    assert site.broker.destinations() == {"/queue/b": 3, "/queue/c": 1}


def test_retry_sends_only_where_the_user_may_write(site: Site) -> None:
    with (
        Broker(
            users=USERS, permissions={"alice": Permissions(read=["/queue/DLQ"], write=["/queue/a"])}
        ) as broker,
        page_of(broker) as page,
    ):
        broker.put("/queue/DLQ", "1", {"original-destination": "/queue/a"})
        broker.put("/queue/DLQ", "2", {"original-destination": "/queue/c"})
        with Site(broker, page.url).as_user("alice") as http:
            assert http.post(API + "/messages/retry", json={}).status_code == 403
        assert broker.destinations() == {"/queue/a": 1, "/queue/DLQ": 1}


def test_wildcards_of_a_topic_are_those_of_subscribe(site: Site, alice: httpx2.Client) -> None:
    with site.client("admin") as client:
        for name in ("/topic/a.b", "/topic/a.*", "/topic/#", "/topic/b"):
            client.send("SUBSCRIBE", id=name, destination=name)
        client.sync()
        assert [each for each in names(alice) if "topic" in each] == ["/topic/a.*", "/topic/a.b"]
        assert alice.get(API + "/messages?destination=/topic/%23").status_code == 403


def test_temporary_destinations_are_those_of_the_own_connections(site: Site, alice: httpx2.Client) -> None:
    with site.client("admin") as other, site.client("alice") as own:
        for client in (other, own):
            client.send("SUBSCRIBE", id="1", destination="/temp-queue/reply")
            client.sync()
        (name,) = (each for each in names(alice) if "temp" in each)
        number = int(name.split("/")[2].partition("-")[0])
        assert alice.get(API + "/messages", params={"destination": name}).status_code == 200
        others = [each for each in site.broker.destinations() if "temp" in each and each != name]
        assert len(others) == 1
        assert alice.get(API + "/messages", params={"destination": others[0]}).status_code == 403
        assert number


# ------------------------------------------------------------------------------------- connections, frames, faults


def test_connections_frames_and_faults_are_the_own_ones(
    site: Site, alice: httpx2.Client, admin: httpx2.Client
) -> None:
    get(admin, "/overview")
    with site.client("admin") as other, site.client("alice") as own:
        for client in (other, own):
            client.send("SUBSCRIBE", id="s", destination="/queue/a2", ack="client")
            client.sync()
        (mine,) = get(alice, "/connections")["items"]
        assert mine["login"] == "alice"
        assert len(get(admin, "/connections")["items"]) == 2
        theirs = next(each for each in get(admin, "/connections")["items"] if each["login"] == "admin")
        seen = {each["connection"] for each in get(alice, "/frames")["items"]}
        assert seen == {mine["number"]}
        assert {each["connection"] for each in get(admin, "/frames")["items"]} == {
            mine["number"],
            theirs["number"],
        }
        stall = {"connection": theirs["number"], "subscription": "s", "stalled": True}
        assert alice.post(API + "/faults/stall", json=stall).status_code == 404
        assert admin.post(API + "/faults/stall", json=stall).status_code == 200
        assert get(alice, "/faults")["stalled"] == []
        stall["connection"] = mine["number"]
        stalled = alice.post(API + "/faults/stall", json=stall).json()["stalled"]
        assert stalled == [{"connection": mine["number"], "subscription": "s"}]
        assert alice.delete(f"{API}/connections/{theirs['number']}").status_code == 404
        assert alice.delete(f"{API}/connections/{mine['number']}").status_code == 200
        own.expect_end()
        other.sync()


def test_faults_name_no_destination_that_the_user_may_not_read(
    alice: httpx2.Client, admin: httpx2.Client
) -> None:
    admin.patch(API + "/faults", json={"errors_on_send": 1, "error_destination": "/queue/c"})
    for name in ("/queue/a", "/queue/c"):
        admin.post(API + "/faults/pause", json={"destination": name, "paused": True})
    found = get(alice, "/faults")
    assert (found["error_destination"], found["paused"]) == (None, ["/queue/a"])
    assert get(admin, "/faults")["error_destination"] == "/queue/c"


def test_live_stream_has_what_the_user_may_see(site: Site, alice: httpx2.Client) -> None:
    with site.client("admin") as other, site.client("alice") as own:
        state: Any = None
        with alice.stream("GET", API + "/events") as response:
            lines = response.iter_lines()
            while state is None:
                if next(lines) == "event: state":
                    state = json.loads(next(lines).removeprefix("data: "))
            other.send("SEND", "not for alice", destination="/queue/c")
            other.sync()
            own.send("SEND", "for alice", destination="/queue/a")
            text = ""
            for line in lines:
                text += line
                if "for alice" in line:
                    break
    assert "not for alice" not in text
    assert [each["name"] for each in state["destinations"]["items"]] == ["/queue/a", "/queue/a2"]
    assert [each["login"] for each in state["connections"]["items"]] == ["alice"]


def test_session_of_the_page_has_the_rights_of_its_user(site: Site) -> None:
    for user, count in (("alice", 2), ("admin", 4)):
        with site.anonymous() as http:
            login = http.post(API + "/login", json={"user": user, "password": USERS[user]})
            assert login.status_code == 200
            assert len(names(http)) == count


# ------------------------------------------------------------------------------------- client certificates


def contexts(mode: ssl.VerifyMode) -> tuple[ssl.SSLContext, dict[str, ssl.SSLContext]]:
    """The context of a server, and those of clients with a certificate, by its name; "" has none."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(server)
    server.verify_mode = mode
    clients = {}
    for name in ("", "alice", "mallory"):
        clients[name] = ssl.create_default_context()
        authority.configure_trust(clients[name])
        if name:
            authority.issue_cert("x.example", common_name=name).configure_cert(clients[name])
    return server, clients


def status(url: str, context: ssl.SSLContext, path: str = "/api/v1/overview", **options: Any) -> int:
    with httpx2.Client(base_url=url, verify=context, timeout=20, trust_env=False) as http:
        return http.get(path, **options).status_code


@pytest.mark.parametrize("users", [None, {"alice": None, "admin": "secret-0"}])
def test_name_of_the_certificate_is_the_user(users: dict[str, str | None] | None) -> None:
    server, clients = contexts(ssl.CERT_OPTIONAL)
    with (
        Broker(
            ssl_context=server, user_from_certificate=True, users=users, permissions=PERMISSIONS
        ) as broker,
        page_of(broker, ssl_context=server) as page,
    ):
        broker.put("/queue/a", "x")
        broker.put("/queue/c", "x")
        with httpx2.Client(base_url=page.url, verify=clients["alice"], timeout=20, trust_env=False) as http:
            assert names(http) == ["/queue/a"]
            assert get(http, "/overview")["user"] == "alice"
        assert status(page.url, clients["mallory"]) == (200 if users is None else 401)
        assert status(page.url, clients[""]) == 401
        assert status(page.url, clients[""], "/") == 200
        if users is not None:  # a login goes before the certificate
            for name in ("", "alice"):
                assert status(page.url, clients[name], auth=("admin", "secret-0")) == 200
            assert status(page.url, clients["alice"], auth=("admin", "wrong")) == 401


def test_page_without_certificates_is_closed_if_they_are_the_only_logins() -> None:
    server, _ = contexts(ssl.CERT_REQUIRED)
    with Broker(ssl_context=server, user_from_certificate=True) as broker:
        with page_of(broker) as page, httpx2.Client(base_url=page.url, trust_env=False) as http:
            response = http.get(API + "/overview")
            assert response.status_code == 401
            assert "client certificate" in response.json()["error"]
            for user in ("alice", ""):
                login = http.post(API + "/login", json={"user": user, "password": ""})
                assert login.status_code == 409
                assert "set-cookie" not in login.headers
            header = "Basic " + base64.b64encode(b"alice:").decode()
            assert http.get(API + "/overview", headers={"authorization": header}).status_code == 401

        async def mounted() -> int:
            transport = httpx2.ASGITransport(application(broker))
            async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
                return (await http.get(API + "/overview")).status_code

        assert asyncio.run(mounted()) == 401


def test_user_without_a_password_cannot_log_in_by_one() -> None:
    with Broker(users={"robot": None}) as broker, page_of(broker) as page:
        for password in ("", "None"):
            with httpx2.Client(base_url=page.url, auth=("robot", password), trust_env=False) as http:
                assert http.get(API + "/overview").status_code == 401
                login = http.post(API + "/login", json={"user": "robot", "password": password})
                assert login.status_code == 401


def test_frames_of_earlier_connections_stay_with_their_user(site: Site, alice: httpx2.Client) -> None:
    get(alice, "/overview")
    for user in ("alice", "admin"):
        with site.client(user) as client:
            client.sync()
    eventually(lambda: not site.broker.connections)
    logins = [
        each["headers"]["login"] for each in get(alice, "/frames")["items"] if each["command"] == "CONNECT"
    ]
    assert logins == ["alice"]

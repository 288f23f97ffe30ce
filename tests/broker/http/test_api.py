"""The HTTP API: what it returns, what it changes, and what it refuses."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from stomp.broker import Broker, Policy
from stomp.broker.http import application
from stomp.broker.http.application import API, BrokerApplication
from stomp.broker.http.monitor import DESTINATION_SECONDS, Monitor
from stomp.broker.http.openapi import document
from tests.broker.http.conftest import page_of
from tests.broker.rawclient import RawClient, eventually

JSON = {"content-type": "application/json"}


def get(http: httpx2.Client, path: str, **parameters: Any) -> Any:
    response = http.get(API + path, params=parameters)
    assert response.status_code == 200, response.text
    return response.json()


def post(http: httpx2.Client, path: str, **fields: Any) -> Any:
    response = http.post(API + path, json=fields)
    assert response.status_code in (200, 201), response.text
    return response.json()


def destination(http: httpx2.Client, name: str) -> Any:
    (found,) = (each for each in get(http, "/destinations", match=name)["items"] if each["name"] == name)
    return found


# ------------------------------------------------------------------------------------- reading


def test_overview_has_the_limits_and_the_totals(broker: Broker, http: httpx2.Client) -> None:
    before = get(http, "/overview")
    broker.put("/queue/a", "x")
    after = get(http, "/overview")
    assert (before["messages"], after["messages"], after["destinations"]) == (0, 1, 1)
    assert after["urls"] == broker.urls
    assert after["max_messages"] == Policy().max_messages
    assert after["total"]["received"] == 1


def test_destination_has_its_numbers(broker: Broker, http: httpx2.Client, client: RawClient) -> None:
    get(http, "/overview")  # the counting begins
    client.send("SUBSCRIBE", id="1", destination="/queue/a", ack="client-individual", prefetch_count="2")
    for body in ("1", "2", "3"):
        client.send("SEND", body, destination="/queue/a")
    client.sync()
    found = destination(http, "/queue/a")
    assert (found["kind"], found["depth"], found["waiting"], found["unacknowledged"]) == ("queue", 3, 1, 2)
    assert (found["consumers"], found["received"], found["delivered"]) == (1, 3, 2)


def test_counters_follow_a_message_to_the_dead_letter_queue(
    broker: Broker, http: httpx2.Client, client: RawClient
) -> None:
    get(http, "/overview")
    client.send("SUBSCRIBE", id="1", destination="/queue/a", ack="client-individual")
    client.send("SEND", "x", destination="/queue/a")
    client.send("NACK", id=client.expect("MESSAGE").headers["ack"])
    client.send("NACK", id=client.expect("MESSAGE", redelivered="true").headers["ack"], requeue="false")
    client.sync()
    found = destination(http, "/queue/a")
    assert (found["redelivered"], found["refused"], found["dead_lettered"]) == (1, 2, 1)
    assert destination(http, "/queue/DLQ")["depth"] == 1


def test_topic_without_subscriptions_counts_what_it_receives(http: httpx2.Client, client: RawClient) -> None:
    get(http, "/overview")
    client.send("SEND", "x", destination="/topic/a")
    client.sync()
    found = destination(http, "/topic/a")
    assert (found["kind"], found["received"], found["depth"]) == ("topic", 1, 0)


def test_topic_counts_each_message_once_and_each_delivery(http: httpx2.Client, client: RawClient) -> None:
    get(http, "/overview")
    client.send("SUBSCRIBE", id="1", destination="/topic/a")
    client.send("SUBSCRIBE", id="2", destination="/topic/*")
    client.send("SEND", "x", destination="/topic/a")
    client.sync()
    found = destination(http, "/topic/a")
    assert (found["received"], found["delivered"], found["acknowledged"]) == (1, 2, 2)
    assert destination(http, "/topic/*")["consumers"] == 1


def test_temporary_destination_that_is_gone_is_forgotten() -> None:
    async def main() -> None:
        async with Broker() as broker:
            assert broker._server is not None
            monitor = Monitor(broker._server)
            for name in ("/queue/a", "/remote-temp-queue/7-a"):
                monitor.of(name).received += 1
            for _ in range(DESTINATION_SECONDS):
                monitor._tick()
            assert list(monitor.counters) == ["/queue/a", "/remote-temp-queue/7-a"]
            monitor._tick()
            assert list(monitor.counters) == ["/queue/a"]

    asyncio.run(main())


def test_destinations_are_paged_sorted_and_filtered(broker: Broker, http: httpx2.Client) -> None:
    for number in range(5):
        for _ in range(number):
            broker.put(f"/queue/{number}", "x")
    assert [each["name"] for each in get(http, "/destinations", offset=1, limit=2)["items"]] == [
        "/queue/2",
        "/queue/3",
    ]
    deepest = get(http, "/destinations", sort="depth", limit=1)
    assert (deepest["total"], deepest["items"][0]["name"]) == (4, "/queue/4")
    assert get(http, "/destinations", match="queue/3")["total"] == 1
    for sort in ("consumers", "received", "delivered"):
        assert get(http, "/destinations", sort=sort)["total"] == 4


def test_rates_are_messages_per_second(broker: Broker, http: httpx2.Client) -> None:
    get(http, "/overview")

    def has_rate() -> bool:
        broker.put("/queue/a", "x")
        return bool(destination(http, "/queue/a")["in_rate"] and get(http, "/overview")["history"])

    eventually(has_rate)


def test_connection_has_its_subscriptions(broker: Broker, http: httpx2.Client) -> None:
    with RawClient(broker) as client:
        client.connect(login="alice", user_agent="party/1", heart_beat="1000,2000")
        client.send(
            "SUBSCRIBE", id="s", destination="/queue/a", ack="client", prefetch_count="7", selector="a=1"
        )
        client.sync()
        (found,) = get(http, "/connections")["items"]
        assert (found["login"], found["version"], found["client_name"]) == ("alice", "1.2", "party/1")
        assert (found["heartbeat"], found["subscription_count"]) == ([2000, 1000], 1)
        (subscription,) = found["subscriptions"]
        assert (subscription["key"], subscription["ack"], subscription["prefetch"]) == ("s", "client", 7)
        assert (subscription["selector"], subscription["stalled"]) == ("a=1", False)


@pytest.mark.parametrize(
    ("body", "encoding", "shown"),
    [
        (b"plain \xc3\xa9", "text", "plain é"),
        (b'{"a": [1]}', "json", '{"a": [1]}'),
        (b"{not json", "text", "{not json"),
        (b"\xff\x00", "base64", "/wA="),
        (b"a\0b", "base64", "YQBi"),
        (b"", "text", ""),
    ],
)
def test_body_is_text_json_or_base64(
    broker: Broker, http: httpx2.Client, body: bytes, encoding: str, shown: str
) -> None:
    broker.put("/queue/a", body, {"colour": "red"})
    (message,) = get(http, "/messages", destination="/queue/a")["items"]
    assert (message["encoding"], message["body"], message["size"]) == (encoding, shown, len(body))
    assert (message["headers"]["colour"], message["waiting"], message["truncated"]) == ("red", True, False)


def test_long_body_is_truncated_and_its_url_has_all_of_it(broker: Broker, http: httpx2.Client) -> None:
    body = "é" * 100_000
    broker.put("/queue/a", "x" + body)
    (message,) = get(http, "/messages", destination="/queue/a")["items"]
    assert message["truncated"]
    assert ("x" + body).startswith(message["body"])
    assert len(message["body"].encode()) > 65_000
    whole = http.get(f"{API}/messages/{message['number']}/body", params={"destination": "/queue/a"})
    assert whole.content == ("x" + body).encode()
    assert whole.headers["content-type"] == "application/octet-stream"
    assert whole.headers["content-disposition"].startswith("attachment")


def test_bodies_of_a_list_are_limited_together(broker: Broker, http: httpx2.Client) -> None:
    for _ in range(60):
        broker.put("/queue/a", b"x" * 64 * 1024)
    response = http.get(API + "/messages", params={"destination": "/queue/a", "limit": 200})
    assert len(response.content) < 3 * 1024 * 1024
    assert len(response.json()["items"]) == 60


def test_messages_are_paged(broker: Broker, http: httpx2.Client) -> None:
    for number in range(5):
        broker.put("/queue/a", str(number))
    found = get(http, "/messages", destination="/queue/a", offset=3, limit=10)
    assert (found["total"], [each["body"] for each in found["items"]]) == (5, ["3", "4"])


def test_messages_are_searched(broker: Broker, http: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        broker.put("/queue/a", f"body {number % 2} é", {"colour": "red" if number < 2 else "blue"})

    def bodies(**parameters: Any) -> tuple[int, int, list[str]]:
        answer = get(http, "/messages", destination="/queue/a", **parameters)
        return answer["total"], answer["unsearched"], [each["body"][5] for each in answer["items"]]

    assert bodies(text="1 é") == (3, 0, ["1", "1", "1"])
    assert bodies(text="colour:red") == (2, 0, ["0", "1"])
    assert bodies(text="colour:red", order="newest", limit=1) == (2, 0, ["1"])
    assert bodies(text="1 é", offset=2) == (3, 0, ["1"])
    assert bodies(text="green") == (0, 0, [])
    monkeypatch.setattr("stomp.broker.http.views.MAX_SEARCHED", 3)
    assert bodies(text="colour") == (3, 3, ["0", "1", "0"])
    monkeypatch.setattr("stomp.broker.http.views.SEARCHED_BYTES", 20)
    assert bodies(text="colour") == (2, 4, ["0", "1"])
    assert bodies() == (6, 0, ["0", "1"] * 3)


def test_body_of_a_message_that_is_gone_is_not_found(http: httpx2.Client) -> None:
    assert http.get(API + "/messages/7/body", params={"destination": "/queue/a"}).status_code == 404


# ------------------------------------------------------------------------------------- changing messages


def test_message_is_sent(broker: Broker, http: httpx2.Client, client: RawClient) -> None:
    client.send("SUBSCRIBE", id="1", destination="/topic/a")
    client.sync()
    post(http, "/messages", destination="/topic/a", headers={"colour": "re:d\n"}, body="hé")
    message = client.expect("MESSAGE", colour="re:d\n")
    assert message.body == "hé".encode()
    data = base64.b64encode(b"\xff\0").decode()
    post(http, "/messages", destination="/topic/a", body=data, encoding="base64")
    assert client.expect("MESSAGE").body == b"\xff\0"


def test_messages_are_deleted(broker: Broker, http: httpx2.Client) -> None:
    for body in ("1", "2", "3"):
        broker.put("/queue/a", body)
    numbers = [each.number for each in broker.messages("/queue/a")]
    gone = http.delete(API + "/messages", params={"destination": "/queue/a", "number": numbers[:2]})
    assert gone.json() == {"deleted": 2}
    assert [each.body for each in broker.messages("/queue/a")] == [b"3"]
    assert http.delete(API + "/messages", params={"destination": "/queue/a"}).json() == {"deleted": 1}
    assert broker.destinations() == {}


def test_messages_are_moved(broker: Broker, http: httpx2.Client) -> None:
    for body in ("1", "2"):
        broker.put("/queue/a", body)
    first = broker.messages("/queue/a")[0].number
    moved = post(http, "/messages/move", destination="/queue/a", to="/queue/b", numbers=[first])
    assert moved == {"moved": 1, "left": 1}
    assert post(http, "/messages/move", destination="/queue/a", to="/queue/b") == {"moved": 1, "left": 0}
    assert broker.destinations() == {"/queue/b": 2}


def test_dead_letters_are_retried(broker: Broker, http: httpx2.Client) -> None:
    broker.put("/queue/DLQ", "x", {"original-destination": "/queue/a"})
    assert post(http, "/messages/retry") == {"moved": 1, "left": 0}
    (message,) = broker.messages("/queue/a")
    assert "original-destination" not in message.headers


def test_refused_change_says_why(broker: Broker, http: httpx2.Client) -> None:
    broker.put("/queue/a", "x")
    response = http.post(API + "/messages/move", json={"destination": "/queue/a", "to": "/queue/a"})
    assert response.status_code == 409
    assert "already" in response.json()["error"]


def test_full_broker_refuses_a_message() -> None:
    with (
        Broker(policy=Policy(max_messages=1)) as broker,
        page_of(broker) as page,
        httpx2.Client(base_url=page.url, trust_env=False) as http,
    ):
        post(http, "/messages", destination="/queue/a")
        response = http.post(API + "/messages", json={"destination": "/queue/a"})
        assert response.status_code == 409
        assert "full" in response.json()["error"]


# ------------------------------------------------------------------------------------- faults


def test_connection_is_dropped(broker: Broker, http: httpx2.Client, client: RawClient) -> None:
    client.sync()
    (found,) = get(http, "/connections")["items"]
    assert http.delete(f"{API}/connections/{found['number']}").status_code == 200
    client.expect_end()
    assert http.delete(f"{API}/connections/{found['number']}").status_code == 404


def test_faults_are_set_one_by_one(broker: Broker, http: httpx2.Client) -> None:
    assert http.patch(API + "/faults", json={"refuse_logins": True}).json()["refuse_logins"] is True
    found = http.patch(API + "/faults", json={"errors_on_send": 3, "error_destination": "/queue/a"}).json()
    assert (found["refuse_logins"], found["errors_on_send"], found["error_destination"]) == (
        True,
        3,
        "/queue/a",
    )
    assert http.patch(API + "/faults", json={"delay": 0.5, "error_destination": ""}).json()["delay"] == 0.5
    assert get(http, "/faults")["error_destination"] is None
    with RawClient(broker) as client:
        client.send("CONNECT", accept_version="1.2")
        client.expect("ERROR", message="Bad CONNECT")


def test_queue_is_paused(broker: Broker, http: httpx2.Client, client: RawClient) -> None:
    client.send("SUBSCRIBE", id="1", destination="/queue/a")
    client.sync()
    assert post(http, "/faults/pause", destination="/queue/a", paused=True)["paused"] == ["/queue/a"]
    client.send("SEND", "x", destination="/queue/a")
    assert client.sync() == []
    assert destination(http, "/queue/a")["paused"]
    post(http, "/faults/pause", destination="/queue/a", paused=False)
    assert client.expect("MESSAGE").body == b"x"


def test_subscription_is_stalled(broker: Broker, http: httpx2.Client, client: RawClient) -> None:
    client.send("SUBSCRIBE", id="s", destination="/queue/a")
    client.sync()
    (number,) = (each.number for each in broker.connections)
    stalled = post(http, "/faults/stall", connection=number, subscription="s", stalled=True)["stalled"]
    assert stalled == [{"connection": number, "subscription": "s"}]
    client.send("SEND", "x", destination="/queue/a")
    assert client.sync() == []
    assert broker.subscriptions()[0].prefetch == 1000
    post(http, "/faults/stall", connection=number, subscription="s", stalled=False)
    assert client.expect("MESSAGE").body == b"x"
    response = http.post(
        API + "/faults/stall", json={"connection": number, "subscription": "none", "stalled": True}
    )
    assert response.status_code == 404


# ------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("method", "path", "fields", "text"),
    [
        ("post", "/messages", {"body": "x"}, "the field destination is missing"),
        ("post", "/messages", {"destination": ""}, "the destination is empty"),
        ("post", "/messages", {"destination": 7}, "destination must be a text"),
        ("post", "/messages", {"destination": "/queue/a", "typo": 1}, "unknown field 'typo'"),
        ("post", "/messages", {"destination": "/queue/" + "a" * 2000}, "1024 characters"),
        ("post", "/messages", {"destination": "/queue/a", "headers": {"a": 1}}, "object of texts"),
        ("post", "/messages", {"destination": "/queue/a", "headers": []}, "object of texts"),
        ("post", "/messages", {"destination": "/queue/a", "body": "\ud800"}, "not valid Unicode"),
        ("post", "/messages", {"destination": "/queue/a", "headers": {"a\ud800": "x"}}, "not valid Unicode"),
        (
            "post",
            "/messages",
            {"destination": "/queue/a", "body": "?", "encoding": "base64"},
            "not valid base64",
        ),
        ("post", "/messages", {"destination": "/queue/a", "encoding": "hex"}, "text or base64"),
        ("post", "/messages/move", {"destination": "/queue/a"}, "the field to is missing"),
        (
            "post",
            "/messages/move",
            {"destination": "/queue/a", "to": "b", "numbers": ["1"]},
            "list of numbers",
        ),
        ("patch", "/faults", {"delay": -1}, "from 0 to 60"),
        ("patch", "/faults", {"delay": True}, "must be a number"),
        ("patch", "/faults", {"refuse_logins": 1}, "true or false"),
        ("post", "/faults/pause", {"destination": "/queue/a", "paused": "yes"}, "true or false"),
    ],
)
def test_invalid_request_says_what_is_wrong(
    http: httpx2.Client, method: str, path: str, fields: dict[str, Any], text: str
) -> None:
    response = http.request(method, API + path, content=ascii_json(fields), headers=JSON)
    assert response.status_code in (400, 409), response.text
    assert text in response.json()["error"]


def ascii_json(value: object) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/destinations?limit=0", "limit must be a number from 1 to 1000"),
        ("/destinations?offset=-1", "offset must be a number"),
        ("/destinations?offset=1e3", "offset must be a number"),
        ("/destinations?sort=colour", "sort must be one of name"),
        ("/messages", "the parameter destination is missing"),
        ("/messages?destination=" + "x" * 5000, "longer than 4096"),
    ],
)
def test_invalid_parameter_says_what_is_wrong(http: httpx2.Client, path: str, text: str) -> None:
    response = http.get(API + path)
    assert response.status_code == 400
    assert text in response.json()["error"]


def test_request_that_is_no_json_is_refused(http: httpx2.Client) -> None:
    for content in (b"{", b"[]", b"\xff", b"[" * 100_000):
        assert http.post(API + "/messages", content=content, headers=JSON).status_code == 400
    assert http.post(API + "/messages", content=b"{}").status_code == 415


def test_large_request_is_refused_before_it_is_stored(http: httpx2.Client) -> None:
    response = http.post(API + "/faults/pause", content=b" " * 2_000_000, headers=JSON)
    assert response.status_code == 413


def test_unknown_path_and_method_are_json_errors(http: httpx2.Client) -> None:
    assert http.get(API + "/nothing").json() == {"error": "Not Found"}
    assert http.put(API + "/messages").status_code == 405


def test_mounted_application_follows_a_broker_that_starts_and_stops_in_a_thread() -> None:
    broker = Broker()
    app = application(broker)

    async def overview() -> httpx2.Response:
        async with httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app), base_url="http://localhost"
        ) as client:
            return await client.get(API + "/overview")

    async def main() -> None:
        stopped = await overview()
        assert (stopped.status_code, stopped.json()["error"]) == (
            503,
            "the broker is stopped (start it first)",
        )
        for _ in range(2):
            with broker:
                await overview()
                broker.put("/queue/a", "x")
                assert (await overview()).json()["total"]["received"] == 1

    asyncio.run(main())


def test_application_is_mounted_at_a_path() -> None:
    async def main() -> None:
        async with Broker(users={"admin": "secret"}) as broker:
            app = Starlette(routes=[Mount("/broker", application(broker, hosts=["app.example"]))])
            transport = httpx2.ASGITransport(app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://app.example/broker/") as http:
                for name in ("", "page.js", "dom.js", "icon.svg"):
                    assert (await http.get(name)).status_code == 200
                assert (await http.get("api/v1/overview")).status_code == 401
                login = {"user": "admin", "password": "secret"}
                assert (await http.post("api/v1/login", json=login)).status_code == 200
                assert (await http.get("api/v1/overview")).status_code == 200
                found = (await http.get("api/v1/openapi.json")).json()
                assert found["servers"] == [{"url": "/broker/api/v1"}]

    asyncio.run(main())


# ------------------------------------------------------------------------------------- the document, metrics


def test_every_route_is_in_the_document() -> None:
    routes = {
        (method.lower(), re.sub(r":int}", "}", route.path.removeprefix(API)))
        for route in BrokerApplication(Broker())._routes()
        if route.path.startswith(API)
        for method in (route.methods or set()) - {"HEAD"}
    }
    described = {(method, path) for path, methods in document()["paths"].items() for method in methods}
    assert routes == described


def references(value: object) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if "$ref" in value else set()
        return own.union(*map(references, value.values()))
    return set[str]().union(*map(references, value)) if isinstance(value, list) else set()


def test_document_has_all_schemas_that_it_refers_to(http: httpx2.Client) -> None:
    found = get(http, "/openapi.json")
    assert found["openapi"].startswith("3.1")
    assert references(found) <= {f"#/components/schemas/{name}" for name in found["components"]["schemas"]}


def test_answers_have_the_fields_of_the_document(
    broker: Broker, http: httpx2.Client, client: RawClient
) -> None:
    client.send("SUBSCRIBE", id="1", destination="/queue/b")
    client.sync()
    broker.put("/queue/a", "x")
    schemas = document()["components"]["schemas"]
    rows = {
        "Overview": get(http, "/overview"),
        "Faults": get(http, "/faults"),
        "Destination": get(http, "/destinations")["items"][0],
        "Connection": get(http, "/connections")["items"][0],
        "Subscription": get(http, "/connections")["items"][0]["subscriptions"][0],
        "Message": get(http, "/messages", destination="/queue/a")["items"][0],
        "Frames": get(http, "/frames"),
    }
    client.sync()
    rows["Frame"] = get(http, "/frames")["items"][0]
    for name, row in rows.items():
        assert row.keys() == schemas[name]["properties"].keys(), name


def test_metrics_are_in_the_text_format(broker: Broker, http: httpx2.Client) -> None:
    http.get("/metrics")
    broker.put('/queue/"a\\', "x")
    response = http.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = response.text.splitlines()
    assert "stomp_broker_messages 1.0" in lines
    assert "stomp_broker_received_total 1.0" in lines
    assert r'stomp_destination_waiting{destination="/queue/\"a\\"} 1.0' in lines


def test_application_works_on_the_loop_of_the_broker() -> None:
    async def main() -> None:
        async with Broker() as broker:
            transport = httpx2.ASGITransport(application(broker))
            async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
                assert (
                    await http.post(API + "/messages", json={"destination": "/queue/a"})
                ).status_code == 201
                assert broker.depth("/queue/a") == 1

    asyncio.run(main())

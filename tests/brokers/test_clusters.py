"""A broker is killed while messages pass: the clients connect to another one, or again, and nothing is lost.

The names of the brokers are those of the group "clusters" of scripts/brokers: no other test uses them.
"""

from __future__ import annotations

import os

import pytest

from tests.brokers.killing import Cluster, Mover, Result
from tests.pulling.faces import KINDS, makers

CLUSTERS = {
    cluster.name: cluster
    for cluster in (
        Cluster(
            "rabbitmq-cluster",
            {"rabbit1": 61713, "rabbit2": 61723, "rabbit3": 61733},
            headers={"x-queue-type": "quorum"},
        ),
        # With persistJMSRedelivered; without it, it does not mark either.
        Cluster("activemq-pair", {"amq-a": 62713, "amq-b": 62723}),
        # Even with persist-delivery-count-before-delivery some copies are unmarked.
        Cluster("artemis-killed", {"artemis-killed": 64129}, marks=False),
    )
}
#: Messages between two kills of the long form.
PART = 3000


# One worker for the tests of a cluster: each test kills its brokers.
@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in CLUSTERS])
def cluster(request: pytest.FixtureRequest) -> Cluster:
    made = CLUSTERS[request.param]
    made.check()
    return made


def check(result: Result, cluster: Cluster, count: int) -> None:
    assert sorted(result.deliveries) == list(range(count)), f"messages are lost: {result}"
    if cluster.marks:
        assert result.unmarked == 0, f"copies are not marked: {result}"
    # Marked or not, copies have the same id, and no other message has it.
    ids = [only for [only] in result.ids.values()]
    assert "" not in ids
    assert len(set(ids)) == count


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost_when_a_broker_is_killed(kind: str, cluster: Cluster) -> None:
    with makers(kind, cluster.place) as make:
        result = Mover(make, cluster, count=1000).move(kills=len(cluster.ports))
    check(result, cluster, 1000)


@pytest.mark.soak
@pytest.mark.skipif("STOMP_SOAK" not in os.environ, reason="takes minutes: make soak")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost_when_brokers_are_killed_again_and_again(kind: str, cluster: Cluster) -> None:
    count = int(os.environ["STOMP_SOAK"])
    with makers(kind, cluster.place) as make:
        result = Mover(make, cluster, count).move(kills=max(1, count // PART))
    print(f"{cluster.name}, {kind}: {count} sent, {result}")
    check(result, cluster, count)

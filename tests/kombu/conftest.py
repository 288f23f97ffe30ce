"""Connections of Kombu to an embedded broker."""

from __future__ import annotations

import kombu
import pytest

import stomp.kombu  # noqa: F401 - registers the transport


@pytest.fixture
def url(stomp_broker):
    """The URL of the broker."""
    return f"stomp://{stomp_broker.host}:{stomp_broker.port}"


@pytest.fixture
def connection(url):
    """A connection for consumers."""
    with kombu.Connection(url) as connection:
        yield connection


@pytest.fixture
def other(url):
    """Another connection, mostly of a producer."""
    with kombu.Connection(url) as connection:
        yield connection

"""What the tests of the network share: certificates, and a look at what is left open."""

import gc
import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme


@pytest.fixture(autouse=True)
def no_descriptor_is_left_open() -> Iterator[None]:
    """Every test here closes what it opens, the failures included. Where there is no /proc, nothing is counted."""
    folder = Path("/proc/self/fd")
    if not folder.exists():
        yield
        return
    before = len(os.listdir(folder))
    yield
    if len(os.listdir(folder)) > before:
        gc.collect()  # an error may be the last to hold a closed socket in a circle
    assert len(os.listdir(folder)) <= before


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def accepting(authority: trustme.CA) -> ssl.SSLContext:
    """A server side for localhost, 127.0.0.1 and ::1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1", "::1").configure_cert(context)
    return context

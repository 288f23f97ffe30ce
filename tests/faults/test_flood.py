"""Both sides send much data at the same time. A client that stops reading while it writes would deadlock here."""

import threading

import pytest

import stomp
from tests.listening import RecentFrames

COUNT = 200
BODY = bytes(range(256)) * 4096  # 1 MiB with all byte values


@pytest.mark.slow(reason="sends 400 MiB")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_both_sides_send_200_messages_of_1_mib_at_once(request, tls, ca_file):
    broker = request.getfixturevalue("tls_broker" if tls else "broker")

    class Count(RecentFrames):
        def on_message(self, frame):
            wrong = None if frame.body == BODY else len(frame.body)
            self.bodies.append((frame.headers["n"], wrong))
            self.note("message")

        def on_before_message(self, frame):
            pass

    def connection(listener=None):
        conn = stomp.Connection12([("127.0.0.1", broker.port)], auto_decode=False)
        if tls:
            conn.set_ssl(ca_certs=ca_file)
        if listener is not None:
            conn.set_listener("", listener)
        conn.connect(wait=True)
        return conn

    def send_all(conn, destination):
        for number in range(COUNT):
            conn.send(destination, BODY, n=number)

    left, right = Count(), Count()
    a, b = connection(left), connection(right)
    a.subscribe("/queue/to-a", id="1")
    b.subscribe("/queue/to-b", id="1")
    threads = [
        threading.Thread(target=send_all, args=(a, "/queue/to-b")),
        threading.Thread(target=send_all, args=(b, "/queue/to-a")),
    ]
    for thread in threads:
        thread.start()
    for listener in (left, right):
        listener.wait_for(lambda listener=listener: len(listener.bodies) == COUNT, 240)
        assert listener.bodies == [(str(number), None) for number in range(COUNT)]
    for thread in threads:
        thread.join(60)
    a.disconnect()
    b.disconnect()

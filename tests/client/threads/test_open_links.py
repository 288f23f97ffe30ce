from __future__ import annotations

import socket

from tests.client.threads.test_link import Peer
from tests.listening import PATIENCE


def test_last_frames_of_an_exiting_program_are_written():
    """Frames may wait for company; a program that ends without disconnecting must not lose them."""
    import subprocess
    import sys

    program = (
        "import socket, sys\n"
        "from stomp.client.options import Options\n"
        "from stomp.client.threads.link import Link\n"
        "from stomp.core.frames import commands\n"
        "from stomp.core.session.client import ClientSession\n"
        "link = Link(socket.create_connection(('127.0.0.1', int(sys.argv[1]))), ClientSession(), print, Options())\n"
        "link.start()\n"
        "link.transmit(commands.connect(['1.2'], '/'))\n"
        "while link.session.state.value != 'connected': pass\n"
        "for n in range(1000): link.transmit(commands.send('/queue/a', b'%d' % n))\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        child = subprocess.Popen(
            [sys.executable, "-c", program, str(server.getsockname()[1])], stdout=subprocess.DEVNULL
        )
        server.settimeout(PATIENCE)
        peer = Peer(server.accept()[0])
        with peer.sock:
            peer.read_requests(1000)
    assert child.wait(PATIENCE) == 0
    assert [int(frame.body) for frame in peer.requests] == list(range(1000))

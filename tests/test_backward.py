import socket

from stomp import backward
from stomp.testing.servers import ScriptedServer, say_nothing


def test_old_names_exist(monkeypatch):
    monkeypatch.setattr("builtins.input", lambda prompt: prompt + "answer")
    assert backward.input_prompt("> ") == "> answer"
    assert backward.join([backward.encode("a"), backward.NULL]) == "a\0"
    assert backward.decode(backward.pack([b"a"])) == "a"


def test_get_socket_connects():
    with ScriptedServer(say_nothing) as server, backward.get_socket(*server.address, timeout=5) as sock:
        assert isinstance(sock, socket.socket)

"""Passwords that expire: the client asks for a new one at each connect.

python examples/client_tokens.py [URL]
"""

import itertools
import sys

import stomp
from stomp.net.address import parse

url = sys.argv[1] if len(sys.argv) > 1 else "stomp://admin:password@localhost:61613"
target = parse(url)
count = itertools.count(1)


def fetch_token() -> str:
    """Would ask the token service; here, the password from the URL."""
    print("asked for token", next(count))
    return target.passcode or ""


place = f"stomp://{target.addresses[0]}"
for _ in range(2):
    with stomp.Client(place, login=target.login, passcode=fetch_token) as client:
        print("connected, by", client.version)

"""The names that stomp.py has in `stomp.__main__`, for programs that import them."""

from __future__ import annotations

import base64 as base64
import json as json
import os as os
import re
import sys as sys
import time
from cmd import Cmd as Cmd
from functools import partial as partial

import stomp as stomp
from stomp._version import __version__
from stomp.adapter.multicast import MulticastConnection as MulticastConnection
from stomp.cli.shell.help import SubscriptionInfo as SubscriptionInfo
from stomp.cli.shell.shell import StompCLI as StompCLI
from stomp.connect import StompConnection10 as StompConnection10
from stomp.connect import StompConnection11 as StompConnection11
from stomp.connect import StompConnection12 as StompConnection12
from stomp.listener import ConnectionListener as ConnectionListener
from stomp.listener import StatsListener as StatsListener

heartbeat_pattern = re.compile("[0-9]+,[0-9]+")
version_string: str = __version__


def do_nothing_loop() -> None:
    """Sleep until an exception is raised. The main thread of a listener did this in stomp.py."""
    while True:
        time.sleep(1)

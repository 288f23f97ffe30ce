"""The patterns of use that were seen in published programs. The tests of this folder begin with their numbers."""

import re
from pathlib import Path

PATTERNS = {
    1: "ports as text, pairs by keyword",
    2: "every keyword argument",
    3: "classes for versions, and branches on the type",
    4: "the private list of pairs",
    5: "the private TLS settings",
    6: "the connection is its own heart-beat listener",
    7: "attributes of a transport",
    8: "threads made by the program",
    9: "starting and stopping by hand",
    10: "joining the receiving thread",
    11: "connecting without waiting, and polling",
    12: "patched names of modules",
    13: "the logger and its module",
    14: "comparing the version",
    15: "forms of connect",
    16: "connecting again",
    17: "disconnecting with a receipt of its own",
    18: "headers and bodies of every kind",
    19: "forms of subscribe and unsubscribe",
    20: "acknowledging by version",
    21: "transactions",
    22: "frames by hand, receipts, versions, with",
    23: "listeners of every shape",
    24: "setting, getting and removing listeners",
    25: "TLS with and without hosts, given twice, validated",
    26: "exceptions by the module, and the module as an exception",
    27: "frames for other libraries, and helpers",
    28: "the listeners that come with it",
    29: "WebSockets, and connections composed by hand",
    30: "mocks and wrappers",
}


def test_every_pattern_has_a_test():
    texts = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py")]
    found = {int(number) for text in texts for number in re.findall(r"^def test_(\d\d)_", text, re.M)}
    assert found == set(PATTERNS)

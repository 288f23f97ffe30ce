"""Second names of modules: whichever is imported first, both are one module."""

import importlib
import subprocess
import sys

import pytest

import stomp
from stomp.classic.module_aliases import ALIASES, Aliases, install


@pytest.mark.parametrize("alias", ALIASES)
def test_both_names_are_one_module(alias):
    module = importlib.import_module(alias)
    assert module is importlib.import_module(ALIASES[alias])
    assert getattr(stomp, alias.removeprefix("stomp.")) is module
    assert module.__name__ == ALIASES[alias]


def test_importer_is_installed_once_and_ignores_other_modules():
    install()
    assert sys.meta_path.count(Aliases) == 1
    assert Aliases.find_spec("stomp.nothing") is None
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("stomp.nothing")


@pytest.mark.parametrize(
    "program",
    [
        "import stomp.logging; stomp.logging.verbose = True; assert stomp.log.verbose",
        "import stomp; stomp.logging.setLevel('DEBUG'); assert stomp.logging.isEnabledFor(10)",
        "from stomp.logging import log_to_stdout",
        "from stomp.colors import NO_COLOR, GREEN, RED, BOLD",
        "from stomp.backward3 import encode, input_prompt; assert encode('x') == b'x'",
        "from stomp.backwardsock import get_socket",
    ],
)
def test_aliases_work_in_a_new_interpreter(program):
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)

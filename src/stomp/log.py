"""The log of stompkit: the logger named "stomp.py", as it has always been called, under the names of a module.

`stomp.logging` is the same module: that was its name until 9.0. Whatever else is asked of it comes from the
logger (`addHandler`, `level` ...) or from the standard `logging` (`getLogger`, `StreamHandler` ...), because under
this name programs have met each of the three.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from stomp.client.logs import Log

if TYPE_CHECKING:
    import logging

DEBUG = 10
INFO = 20

#: With True, a failed attempt to connect is logged with its traceback.
verbose = False

# `logging` is imported when somebody listens, or there is something to hear.
_log = Log("stomp.py")

debug = _log.debug
info = _log.info
warning = _log.warning
error = _log.error
exception = _log.exception

_to_stdout: logging.Handler | None = None


def log_to_stdout(verbose_logging: bool = True) -> None:
    """Print the log on standard output. Called twice it still prints each line once.

    Args:
        verbose_logging: everything, with tracebacks of failed attempts; else only what is worth knowing.
    """
    global verbose, _to_stdout
    import logging

    verbose = verbose_logging
    logger = logging.getLogger("stomp.py")
    if _to_stdout is not None:
        logger.removeHandler(_to_stdout)
    _to_stdout = logging.StreamHandler(sys.stdout)
    _to_stdout.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(_to_stdout)
    logger.setLevel(DEBUG if verbose_logging else INFO)


def __getattr__(name: str) -> Any:
    import logging

    if name == "logging":
        return logging
    if name == "__logger":
        return logging.getLogger("stomp.py")
    if name.startswith("__"):
        raise AttributeError(f"module 'stomp.log' has no attribute {name!r}")
    found = getattr(logging.getLogger("stomp.py"), name, None)
    return found if found is not None else getattr(logging, name)

"""The logger of stompkit as a module. The logger's name is "stomp.py", as in stomp.py.

`stomp.logging` is the same module: that was its name until 9.0. Other attributes come from the logger (`addHandler`,
`level` ...) or from the standard `logging` (`getLogger`, `StreamHandler` ...), because this name was all three in
releases of stomp.py.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

DEBUG = logging.DEBUG
INFO = logging.INFO

#: If True, failed attempts to connect are logged with their traceback.
verbose = False

_log: logging.Logger = logging.getLogger("stomp.py")

debug = _log.debug
info = _log.info
warning = _log.warning
error = _log.error
exception = _log.exception

_to_stdout: logging.Handler | None = None


def log_to_stdout(verbose_logging: bool = True) -> None:
    """Print the log to standard output. Calling it twice does not print lines twice.

    Args:
        verbose_logging: log at DEBUG, with tracebacks of failed attempts to connect; otherwise at INFO.
    """
    global verbose, _to_stdout
    verbose = verbose_logging
    if _to_stdout is not None:
        _log.removeHandler(_to_stdout)
    _to_stdout = logging.StreamHandler(sys.stdout)
    _to_stdout.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    _log.addHandler(_to_stdout)
    _log.setLevel(DEBUG if verbose_logging else INFO)


def __getattr__(name: str) -> Any:
    if name == "__logger":
        return _log
    if name.startswith("__"):
        raise AttributeError(f"module 'stomp.log' has no attribute {name!r}")
    found = getattr(_log, name, None)
    return found if found is not None else getattr(logging, name)

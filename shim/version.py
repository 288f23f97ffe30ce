"""The version under which the shim is built; a requirement such as ``stomp.py~=8.0`` needs another than the default."""

import os

__version__ = os.environ.get("STOMP_PY_VERSION") or "9.1.0"

"""Modules that have a second name, because they had it in a release of stomp.py that programs were written for.

No file can have the name `logging.py` in this folder: `python SITE-PACKAGES/stomp` puts the folder first on the
path, and the file would stand before the standard library's. So the second names are answered by an importer, which
Python asks last, and which loads nothing before somebody wants it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

#: second name -> the module
ALIASES = {
    # 5.0 to 8.2
    "stomp.logging": "stomp.log",
    # until 4.1
    "stomp.colors": "stomp.colours",
    "stomp.backward2": "stomp.backward",
    "stomp.backward3": "stomp.backward",
    "stomp.backwardsock": "stomp.backward",
    "stomp.backwardsock25": "stomp.backward",
    "stomp.backwardsock26": "stomp.backward",
}


class Aliases:
    """An importer for `ALIASES`: both names are one and the same module."""

    @staticmethod
    def find_spec(
        fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, Aliases) if fullname in ALIASES else None  # type: ignore[arg-type]

    @staticmethod
    def create_module(spec: ModuleSpec) -> None:
        return None

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        # Whatever is in sys.modules after this is what `import` hands out.
        sys.modules[module.__name__] = importlib.import_module(ALIASES[module.__name__])


def install() -> None:
    """Have Python ask for the second names here, after everybody else."""
    if Aliases not in sys.meta_path:
        sys.meta_path.append(Aliases)

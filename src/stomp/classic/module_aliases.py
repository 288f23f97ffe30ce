"""Second names of modules, which they had in older releases of stomp.py.

Rules of this file: the second names are resolved by an importer at the end of `sys.meta_path`, which imports nothing
before a name is used. They cannot be files: `python SITE-PACKAGES/stomp` puts the directory first on the path, so a
file `logging.py` there would hide the standard library's.
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
    """An importer for `ALIASES`: both names refer to the same module object."""

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
        # `import` returns the module that is in sys.modules after this.
        sys.modules[module.__name__] = importlib.import_module(ALIASES[module.__name__])


def install() -> None:
    """Add the importer at the end of `sys.meta_path`."""
    if Aliases not in sys.meta_path:
        sys.meta_path.append(Aliases)

"""One work with one Python client, in a separate process; prints what it measured as one line of JSON.

python -m bench.client ADAPTER kind=receive port=61613 seconds=0.6 ... (see `bench.work`)
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import sys
from collections.abc import Callable

from bench import awaiting, blocking
from bench.adapters import Unsupported
from bench.measuring import Taken
from bench.work import Work


def take(adapter: str, work: Work) -> tuple[str, Taken]:
    """Do the work with a client.

    Returns:
        The version of the client, and what was measured.
    """
    module = importlib.import_module(f"bench.adapters.{adapter}")
    if inspect.iscoroutinefunction(module.Client.send):
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return module.VERSION, runner.run(awaiting.take(module.Client, work))
    return module.VERSION, blocking.take(module.Client, work)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The event loop of `bench.contenders`; None for that of asyncio."""
    if os.environ.get("BENCH_LOOP") != "uvloop":
        return None
    import uvloop

    return uvloop.new_event_loop


def main() -> None:
    try:
        version, taken = take(sys.argv[1], Work.of(sys.argv[2:]))
        printed = {"version": version, **taken.figures()}
    except Unsupported as why:
        printed = {"unsupported": str(why)}
    print(json.dumps(printed), flush=True)
    # A client may have left threads behind; they are not what is measured.
    os._exit(0)


if __name__ == "__main__":
    main()

"""The transport of Kombu works with the older versions of Kombu that the extra ``celery`` allows."""

from __future__ import annotations

import pytest

from tests.documents import ROOT
from tests.packaging.conftest import Environment

pytestmark = [pytest.mark.index, pytest.mark.timeout(600)]

#: What the tests import besides Kombu and Celery.
NEEDED = ("hypothesis", "pytest", "pytest-asyncio", "pytest-timeout", "trustme")
#: The worker of each pool is started as well: gevent is for that.
POOLS = ("gevent",)


@pytest.mark.parametrize("version", ["5.4", "5.5", "5.6"])
def test_the_tests_of_the_transport_pass(version: str, environment: Environment) -> None:
    environment.pip("install", "--quiet", f"kombu=={version}.*", f"celery=={version}.*", *NEEDED, *POOLS)
    done = environment.run(
        *("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ROOT),
        *(
            ROOT / "tests/kombu" / f"test_{name}.py"
            for name in ("queues", "exchanges", "virtual", "settings")
        ),
        f"{ROOT}/tests/kombu/test_workers.py::test_each_pool_runs_tasks_and_returns_results",
        PYTHONPATH=f"{ROOT}/src:{ROOT}",  # the tests read the pages of the documentation next to the package
    )
    assert " passed" in done.stdout
    assert "failed" not in done.stdout
    assert environment.python("import kombu; print(kombu.__version__)").startswith(f"{version}.")

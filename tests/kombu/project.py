"""A Celery application, for the workers that tests start and for the tests themselves.

It is configured by environment variables, see `tests.kombu.workers.Project`.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import celery
import kombu

RECORD = "CELERY_TEST_RECORD"
BROKER = "CELERY_TEST_BROKER"
QUEUE = "CELERY_TEST_QUEUE"
QUEUE_TYPE = "CELERY_TEST_QUEUE_TYPE"


def make_app(broker: str, queue: str, queue_type: str = "") -> celery.Celery:
    """An application with these settings; `queue_type` is the ``x-queue-type`` of RabbitMQ."""
    app = celery.Celery("tests.kombu.project", broker=broker, backend="rpc://", set_as_current=False)
    app.conf.update(
        broker_transport="stomp.kombu:Transport",
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=20,
        task_default_queue=queue,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_enable_remote_control=True,
        worker_prefetch_multiplier=4,
        control_exchange=f"{queue}-pidbox",
        event_exchange=f"{queue}-events",
        worker_hijack_root_logger=False,
    )
    if queue_type:
        arguments = {"x-queue-type": queue_type}
        app.conf.task_queues = [
            kombu.Queue(queue, kombu.Exchange(queue), routing_key=queue, queue_arguments=arguments)
        ]

    @app.task(name="add", shared=False)
    def add(first, second):
        return first + second

    @app.task(name="record", shared=False)
    def record(number):
        _append(f"{number}\n")
        return number

    @app.task(name="hold", shared=False)
    def hold(number, until):
        """Runs until a file exists."""
        _append(f"{number}\n")
        while not Path(until).exists():
            time.sleep(0.01)
        return number

    @app.task(name="flaky", shared=False, bind=True, max_retries=2)
    def flaky(self):
        if self.request.retries == 0:
            raise self.retry(countdown=0.5)
        return self.request.retries

    @app.task(name="fail", shared=False)
    def fail():
        raise ValueError("no")

    return app


def _append(text: str) -> None:
    # One write to a file opened for appending is whole, also from several processes.
    descriptor = os.open(os.environ[RECORD], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


if BROKER in os.environ:
    app = make_app(os.environ[BROKER], os.environ[QUEUE], os.environ[QUEUE_TYPE])

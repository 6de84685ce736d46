"""The Celery application: who runs what. Celery only rings; PostgreSQL is the truth (docs/ARCHITECTURE.md).

Two roles, told by MANDATE_ROLE, since acknowledging is a property of a whole connection: `calls` rings a call's id into
the process's own loop and needs no acknowledgement, the lease does that work; `jobs` acknowledges late and may rerun.
"""

import os
from typing import Any

from celery import Celery
from celery.schedules import crontab
from celery.signals import (
    setup_logging,
    worker_init,
    worker_process_init,
    worker_shutdown,
    worker_shutting_down,
)
from django.conf import settings

from controlplane import env

# its own run of Django's checks would load every page of the console into each worker: two seconds of CPU at each start
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

app = Celery("mandate", broker=env.redis_url() or "redis://127.0.0.1:6379/0")

_TRANSPORT: dict[str, dict[str, Any]] = {
    "calls": {"ack_emulation": False, "socket_keepalive": True, "health_check_interval": 25},
    "jobs": {
        "visibility_timeout": 3600,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
    },
}


def transport_options(role: str) -> dict[str, Any]:
    """Broker options of a role; anything but a calls worker is treated as jobs."""
    return _TRANSPORT["calls" if role == "calls" else "jobs"]


app.conf.update(
    broker_transport_options=transport_options(env.text("MANDATE_ROLE")),
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    task_default_queue="jobs",
    task_routes={"routing.execute": {"queue": "calls"}},
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_send_sent_event=False,
    worker_send_task_events=False,
    worker_prefetch_multiplier=1,
    worker_disable_rate_limits=True,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_hijack_root_logger=False,
    worker_enable_remote_control=False,
    timezone="UTC",
    beat_schedule={
        "lift-expired": {
            "task": "policies.lift_expired",
            "schedule": 5.0,
            "options": {"expires": 5},
        },
        "publish-due": {
            "task": "policies.publish_due",
            "schedule": 5.0,
            "options": {"expires": 5},
        },
        "replay": {
            "task": "routing.replay",
            "schedule": 2.0,
            "options": {"expires": 2},
        },
        "evidence": {
            "task": "routing.evidence",
            "schedule": 3.0,
            "options": {"expires": 3},
        },
        "export": {
            "task": "routing.export",
            "schedule": 3.0,
            "options": {"expires": 3},
        },
        "shadow": {
            "task": "routing.shadow",
            "schedule": 15.0,
            "options": {"expires": 15},
        },
        "compare-beside": {
            "task": "routing.compare_beside",
            "schedule": 60.0,
            "options": {"expires": 55},
        },
        "reconcile": {"task": "routing.reconcile", "schedule": crontab(minute="*/10")},
        "correct-prices": {
            "task": "routing.correct_prices",
            "schedule": 60.0,
            "options": {"expires": 55},
        },
        "correct-hours": {
            "task": "routing.correct_hours",
            "schedule": 60.0,
            "options": {"expires": 55},
        },
        "check-ledger": {"task": "routing.check_ledger", "schedule": crontab(minute="13")},
        "check-whole-ledger": {
            "task": "routing.check_ledger",
            "schedule": crontab(minute="47", hour="2"),
            "kwargs": {"whole": True},
        },
        "late-usage": {"task": "routing.propose_late", "schedule": crontab(minute="7")},
        "reviews-overdue": {
            "task": "routing.act_on_overdue",
            "schedule": 5.0,
            "options": {"expires": 5},
        },
        "reviews-sample": {
            "task": "routing.sample_reviews",
            "schedule": 60.0,
            "options": {"expires": 60},
        },
        "notify": {
            "task": "routing.notify",
            "schedule": 5.0,
            "options": {"expires": 5},
        },
        "watch-marks": {
            "task": "routing.watch_marks",
            "schedule": 60.0,
            "options": {"expires": 55},
        },
        "watch-anomalies": {
            "task": "routing.watch_anomalies",
            "schedule": 60.0,
            "options": {"expires": 55},
        },
        "forecast": {
            "task": "routing.forecast",
            "schedule": 120.0,
            "options": {"expires": 110},
        },
        "forget-deliveries": {
            "task": "routing.forget_deliveries",
            "schedule": crontab(minute="37", hour="3"),
        },
        "expire-idempotency": {
            "task": "routing.expire_idempotency",
            "schedule": crontab(minute="23"),
        },
        "forget-repeats": {
            "task": "policies.forget_repeats",
            "schedule": crontab(minute="29"),
        },
        "verify-log": {
            "task": "audit.verify_recent",
            "schedule": 60.0,
            "options": {"expires": 55},
        },
        "verify-whole-log": {
            "task": "audit.verify_whole",
            "schedule": crontab(minute="41", hour="2"),
        },
        "keep": {"task": "routing.keep", "schedule": crontab(minute="11", hour="3")},
        "repeat-erasures": {
            "task": "routing.repeat_erasures",
            "schedule": crontab(minute="*/5"),
            "options": {"expires": 240},
        },
        "months-ahead": {
            "task": "controlplane.months_ahead",
            "schedule": crontab(minute="17", hour="*/6"),
        },
    },
)
app.autodiscover_tasks()


@setup_logging.connect
def _our_logs(**_: object) -> None:
    """Celery would otherwise lay its own format over ours; settings have configured logging already."""
    _ = settings.LOGGING


def _carry_calls(**_: object) -> None:
    """Give a calls worker its loop, and tie the loop's end to the worker's."""
    from controlplane.worker_half import Life  # noqa: PLC0415 - only a calls worker loads it, and only when Django is up

    life = Life()
    worker_process_init.connect(lambda **_: life.begin(), weak=False)
    worker_shutting_down.connect(lambda **_: life.told(), weak=False)
    worker_shutdown.connect(lambda **_: life.end(), weak=False)


if env.text("MANDATE_ROLE") == "calls":
    worker_init.connect(_carry_calls, weak=False)

"""The bars of alerts, beside Prometheus's Alertmanager: ours are on disk before they are answered, its are in memory.

Every bar is measured in two ways: every alert is told by itself, or all are told together. In both, both do the same
work: each takes the alerts in, puts them into groups, and tells its groups to the same stub, once a second at the most:
Firebell by a card in Slack, which is edited then, Alertmanager by a webhook.
"""

import dataclasses
import json
import os
import re
import signal
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from .bots import Bench, Bot, Kind, Load
from .figures import NOISE_LIMIT, Round, Row, compared, limit_row, number, ratio_row, rounds
from .reports import cpu_us, goodput, latency
from .stores import Store, count, noise_known
from .tools import BenchError, Report, empty_folder, say

SECRET = "bench-of-alerts"
# So much is more than anybody posts: Slack's pace is off.
UNPACED = """
[slack]
messages_per_minute = 1000000
"""
OURS = """
[[alert_sources]]
id = "prometheus"
kind = "alertmanager"
secret_env = "ALERTS_SECRET"

[[routes]]
match = { alertname = "CheckoutSlow" }
then = "notify"
channel = "#alerts"
group_by = ["GROUP_BY"]
"""
# What a webhook says of a group is cut to five alerts, as on our cards: else it would send all of them each second.
ALERTMANAGER = """
route:
  receiver: stub
  group_by: ['GROUP_BY']
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 4h
receivers:
  - name: stub
    webhook_configs:
      - url: http://$slack/webhook
        max_alerts: 5
"""
KEYS = 1_000
WARMUP_ALERTS = 1_000
# The length of a measurement is in seconds; what makes ever new alerts is bounded by their number instead, for the memory
# of Alertmanager: so many in six seconds.
DISTINCT = 40_000
BATCHES = 2_000
BATCH = 50
NOMINAL_SECONDS = 6.0
FIRING = 100_000
# After the last alert, until memory is read.
SETTLE_SECONDS = 5.0


@dataclass(frozen=True)
class Grouping:
    """How alerts are told."""

    name: str
    ours: str
    alertmanagers: str


APART = Grouping("each by itself", "customer", "...")
TOGETHER = Grouping("all together", "alertname", "alertname")


@dataclass(frozen=True)
class Shape:
    """What is posted."""

    name: str
    batch: int
    options: tuple[object, ...]
    # A figure that is held against Alertmanager's, and the limit of the ratio.
    bars: dict[str, str]
    keys: int | None = None


FIGURES = {
    "per second": goodput,
    "CPU us": cpu_us,
    "p99 ms": lambda report: latency(report, "p99_ms"),
}


def shapes(bench: Bench) -> list[Shape]:
    def bounded(number: int) -> int:
        return round(number * bench.seconds / NOMINAL_SECONDS)

    distinct = ("--connections", 16, "--count", bounded(DISTINCT), "--warmup-count", WARMUP_ALERTS)
    repeated = ("--connections", 16, "--seconds", bench.seconds, "--keys", KEYS, "--warmup-count", KEYS)
    batches = ("--connections", 4, "--count", bounded(BATCHES), "--batch", BATCH, "--warmup-count", 20)
    patience = ("--seconds", 60)
    return [
        Shape("distinct", 1, distinct + patience, {"per second": ">= 0.5", "CPU us": "<= 1.0"}),
        Shape("repeated", 1, repeated, {"per second": ">= 0.6", "p99 ms": "<= 0.6"}, KEYS),
        Shape(f"{BATCH} in a body", BATCH, batches + patience, {"per second": ">= 0.75", "p99 ms": "<= 0.5"}),
    ]


def intake(bench: Bench, store: Store) -> list[Row]:
    """How many alerts are taken in, and at what price."""
    rows = []
    for shape in shapes(bench):
        for grouping in (APART, TOGETHER):
            ours, peer = both(bench, grouping)

            def measure(backwards: bool) -> Round:
                results: Round = {}
                for kind in (ours, peer) if backwards else (peer, ours):
                    with bench.fresh_bot(kind, store) as load:
                        results[kind.name] = post(load, f"alerts, {shape.name}, {grouping.name}", shape)
                return results

            kept, noisy = rounds(bench, measure, noise_known(store))
            bar = f"alerts, {store.name}, {shape.name}, {grouping.name}"
            for figure, wanted in shape.bars.items():
                rows.append(compared(f"{bar}: {figure}", kept, peer, ours, FIGURES[figure], wanted, noisy))
    return rows


def both(bench: Bench, grouping: Grouping) -> tuple[Kind, Kind]:
    return firebell(bench, grouping), alertmanager(bench, grouping)


def firebell(bench: Bench, grouping: Grouping, paced: bool = False) -> Kind:
    pace = "" if paced else UNPACED
    return dataclasses.replace(
        bench.ours,
        config=pace + OURS.replace("GROUP_BY", grouping.ours),
        environment=bench.ours.environment | {"ALERTS_SECRET": SECRET},
    )


def alertmanager(bench: Bench, grouping: Grouping) -> Kind:
    command = [
        str(bench.alertmanager / "alertmanager"),
        "--config.file=$config",
        "--storage.path=$home/alertmanager",
        "--web.listen-address=127.0.0.1:$port",
        "--cluster.listen-address=",
        "--log.level=error",
    ]
    config = ALERTMANAGER.replace("GROUP_BY", grouping.alertmanagers)
    return Kind("Alertmanager", command, config=config, health="/-/ready", folder=bench.alertmanager)


def target(bot: Bot) -> list[str]:
    url = ["--url", f"http://127.0.0.1:{bot.port}/api/v2/alerts"]
    return [*url, "--bearer", SECRET] if bot.kind.environment else url


def post(load: Load, what: str, shape: Shape) -> Report:
    """Posts alerts, checks that each one that was acknowledged is stored, and reports."""
    report = load.run("alerts", what, *target(load.bot), *shape.options)
    if load.bot.kind.name == load.bench.ours.name:
        check(load, report, shape)
    return report


def kill(bench: Bench) -> list[Row]:
    """`kill -9` in mid-load: what was acknowledged must be there after a restart."""
    rows = []
    for store in (bench.postgres, bench.sqlite):
        own, theirs = (killed(bench, kind, store) for kind in both(bench, APART))
        bar = f"alerts, {store.name}, kill -9 in mid-load"
        rows.append(Row(f"{bar}: acknowledged", str(own[0]), str(theirs[0]), "-", "-", None))
        rows.append(Row(f"{bar}: of them lost", str(own[1]), str(theirs[1]), "-", "= 0", own[1] == 0))
    return rows


def killed(bench: Bench, kind: Kind, store: Store) -> tuple[int, int]:
    """How many alerts were acknowledged before the kill, and how many of them are not there after a restart."""
    seconds = bench.seconds / 2
    options = ("--connections", 16, "--seconds", 2 * seconds, "--list-acknowledged")
    with store.fresh() as database, bench.slack() as slack, empty_folder() as home:
        with bench.bot(kind, store, database, slack[0], home) as bot:
            load = Load(bench, bot, *slack)
            end = load.begin("alerts", "alerts, kill -9 in mid-load", *target(bot), *options)
            time.sleep(seconds)
            os.kill(bot.pid, signal.SIGKILL)
            acknowledged = set(end().pop("acknowledged"))
        with bench.bot(kind, store, database, slack[0], home) as bot:
            kept = known(bench, bot)
    return len(acknowledged), len(acknowledged - kept)


def known(bench: Bench, bot: Bot) -> set[int]:
    """The numbers of the alerts that a bot has."""
    if bot.kind.name == bench.ours.name:
        told = bot.store.column(bot.database, "SELECT alert FROM alerts")
    else:
        with urllib.request.urlopen(f"http://127.0.0.1:{bot.port}/api/v2/alerts") as answer:
            told = [json.dumps(alert) for alert in json.load(answer)]
    numbers = (re.search(r"customer-(\d+)", alert) for alert in told)
    return {int(number[1]) for number in numbers if number}


def memory(bench: Bench, store: Store) -> list[Row]:
    """What 100,000 alerts that fire take, and how long a restart with them."""
    rows = []
    for grouping in (TOGETHER, APART):
        ours, peer = both(bench, grouping)
        own: list[Report] = []
        theirs: list[Report] = []
        for _ in range(bench.pairs):
            theirs.append(filled(bench, peer, store))
            own.append(filled(bench, ours, store))
        bar = f"{FIRING:,} alerts in {store.name}, {grouping.name}"
        noisy = noise_known(store) and max(report["other_cores"] for report in own + theirs) > NOISE_LIMIT

        def each(reports: list[Report], figure: str) -> list[float]:
            return [report[figure] for report in reports]

        rss = each(own, "rss_mb"), each(theirs, "rss_mb")
        rows.append(limit_row(f"{bar}: RSS MB", *rss, "<= 60", noisy))
        rows.append(ratio_row(f"{bar}: RSS MB / Alertmanager's", *rss, "<= 0.25", noisy))
        rows.append(
            limit_row(
                f"{bar}: PSS MB after a restart", each(own, "restarted_pss_mb"), each(theirs, "pss_mb"), "<= 60", noisy
            )
        )
        started = median(each(own, "restarted_ms"))
        rows.append(Row(f"{bar}: restart, ms to /healthz", number(started), "-", "-", "-", None, noisy))
    return rows


def filled(bench: Bench, kind: Kind, store: Store) -> Report:
    """The memory of a bot that has just taken in as many alerts, and of one that was started with them."""
    options = (
        "--connections",
        4,
        "--batch",
        BATCH,
        "--count",
        FIRING // BATCH,
        "--seconds",
        600,
        "--holds-seconds",
        86_400,
    )
    shape = Shape("fill", BATCH, options, {})
    with store.fresh() as database, bench.slack() as slack, empty_folder() as home:
        with bench.bot(kind, store, database, slack[0], home) as bot:
            load = Load(bench, bot, *slack)
            post(load, f"{FIRING:,} alerts", shape)
            report = load.watch(SETTLE_SECONDS)
        figures: Report = report["processes"]["app"] | {"other_cores": report["other_cores"]}
        if kind.name == bench.ours.name:
            with bench.bot(kind, store, database, slack[0], home) as bot:
                again = Load(bench, bot, *slack).watch(SETTLE_SECONDS)["processes"]["app"]
                figures |= {"restarted_ms": bot.started_ms, "restarted_pss_mb": again["pss_mb"]}
    bench.runs.append({"what": f"{FIRING:,} alerts", "bot": kind.name, "store": store.name, **figures})
    return figures


def check(load: Load, report: Report, shape: Shape) -> None:
    acknowledged = report["with_warmup"]["acknowledged"] * shape.batch
    wanted = shape.keys or acknowledged
    stored = count(load.bot.store, load.bot.database, "alerts")
    # What was not answered may be stored all the same.
    if stored < wanted or (stored > wanted and not report["unanswered"]):
        raise BenchError(f"of {wanted} alerts that were acknowledged {stored} are stored")

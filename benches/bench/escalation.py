"""The bars of escalation: how late a step comes, how fast many come that are due at once, what a million that wait cost, and
whether two replicas page anybody twice.

A step is a row in the database until its time, so a bot that is killed loses none. Pages leave by a webhook, which the stub
of Slack takes.
"""

import contextlib
import dataclasses
import json
import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

from .bots import Bench, Bot, Kind, Load
from .figures import NOISE_LIMIT, Row, holds, number
from .stores import Postgres, Store
from .tools import BenchError, Report, empty_folder, say

CONFIG = """
[slack]
announce = "#incidents"

[notifications.webhook]
url_env = "PAGES_URL"

[[severities]]
id = "p1"
name = "P1 - Critical"
war_room = false
escalation_policy = "bench"

[[people]]
id = "alice"
name = "Alice"

[[escalation_policies]]
id = "bench"
repeat_after = "24h"
steps = [STEPS]
"""
STEP = '{ after = "AFTERs", notify = ["person:alice"], via = ["webhook"] }'
PER_SECOND = 400
AT_ONCE = 10_000
PENDING = 1_000_000
PAGES = 100_000
STEPS = 5
# Between the last declaration and the first step of those that are to be due together.
PAUSE_SECONDS = 5
# After a step is due, until all must have come.
PATIENCE_SECONDS = 90


@dataclass(frozen=True)
class Steps:
    """When each step was due, was written down, and left as a page: all in milliseconds since 1970."""

    due: dict[str, int]
    written: dict[str, list[int]]
    left: dict[str, list[float]]

    def lateness(self) -> list[float]:
        return sorted(at - self.due[incident] for incident, ats in self.written.items() for at in ats)

    def delivery(self) -> list[float]:
        return sorted(min(ats) - self.due[page.split("/")[0]] for page, ats in self.left.items())


def firebell(bench: Bench, steps: list[float], slack: str) -> Kind:
    listed = ", ".join(STEP.replace("AFTER", f"{after:g}") for after in steps)
    pages = f"http://{slack}/pages"
    return dataclasses.replace(
        bench.ours,
        config=CONFIG.replace("STEPS", listed),
        environment=bench.ours.environment | {"PAGES_URL": pages},
    )


def pages(slack: str) -> dict[str, list[float]]:
    """When each page came, in milliseconds."""
    with urllib.request.urlopen(f"http://{slack}/_pages") as answer:
        return {page: [at / 1000 for at in ats] for page, ats in json.load(answer).items()}


def steps(store: Store, database: str, after: float, slack: str) -> Steps:
    def pairs(sql: str) -> Iterator[tuple[str, int]]:
        for row in store.column(database, sql):
            incident, at = row.split(" ")
            yield incident, int(at)

    declared = pairs("SELECT id || ' ' || declared_at_ms FROM incidents")
    written: dict[str, list[int]] = {}
    for incident, at in pairs("SELECT incident_id || ' ' || recorded_at_ms FROM events WHERE kind = 'paged'"):
        written.setdefault(incident, []).append(at)
    return Steps({incident: at + round(after * 1000) for incident, at in declared}, written, pages(slack))


def paged(store: Store, database: str) -> int:
    return int(store.column(database, "SELECT count(*) FROM events WHERE kind = 'paged'")[0])


def until_all(store: Store, database: str, slack: str, wanted: int, deadline: float) -> None:
    """Waits until all steps were written down, and all pages have left."""
    while paged(store, database) < wanted or len(pages(slack)) < wanted:
        if time.time() > deadline:
            raise BenchError(f"of {wanted} steps {paged(store, database)} came, and {len(pages(slack))} pages")
        time.sleep(0.5)


def percentile(sorted_values: list[float], share: float) -> float:
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]


def steady(bench: Bench, store: Store) -> list[Row]:
    """400 steps a second for five seconds."""
    after, seconds = 10.0, 5.0
    with store.fresh() as database, bench.slack() as (slack, slack_pid):
        with bench.bot(firebell(bench, [after], slack), store, database, slack) as bot:
            load = Load(bench, bot, slack, slack_pid)
            options = ("--rate", PER_SECOND, "--connections", 16, "--seconds", seconds)
            report = load.slash(f"{PER_SECOND} declarations per second", *options)
            taken = report["with_warmup"]["acknowledged"]
            watched = load.watch(after)
            until_all(store, database, slack, taken, time.time() + PATIENCE_SECONDS)
            seen = steps(store, database, after, slack)
    late, left = seen.lateness(), seen.delivery()
    noisy = watched["other_cores"] > NOISE_LIMIT
    bench.runs.append({"what": "steps per second", "store": store.name, "late_ms": late, "left_ms": left})
    bar = f"steps, {store.name}, {PER_SECOND} per second"
    doubled = sum(len(ats) - 1 for ats in seen.left.values())
    return [
        row(f"{bar}: written down late, p50 ms", percentile(late, 0.5), "-", noisy),
        row(f"{bar}: written down late, p99 ms", percentile(late, 0.99), "<= 250", noisy),
        row(f"{bar}: page left late, p99 ms", percentile(left, 0.99), "<= 250", noisy),
        row(f"{bar}: early", sum(ms < 0 for ms in late), "= 0"),
        row(f"{bar}: doubled", doubled + sum(len(ats) - 1 for ats in seen.written.values()), "= 0"),
    ]


def at_once(bench: Bench, store: Store) -> list[Row]:
    """10,000 steps that are due at the same time, as after an outage; then once more, through a kill -9."""
    rows = []
    for killed in (False, True):
        after = 30.0
        with store.fresh() as database, bench.slack() as (slack, slack_pid), empty_folder() as home:
            kind = firebell(bench, [after], slack)
            with bench.bot(kind, store, database, slack, home) as bot:
                Load(bench, bot, slack, slack_pid).fill(AT_ONCE)
                filled = time.time()
            time.sleep(max(0.0, filled + after + PAUSE_SECONDS - time.time()))
            if killed:
                with bench.bot(kind, store, database, slack, home) as bot:
                    while paged(store, database) == 0:
                        pass
                    os.kill(bot.pid, signal.SIGKILL)
                before = paged(store, database)
            with bench.bot(kind, store, database, slack, home) as bot:
                watched = Load(bench, bot, slack, slack_pid).watch(2.0)
                until_all(store, database, slack, AT_ONCE, time.time() + PATIENCE_SECONDS)
            seen = steps(store, database, after, slack)
        times = sorted(at for ats in seen.written.values() for at in ats)
        doubled = sum(len(ats) - 1 for ats in seen.written.values())
        bar = f"{AT_ONCE:,} steps at once, {store.name}"
        if killed:
            twice = sum(len(ats) - 1 for ats in seen.left.values())
            rows.append(row(f"{bar}, kill -9: written down before it", before, "-"))
            rows.append(row(f"{bar}, kill -9: lost", AT_ONCE - len(seen.written), "= 0"))
            rows.append(row(f"{bar}, kill -9: steps doubled", doubled, "= 0"))
            rows.append(row(f"{bar}, kill -9: pages doubled (one key each)", twice, "-"))
        else:
            span = (times[-1] - times[0]) / 1000
            noisy = watched["other_cores"] > NOISE_LIMIT
            rows.append(row(f"{bar}: per second", AT_ONCE / max(span, 0.001), ">= 10000", noisy))
            rows.append(row(f"{bar}: doubled", doubled, "= 0"))
            left = sorted(min(ats) for ats in seen.left.values())
            rows.append(row(f"{bar}: last page left, ms after the first step", left[-1] - times[0], "-", noisy))
    return rows


def pending(bench: Bench, store: Store) -> list[Row]:
    """A million clocks that are set for next year."""
    series = {
        "SQLite": "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count}) SELECT",
        "PostgreSQL": "SELECT",
    }
    source = {"SQLite": "s", "PostgreSQL": "generate_series(1, {count}) AS s(n)"}
    rows = []
    seen: dict[int, Report] = {}
    for count in (0, PENDING):
        with store.fresh() as database, bench.slack() as (slack, slack_pid), empty_folder() as home:
            kind = firebell(bench, [10.0], slack)
            with bench.bot(kind, store, database, slack, home):
                pass
            if count:
                year = round((time.time() + 365 * 86_400) * 1000)
                sql = (
                    "INSERT INTO outbox (id, incident_id, lane, queue, position, key, effect, ordered_at_ms, due_at_ms,"
                    f" attempts, lease_owner) {series[store.name]} 'INC-' || n || '/1000', 'INC-' || n, 'clocks', NULL,"
                    " 1000, 'clock', '{{\"effect\":\"ring\",\"timer\":{{\"timer\":\"update_due\",\"at\":\"2030-01-01T00:00:00Z\"}}}}',"
                    f" 0, {year} + n, 0, NULL FROM {source[store.name]}"
                )
                write(store, database, sql.format(count=count))
            with bench.bot(kind, store, database, slack, home) as bot:
                load = Load(bench, bot, slack, slack_pid)
                load.settled()
                seen[count] = load.watch(10.0)
    full, empty = seen[PENDING], seen[0]
    noisy = full["other_cores"] > NOISE_LIMIT

    def cpu(report: Report) -> float:
        return 100 * float(report["processes"]["app"]["cpu_seconds"]) / float(report["seconds"])

    def pss(report: Report) -> float:
        return float(report["processes"]["app"]["pss_mb"])

    bar = f"{PENDING:,} clocks that wait, {store.name}"
    rows.append(row(f"{bar}: % of a core at rest", cpu(full), "< 1", noisy))
    rows.append(row(f"{bar}: % of a core at rest, with none", cpu(empty), "-", noisy))
    rows.append(row(f"{bar}: PSS MB more than with none", pss(full) - pss(empty), "< 2", noisy))
    return rows


def replicas(bench: Bench) -> list[Row]:
    """Two bots on one database: 100,000 pages, none twice; then one of them is killed."""
    store = bench.postgres
    first = 20.0
    times = [first + n for n in range(STEPS)]
    incidents = PAGES // STEPS
    rows = []
    with store.fresh() as database, bench.slack() as (slack, slack_pid):
        kind = firebell(bench, times, slack)
        with two(bench, kind, store, database, slack) as (one, _):
            Load(bench, one, slack, slack_pid).fill(incidents)
            until_all(store, database, slack, PAGES, time.time() + first + 2 * PATIENCE_SECONDS)
            came = pages(slack)
    rows.append(row(f"two replicas: pages, of {PAGES:,}", len(came), f"= {PAGES}"))
    rows.append(row("two replicas: pages doubled", sum(len(ats) - 1 for ats in came.values()), "= 0"))

    after, seconds, rate = 10.0, 10.0, 200
    with store.fresh() as database, bench.slack() as (slack, slack_pid):
        kind = firebell(bench, [after], slack)
        with two(bench, kind, store, database, slack) as (one, other):
            load = Load(bench, one, slack, slack_pid)
            report = load.slash("declarations", "--rate", rate, "--connections", 16, "--seconds", seconds)
            time.sleep(max(0.0, after - seconds) + seconds / 2)
            os.kill(other.pid, signal.SIGKILL)
            taken = report["with_warmup"]["acknowledged"]
            until_all(store, database, slack, taken, time.time() + PATIENCE_SECONDS)
            seen = steps(store, database, after, slack)
    left = seen.delivery()
    bar = f"two replicas, one killed at {rate} steps per second"
    rows.append(row(f"{bar}: last page left late, ms", left[-1], "<= 5000"))
    rows.append(row(f"{bar}: lost", taken - len(seen.left), "= 0"))
    rows.append(row(f"{bar}: doubled", sum(len(ats) - 1 for ats in seen.left.values()), "= 0"))
    return rows


@contextlib.contextmanager
def two(bench: Bench, kind: Kind, store: Store, database: str, slack: str) -> Iterator[tuple[Bot, Bot]]:
    with bench.bot(kind, store, database, slack) as one, bench.bot(kind, store, database, slack) as other:
        yield one, other


def write(store: Store, database: str, sql: str) -> None:
    """Writes to a database on which no bot works."""
    if isinstance(store, Postgres):
        store.ask(sql, database)
        store.ask("VACUUM ANALYZE outbox", database)
    else:
        import sqlite3

        with contextlib.closing(sqlite3.connect(database.removeprefix("sqlite://"))) as connection:
            connection.execute(sql)
            connection.commit()


def row(bar: str, figure: float, wanted: str, noisy: bool = False) -> Row:
    met = None if wanted == "-" else holds(figure, wanted)
    say(f"{bar}: {number(figure)}")
    return Row(bar, number(figure), "-", "-", wanted, met, noisy)

"""The bars of what is told of alerts: how soon it leaves for Slack, at which pace, and whether a page gets through a storm."""

import time
from math import inf

from .alerts import APART, TOGETHER, Grouping, Shape, both, firebell, post, target
from .bots import Bench, Load
from .figures import NOISE_LIMIT, Round, Row, compared, holds, number, rounds
from .stores import noise_known
from .tools import BenchError, Report, peak_mb

BURST = 5_000
# How long what was ordered may take to be told, after the last order.
DELIVERY_SECONDS = 30.0
PACED_SECONDS = 10.0
UNTOLD: Report = {"count": 0, "p50_ms": inf, "p99_ms": inf}
# What src/slack/methods.rs lets a channel have at once.
ALLOWANCE = 4
# A storm is a minute long when a measurement is six seconds long.
STORM_PER_SECOND = 1_700
STORM_LENGTH = 10
STORM_MB = 100
PAGES_PER_SECOND = 0.2


def first_posts(bench: Bench) -> list[Row]:
    """From the moment when an alert was due to be posted to that of its card, or its webhook."""
    steady = ("--rate", 200, "--seconds", bench.seconds)
    burst = ("--count", BURST, "--seconds", 60)
    rows = told(bench, "200 per second", steady, {"p50_ms": "<= 3", "p99_ms": "<= 2"})
    return rows + told(bench, f"burst of {BURST:,}", burst, {"p99_ms": "<= 0.5"})


def told(bench: Bench, name: str, options: tuple[object, ...], bars: dict[str, str]) -> list[Row]:
    shape = Shape(name, 1, ("--connections", 16, "--warmup-count", 100, "--mark", *options), bars)
    ours, peer = both(bench, APART)
    store = bench.postgres

    def measure(backwards: bool) -> Round:
        results: Round = {}
        for kind in (ours, peer) if backwards else (peer, ours):
            with bench.fresh_bot(kind, store) as load:
                report = post(load, f"post to message, {name}", shape)
                seen = delivered(load, "a", report["latency"]["2xx"]["count"])
                results[kind.name] = report | {"delivered": seen}
        return results

    kept, noisy = rounds(bench, measure, noise_known(store))
    bar = f"alert to message, {store.name}, {name}"
    rows = []
    for which, wanted in bars.items():

        def figure(report: Report) -> float:
            return float(report["delivered"][which])

        rows.append(compared(f"{bar}: {which.replace('_', ' ')}", kept, peer, ours, figure, wanted, noisy))
    missing = [sum(missed(each[kind.name]) for each in kept) for kind in (ours, peer)]
    rows.append(Row(f"{bar}: not told", str(missing[0]), str(missing[1]), "-", "= 0", missing[0] == 0, noisy))
    return rows


def delivered(load: Load, kind: str, wanted: int) -> Report:
    """Waits until as many alerts (`a`) or slash commands (`s`) are told, and says how late: never, if none is."""
    deadline = time.monotonic() + DELIVERY_SECONDS
    while True:
        seen: Report = load.delivered()["delivered"]["latency"].get(kind, UNTOLD)
        if seen["count"] >= wanted or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    load.bench.runs.append({"what": "delivered", "bot": load.bot.kind.name, **seen})
    return seen


def missed(report: Report) -> int:
    return int(report["latency"]["2xx"]["count"] - report["delivered"]["count"])


def paced(bench: Bench) -> list[Row]:
    """A burst while Slack's pace is kept: the first message comes at once, and no channel gets more than it may."""
    rows = []
    for grouping in (TOGETHER, APART):
        shape = Shape("paced", 1, ("--connections", 16, "--count", BURST, "--seconds", 60, "--mark"), {})
        firsts, fullest = [], []
        for _ in range(bench.pairs):
            with bench.fresh_bot(firebell(bench, grouping, paced=True), bench.postgres) as load:
                post(load, f"burst of {BURST:,}, paced", shape)
                time.sleep(PACED_SECONDS)
                seen = load.delivered()["delivered"]
            bench.runs.append({"what": "paced", "bot": bench.ours.name, **seen})
            if "a" not in seen["latency"]:
                raise BenchError("nothing of a burst was told")
            firsts.append(seen["latency"]["a"]["first_ms"])
            fullest.append(max(channel["fullest"] for channel in seen["channels"].values()))
        bar = f"burst of {BURST:,}, paced, {grouping.name}"
        rows.append(within(f"{bar}: first message, ms", max(firsts), "<= 2,000"))
        rows.append(within(f"{bar}: most at once, beyond one a second", max(fullest), f"<= {ALLOWANCE}"))
    return rows


def storm(bench: Bench) -> list[Row]:
    """100,000 alerts in a minute, and somebody who declares an incident now and then, which is told at once."""
    quiet = paging(bench, TOGETHER, 0)
    rows = [Row("no storm: slowest page, ms", number(quiet["slowest_page_ms"]), "-", "-", "-", None)]
    for grouping in (TOGETHER, APART):
        seen = paging(bench, grouping, STORM_PER_SECOND)
        noisy = noise_known(bench.postgres) and seen["usage"]["other_cores"] > NOISE_LIMIT
        bar = f"storm of {seen['sent']:,} alerts, {grouping.name}"
        rows.append(within(f"{bar}: slowest page, ms", seen["slowest_page_ms"], "<= 1,000", noisy))
        rows.append(within(f"{bar}: pages that were not told", seen["untold"], "= 0", noisy))
        rows.append(within(f"{bar}: alerts that were not taken", seen["sent"] - taken(seen), "= 0", noisy))
        rows.append(within(f"{bar}: peak RSS MB", seen["peak_mb"], f"<= {STORM_MB}", noisy))
    return rows


def paging(bench: Bench, grouping: Grouping, alerts_per_second: int) -> Report:
    """Declares incidents during a storm: what became of the alerts, and how long the pages took."""
    seconds = bench.seconds * STORM_LENGTH
    with bench.fresh_bot(firebell(bench, grouping, paced=True), bench.postgres) as load:
        storm = ("--connections", 64, "--rate", alerts_per_second, "--seconds", seconds)
        end = load.begin("alerts", f"storm, {grouping.name}", *target(load.bot), *storm) if alerts_per_second else dict
        calls = ("--connections", 4, "--rate", PAGES_PER_SECOND, "--seconds", seconds, "--mark")
        declared = load.slash("pages in a storm", *calls)["sent"]
        report: Report = {**end(), "peak_mb": peak_mb(load.bot.pid)}
        page = delivered(load, "s", declared)
    untold = declared - page["count"]
    return report | {"slowest_page_ms": inf if untold else page["max_ms"], "untold": untold}


def taken(report: Report) -> int:
    return int(report["with_warmup"]["acknowledged"])


def within(bar: str, value: float, wanted: str, noisy: bool = False) -> Row:
    return Row(bar, number(value), "-", "-", wanted, holds(value, wanted), noisy)

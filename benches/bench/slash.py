"""The bars of slash commands: many people, one person, too many, a slow Slack, and whoever is not Slack."""

import json
import shlex
from statistics import median

from .bots import Bench, Kind
from .figures import Round, Row, beside, compared, holds, number, ratio_row, rounds, yes
from .reports import cpu_us, goodput, latency, neither_ack_nor_503, without_answer
from .stores import Store, noise_known
from .tools import Report, run_tool

SLOW_SLACK_MS = 6_000


def throughput(bench: Bench, store: Store) -> list[Row]:
    """Sixteen people at once."""
    peers = [bench.bolt_js, bench.bolt_python_async]
    kept, noisy = beside(bench, [peers[0], bench.ours, peers[1]], store, 16)
    bar = f"slash, {store.name}, 16 connections"
    rows = []
    for peer in peers:
        rows.append(compared(f"{bar}: per second / {peer.name}", kept, peer, bench.ours, goodput, ">= 1.5", noisy))
    rows.append(compared(f"{bar}: CPU us / {bench.bolt_js.name}", kept, peers[0], bench.ours, cpu_us, "<= 0.5", noisy))
    return rows


def single(bench: Bench, store: Store) -> list[Row]:
    """One person: what the database's commit and our own code take."""
    peers = [bench.bolt_js, bench.bolt_python_sync]
    kept, noisy = beside(bench, [peers[0], bench.ours, peers[1]], store, 1)
    own = [latency(each[bench.ours.name]) for each in kept]
    faster = [min(latency(each[peer.name]) for peer in peers) for each in kept]
    bar = f"slash, {store.name}, 1 connection: p50 ms / the faster Bolt"
    return [ratio_row(bar, own, faster, "<= 0.9", noisy)]


def overload(bench: Bench) -> list[Row]:
    """Twice what it can do: the bot must say no in time instead of yes too late."""

    def both(kind: Kind) -> Round:
        with bench.fresh_bot(kind, bench.postgres) as load:
            capacity = load.closed(16)
        with bench.fresh_bot(kind, bench.postgres) as load:
            return {"capacity": capacity, "overload": load.overload(goodput(capacity))}

    kept, noisy = rounds(bench, lambda _: both(bench.ours), noise_known(bench.postgres))
    peer = both(bench.bolt_js)
    p50s = [latency(each["overload"]) for each in kept]
    p50_peer = latency(peer["overload"])
    ratio = f"{median(p50s) / p50_peer:.3f}"
    in_time = "share_within_1s"

    def within_1s(report: Report) -> float:
        return 100 * latency(report["overload"], in_time)

    def of_capacity(each: Round) -> float:
        return goodput(each["overload"]) / goodput(each["capacity"])

    def row(bar: str, own: float, theirs: float, wanted: str) -> Row:
        return Row(f"overload 2 x: {bar}", number(own), number(theirs), "-", wanted, holds(own, wanted), noisy)

    def lost(each: Round) -> int:
        return without_answer(each["overload"])

    def odd(each: Round) -> int:
        return neither_ack_nor_503(each["overload"])

    return [
        row("% of acks within 1 s", median([within_1s(each) for each in kept]), within_1s(peer), ">= 99.9"),
        row("goodput / capacity", median([of_capacity(each) for each in kept]), of_capacity(peer), ">= 0.8"),
        row("without an answer", sum(map(lost, kept)), lost(peer), "= 0"),
        row("neither 2xx nor 503", sum(map(odd, kept)), odd(peer), "= 0"),
        Row("overload 2 x: p50 ms of acks", number(median(p50s)), number(p50_peer), ratio, "-", None, noisy),
    ]


def slack_slow(bench: Bench) -> list[Row]:
    """Slack's own API hangs: the typist must not notice."""

    def measure(_: bool) -> Round:
        with bench.fresh_bot(bench.ours, bench.postgres, SLOW_SLACK_MS) as load:
            return {"ours": load.slash("slow Slack", "--rate", 50, "--connections", 16, "--seconds", bench.seconds)}

    kept, noisy = rounds(bench, measure, noise_known(bench.postgres))
    p99 = median([latency(each["ours"], "p99_ms") for each in kept])
    refused = sum(each["ours"]["sent"] - each["ours"]["with_warmup"]["acknowledged"] for each in kept)
    bar = f"Slack takes {SLOW_SLACK_MS:,} ms, 50/s"
    return [
        Row(f"{bar}: p99 ms of acks", number(p99), "-", "-", "< 100", p99 < 100, noisy),
        Row(f"{bar}: not acknowledged", str(refused), "-", "-", "= 0", refused == 0, noisy),
    ]


BAD_INPUT = {
    "unsigned": 401,
    "stale": 401,
    "tampered": 401,
    "oversized": 413,
    "oversized chunked": 413,
    "malformed": 400,
}


def bad_input(bench: Bench) -> list[Row]:
    """What must be refused is refused, early, and leaves nothing behind."""
    with bench.fresh_bot(bench.ours, bench.sqlite) as load:
        load.slash("one good command", "--count", 1)
        before = load.stored()
        command = [str(bench.load), "bad", *load.target()]
        bench.commands.setdefault("load, bad input", shlex.join(command))
        answers: list[Report] = json.loads(run_tool(command))
        after = load.stored()
    bench.runs.append({"what": "bad input", "bot": bench.ours.name, "answers": answers})
    rows = []
    for answer in answers:
        wanted = BAD_INPUT[answer["case"]]
        bar = f"bad input, {answer['case']}: status"
        rows.append(Row(bar, str(answer["status"]), "-", "-", f"= {wanted}", answer["status"] == wanted))
    early = all(answer["answered_before_complete"] for answer in answers if answer["case"].startswith("oversized"))
    rows.append(Row("bad input, oversized: answered before its end", yes(early), "-", "-", "yes", early))
    rows.append(Row("bad input: rows added", str(after - before), "-", "-", "= 0", after == before))
    return rows

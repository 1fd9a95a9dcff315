"""The bar of a long record that is exported."""

import contextlib
import hashlib
import json
import os
import shlex
import sqlite3
import subprocess
import time
from statistics import median
from typing import Any

from .bots import Bench
from .figures import Row, holds, number
from .tools import BenchError, peak_mb, run_tool

STORED_ENTRIES = 100_000
# Little beside the record itself: an export is written while it is read.
EXPORT_MB = 64


def export_timeline(bench: Bench) -> list[Row]:
    """The export of one incident with 100,000 entries, in the form that proves itself and in the one that draws."""
    rows = []
    with bench.sqlite.fresh() as database:
        environment = os.environ | {"DATABASE_URL": database, "FIREBELL_CONFIG": os.devnull}
        incident = fill_timeline(bench.ours.command[0], database, environment)
        for form in ("json", "html"):
            command = [bench.ours.command[0], "export", incident, "--format", form]
            bench.commands.setdefault(f"export, {form}", shlex.join(command))
            seconds, peaks = zip(*(timed(command, environment) for _ in range(bench.pairs)), strict=True)
            bench.runs.append({"what": "export", "bot": bench.ours.name, "form": form, "s": seconds, "mb": peaks})
            bar = f"export of {STORED_ENTRIES:,} entries, {form}"
            rows.append(export_row(f"{bar}: seconds", median(seconds), "< 2"))
            rows.append(export_row(f"{bar}: peak RSS MB", median(peaks), f"< {EXPORT_MB}"))
    return rows


def export_row(bar: str, value: float, wanted: str) -> Row:
    return Row(bar, number(value), "-", "-", wanted, holds(value, wanted))


def fill_timeline(firebell: str, database: str, environment: dict[str, str]) -> str:
    """Declares an incident and writes a long record behind its declaration, as the store would; returns its id.

    Every tenth entry is a message that was kept an hour later, which stands elsewhere in an export.
    """
    declare = [firebell, "incident", "declare", "p1", "a", "long", "night"]
    incident = run_tool(declare, env=environment).split()[1]
    with contextlib.closing(sqlite3.connect(database.removeprefix("sqlite://"))) as store, store:
        state, head, seq = store.execute(
            "SELECT state, head, version FROM incidents WHERE id = ?", [incident]
        ).fetchone()
        actor, now_ms = store.execute(
            "SELECT actor, recorded_at_ms FROM events WHERE incident_id = ?", [incident]
        ).fetchone()
        who = {"slack": "U0BENCH001", "name": "ana"}
        rows = []
        while seq < STORED_ENTRIES:
            seq, now_ms = seq + 1, now_ms + 300
            happened_ms = now_ms
            event: dict[str, Any] = {"event": "note_added"}
            event["text"] = f"note {seq}: restarted pod checkout-{seq % 13}-{seq}, latency is {seq % 500} ms"
            if seq % 10 == 0:
                happened_ms = now_ms - 3_600_000
                written = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(happened_ms / 1000))
                happened_ms -= happened_ms % 1000
                event |= {
                    "event": "message_kept",
                    "written_at": written,
                    "mark": "pin",
                    "author": who,
                    "marked_by": who,
                }
                event["message"] = {"channel": "C0BENCH001", "ts": "1757860020.000100"}
            kind, payload = event["event"], json.dumps(event)
            head = chained(head, incident, seq, kind, happened_ms, now_ms, actor, payload)
            rows.append((incident, seq, kind, happened_ms, now_ms, actor, payload, head))
        store.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        stands = json.dumps(json.loads(state) | {"version": seq})
        store.execute(
            "UPDATE incidents SET state = ?, version = ?, head = ? WHERE id = ?", (stands, seq, head, incident)
        )
    # A record that does not hold would measure something else.
    run_tool([firebell, "audit", "verify"], env=environment)
    return incident


def chained(*fields: str | int) -> str:
    """The hash of an entry after the one before it: each field behind its length (src/store/chain.rs)."""
    digest = hashlib.sha256()
    for value in fields:
        data = value.to_bytes(8, "big", signed=True) if isinstance(value, int) else value.encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def timed(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Runs a command to its end: seconds, and the peak of its memory in MB.

    The peak is read while it runs: that of wait4 would hold our own memory from before the exec.
    """
    peak = 0.0
    begun = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, peak_mb(process.pid))
            time.sleep(0.002)
    if process.returncode != 0:
        raise BenchError(f"{shlex.join(command)} failed")
    return time.perf_counter() - begun, peak

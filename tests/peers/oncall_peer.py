"""Reckons who is on call, by the rules that are written for people and by nothing of Firebell's own.

Usage: oncall_peer.py FILE

The file holds schedules as JSON: {"zone", "rotations": [{"participants", "shift_hours", "handoff", "hours"}], "overrides":
[{"person", "from", "to"}], "from", "to"}; moments are seconds since 1970, `handoff` and the minutes of `hours` are on the
wall clock. Printed is a line for each: the stretches [person or null, from, to] that the time from `from` to `to` falls
into.

The rules: the k-th hand-off is `handoff` plus k shifts on the wall clock. A wall-clock time that does not exist is as much
later as the clocks were moved; one that exists twice is its first occurrence. On is the latest turn whose hand-off has
been; before the first nobody is. Hours count on the days on which they begin, if there is such a day. A later rotation
covers an earlier one, an override covers all, and the override that was made last covers the others.
"""

import json
import sys
import zoneinfo
from datetime import date, datetime, timedelta, timezone

UTC = timezone.utc
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# The zones of the package from PyPI, whichever this machine has.
zoneinfo.reset_tzpath(to=[])


def seconds(moment):
    return (moment - EPOCH) // timedelta(seconds=1)


def instant(local, zone):
    """`fold=0`: before a gap and before a repetition the old offset holds."""
    return seconds(local.replace(tzinfo=zone, fold=0).astimezone(UTC))


def local_date(at, zone):
    return (EPOCH + timedelta(seconds=at)).astimezone(zone).date()


def handoffs(rotation, zone, until):
    """Every hand-off up to a moment, from the first on, whose number is its place."""
    found = []
    local = datetime.fromisoformat(rotation["handoff"])
    step = timedelta(hours=rotation["shift_hours"])
    # A day longer: one that a country skips puts hand-offs of two days into one.
    while (at := instant(local, zone)) <= until + 2 * 86_400:
        found.append(at)
        local += step
    return found


def windows(hours, zone, begin, end):
    """The stretches in which the hours count, one for each day."""
    if hours is None:
        return None
    days, start, stop = hours["days"], hours["from_minute"], hours["to_minute"]
    found = []
    day = local_date(begin, zone) - timedelta(days=3)
    last = local_date(end, zone) + timedelta(days=3)
    while day <= last:
        noon = instant(datetime(day.year, day.month, day.day, 12), zone)
        if days[day.weekday()] and local_date(noon, zone) == day:
            midnight = datetime(day.year, day.month, day.day)
            length = stop if stop > start else stop + 24 * 60
            found.append(
                (
                    instant(midnight + timedelta(minutes=start), zone),
                    instant(midnight + timedelta(minutes=length), zone),
                )
            )
        day += timedelta(days=1)
    return found


def stretches(plan):
    zone = zoneinfo.ZoneInfo(plan["zone"])
    begin, end = plan["from"], plan["to"]
    rotations = [
        (rotation["participants"], handoffs(rotation, zone, end), windows(rotation["hours"], zone, begin, end))
        for rotation in plan["rotations"]
    ]

    def on_call(at):
        for override in reversed(plan["overrides"]):
            if override["from"] <= at < override["to"]:
                return override["person"]
        for participants, turns, hours in reversed(rotations):
            if hours is not None and not any(start <= at < stop for start, stop in hours):
                continue
            been = [number for number, turn in enumerate(turns) if turn <= at]
            if been:
                return participants[been[-1] % len(participants)]
        return None

    edges = {begin}
    for override in plan["overrides"]:
        edges |= {override["from"], override["to"]}
    for _, turns, hours in rotations:
        edges |= set(turns)
        for window in hours or []:
            edges |= set(window)
    edges = sorted(edge for edge in edges if begin <= edge < end)
    found = []
    for start, stop in zip(edges, edges[1:] + [end]):
        person = on_call(start)
        if found and found[-1][0] == person:
            found[-1][2] = stop
        else:
            found.append([person, start, stop])
    return found


with open(sys.argv[1], encoding="utf-8") as file:
    plans = json.load(file)
for plan in plans:
    print(json.dumps(stretches(plan), separators=(",", ":")))

"""Reckons the turns of a calendar with icalendar and recurring-ical-events.

Usage: recurring_peer.py FILE ZONE FROM TO

Whole days and times without a zone are ZONE's. FROM and TO are like 2025-01-01. Printed is a JSON list of [summary, from, to],
seconds since 1970, of all turns that touch the time between.
"""

import json
import sys
from datetime import datetime, time
from zoneinfo import ZoneInfo

import recurring_ical_events
from icalendar import Calendar

path, zone, begin, end = sys.argv[1:]
zone = ZoneInfo(zone)
with open(path, "rb") as file:
    calendar = Calendar.from_ical(file.read())


def seconds(moment):
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return int(moment.timestamp())


found = []
for event in recurring_ical_events.of(calendar).between(
    datetime.fromisoformat(begin).replace(tzinfo=zone), datetime.fromisoformat(end).replace(tzinfo=zone)
):
    if event.get("STATUS") == "CANCELLED":
        continue
    found.append([str(event["SUMMARY"]), seconds(event["DTSTART"].dt), seconds(event["DTEND"].dt)])
print(json.dumps(sorted(found, key=lambda it: (it[1], it[2], it[0]))))

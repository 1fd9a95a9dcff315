"""Reads a calendar with icalendar, as a subscriber's program would, and tells what stands in it.

Usage: icalendar_peer.py FILE
"""

import json
import sys
from datetime import datetime, timedelta, timezone

from icalendar import Calendar
from icalendar.parser import unescape_char

with open(sys.argv[1], "rb") as file:
    raw = file.read()

# RFC 5545 section 3.1: lines end in CRLF and hold at most 75 octets; no character is cut in two.
assert raw.endswith(b"END:VCALENDAR\r\n"), raw[-40:]
for line in raw.removesuffix(b"\r\n").split(b"\r\n"):
    assert b"\r" not in line and b"\n" not in line, line
    assert len(line) <= 75, line
    line.decode("utf-8")

calendar = Calendar.from_ical(raw)
assert calendar["VERSION"] == "2.0" and calendar["PRODID"], calendar
assert calendar.errors == [], calendar.errors
assert calendar["REFRESH-INTERVAL"].dt == timedelta(minutes=15), calendar["REFRESH-INTERVAL"]

events = []
for event in calendar.walk("VEVENT"):
    assert event.errors == [], event.errors
    assert isinstance(event["DTSTAMP"].dt, datetime) and event["DTSTAMP"].dt.tzinfo is not None
    start, end = event["DTSTART"].dt, event["DTEND"].dt
    for moment in (start, end):
        assert moment.utcoffset() == timedelta(0), moment
    assert start < end, event
    events.append(
        {
            "uid": str(event["UID"]),
            "from": start.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "to": end.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "summary": str(event["SUMMARY"]),
        }
    )
uids = [event["uid"] for event in events]
assert len(set(uids)) == len(uids), "two events have the same UID"
# RFC 7986 says that it is text; icalendar does not know that yet.
print(json.dumps({"name": unescape_char(str(calendar["NAME"])), "events": events}))

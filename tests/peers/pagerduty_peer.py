"""PagerDuty's own Python client as a peer of the door that takes its Events API v2: the last major version that takes an
address without TLS.

Usage: pagerduty_peer.py http://127.0.0.1:PORT KEY opens|THE-KEY-THAT-WAS-MADE
"""

import sys

import pagerduty

from peer import check, finish, same

url, key, part = sys.argv[1:]


def client_with(key):
    client = pagerduty.EventsApiV2Client(key)
    client.url = url
    return client


client = client_with(key)


def refused(name, status, call):
    """What the client tells of a refusal."""
    try:
        answer = call()
    except pagerduty.HttpError as error:
        same(f"{name}, the status", error.response.status_code, status)
        same(f"{name}, what kind", error.response.json()["status"], "invalid event")
        return error.response.json()["errors"]
    check(f"{name}: expected {status}", False, answer)


if part == "opens":
    same("an alert", client.trigger("DISK at 99 %", "db1", dedup_key="db1/disk", custom_details={"mount": "/data"}), "db1/disk")
    same("again", client.trigger("DISK at 99 %", "db1", dedup_key="db1/disk"), "db1/disk")
    same("acknowledged", client.acknowledge("db1/disk"), "db1/disk")
    links = [{"href": "https://runbooks.example.com/cpu", "text": "The runbook"}]
    payload = {"component": "cpu", "group": "prod", "class": "load"}
    made = client.trigger("CPU is hot", "web-3", severity="warning", payload=payload, links=links)
    check("an alert without a key is given one", isinstance(made, str) and made, made)
    print(f"made {made}")

    wrong = refused("a severity of its own", 400, lambda: client.trigger("x", "y", severity="P1", dedup_key="bad"))
    check("the severity is named", any("payload.severity" in it for it in wrong), wrong)
    wrong = refused("nothing said", 400, lambda: client.trigger("", "", dedup_key="bad"))
    same("both are named", [it.split()[0] for it in wrong], ["'payload.summary'", "'payload.source'"])
    wrong = refused("too long a key", 400, lambda: client.resolve("k" * 256))
    check("the key is named", "'dedup_key'" in wrong[0], wrong)
    stranger = client_with("f" * 32)
    wrong = refused("a wrong key", 401, lambda: stranger.trigger("x", "y", dedup_key="bad"))
    check("the routing key is named", "'routing_key'" in wrong[0], wrong)
    refused("a change with a wrong key", 401, lambda: stranger.submit("x"))

    client.submit("Deployed 412", source="ci", custom_details={"build": "412"}, links=links)
    client.submit("Deployed 413", timestamp="2026-08-20T09:14:02+0000")
    wrong = refused("a change that says nothing", 400, lambda: client.send_change_event({"source": "ci"}))
    check("the summary is named", "payload.summary" in wrong[0], wrong)
else:
    made = part
    for known in ("db1/disk", made):
        same("resolved", client.resolve(known), known)
    same("what nobody knows is resolved as well", client.resolve("never-heard-of"), "never-heard-of")

finish()

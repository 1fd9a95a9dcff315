"""Opsgenie's own Python SDK as a peer of the door that takes its alert API.

Usage: opsgenie_peer.py http://127.0.0.1:PORT KEY opens|closes
"""

import datetime
import sys

import opsgenie_sdk
from opsgenie_sdk import (
    AcknowledgeAlertPayload,
    AddDetailsToAlertPayload,
    AddNoteToAlertPayload,
    AddTagsToAlertPayload,
    AssignAlertPayload,
    CloseAlertPayload,
    CreateAlertPayload,
    SnoozeAlertPayload,
)

from peer import check, finish, same

url, key, part = sys.argv[1:]
ALIAS = "checkout/5xx eu"


def client(key):
    configuration = opsgenie_sdk.Configuration()
    configuration.host = url
    # A dictionary of its own: the SDK shares one between configurations.
    configuration.api_key = {"Authorization": key}
    configuration.retry_enabled = False
    return opsgenie_sdk.ApiClient(configuration=configuration)


def alerts(key):
    return opsgenie_sdk.AlertApi(client(key))


api = alerts(key)
note = AddNoteToAlertPayload(note="rolling back", user="ana")
heartbeats = opsgenie_sdk.HeartbeatApi(client(key))


def taken(name, answer, success=True):
    same(name, answer.result, "Request will be processed")
    check(f"{name}: it took a time", answer.took is not None, answer)
    became = api.get_request_status(answer.request_id)
    same(f"{name}: what it is asked about", became.request_id, answer.request_id)
    same(f"{name}: what became of it", became.data.is_success, success)
    same(f"{name}: in words", became.data.status, "Stored" if success else "Alert does not exist")


def refused(name, status, call):
    """What the SDK tells of a refusal."""
    try:
        answer = call()
    except opsgenie_sdk.exceptions.OpenApiException as error:
        same(f"{name}, the status", error.status, status)
        return error.body
    check(f"{name}: expected {status}", False, answer)


if part == "opens":
    create = CreateAlertPayload(
        message="Checkout answers with 5xx",
        alias=ALIAS,
        description="The load balancer says so.",
        responders=[{"name": "payments", "type": "team"}],
        tags=["prod"],
        details={"region": "eu-1", "runbook": "https://runbooks.example.com/checkout"},
        entity="checkout",
        priority="P1",
    )
    taken("an alert", api.create_alert(create_alert_payload=create))
    taken("again", api.create_alert(create_alert_payload=create))
    taken("another", api.create_alert(create_alert_payload=CreateAlertPayload(message="Disk", alias="disk")))
    taken("a note", api.add_note(ALIAS, note, identifier_type="alias"))
    ack = AcknowledgeAlertPayload(user="ana", note="on it")
    taken("acknowledged", api.acknowledge_alert(ALIAS, identifier_type="alias", acknowledge_alert_payload=ack))

    by = {"identifier_type": "alias"}
    taken("tagged", api.add_tags(ALIAS, AddTagsToAlertPayload(tags=["slow"]), **by))
    taken("detailed", api.add_details(ALIAS, AddDetailsToAlertPayload(details={"zone": "b"}), **by))
    taken("assigned", api.assign_alert(ALIAS, AssignAlertPayload(owner={"username": "ana"}), **by))
    later = datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc)
    taken("snoozed", api.snooze_alert(ALIAS, SnoozeAlertPayload(end_time=later, note="later"), **by))

    alert = api.get_alert(ALIAS, identifier_type="alias").data
    same("its alias", alert.alias, ALIAS)
    same("its id is the alias", api.get_alert(alert.id).data.message, "Checkout answers with 5xx")
    same("its priority", alert.priority, "P1")
    same("it is open", alert.status, "open")
    same("somebody has it", alert.acknowledged, True)
    same("its details", alert.details["region"], "eu-1")
    same("its tags", alert.tags, ["prod"])
    same("its team", [it.id for it in alert.responders], ["payments"])
    check("since when", isinstance(alert.created_at, datetime.datetime), alert.created_at)
    same("the open ones", sorted(it.alias for it in api.list_alerts().data), [ALIAS, "disk"])
    same("those of a kind", [it.alias for it in api.list_alerts(query='alias: "disk" AND status: open').data], ["disk"])
    same("a page of them", len(api.list_alerts(limit=1, offset=1).data), 1)
    same("their count", api.count_alerts().data.count, 2)
    same("a count of some", api.count_alerts(query="priority: P1").data.count, 1)
    refused("nobody's alert", 404, lambda: api.get_alert("other", identifier_type="alias"))
    refused("a query for what is not searched", 422, lambda: api.list_alerts(query="tag: prod"))
    refused("a stranger's list", 401, lambda: alerts("wrong").list_alerts())

    same("a ping", heartbeats.ping("replication").result, "PONG - Heartbeat received")
    refused("a ping of nobody", 404, lambda: heartbeats.ping("nobody"))

    said = refused("no message", 422, lambda: api.create_alert(create_alert_payload=CreateAlertPayload(message="")))
    check("the message is named", '"message"' in said, said)
    said = refused("by its number", 422, lambda: api.close_alert("17", identifier_type="tiny"))
    check("the alias is named", "identifierType=alias" in said, said)
    # What is not taken here is refused in JSON, which the SDK reads before it looks at the status.
    refused("an escalation", 404, lambda: api.escalate_alert("disk", {"escalation": {"name": "x"}}, identifier_type="alias"))
    refused("deletion", 405, lambda: api.delete_alert("disk", identifier_type="alias"))
    refused("notes to read", 405, lambda: api.list_notes("disk", identifier_type="alias"))
    refused("a request of nobody", 404, lambda: api.get_request_status("nonsense"))
    stranger = alerts("wrong")
    said = refused("a wrong key", 401, lambda: stranger.create_alert(create_alert_payload=create))
    check("the key is named", "GenieKey" in said, said)
    refused("a wrong key asks", 401, lambda: stranger.get_request_status("nonsense"))
    refused("a wrong key closes", 401, lambda: stranger.close_alert("disk", identifier_type="alias"))
else:
    close = CloseAlertPayload(user="ana", source="terminal", note="rolled back")
    taken("closed", api.close_alert(ALIAS, identifier_type="alias", close_alert_payload=close))
    same("it is closed", api.get_alert(ALIAS, identifier_type="alias").data.status, "closed")
    taken("closed without a word", api.close_alert("disk", identifier_type="alias"))
    taken("what nobody knows", api.close_alert("nothing", identifier_type="alias"), success=False)
    taken("a note on it", api.add_note("nothing", note, identifier_type="alias"), success=False)
    taken("a note on what is closed", api.add_note(ALIAS, note, identifier_type="alias"))

finish()

"""Opsgenie's own Python SDK as a peer of the door that takes its alert API.

Usage: opsgenie_peer.py http://127.0.0.1:PORT KEY opens|closes
"""

import sys

import opsgenie_sdk
from opsgenie_sdk import (
    AcknowledgeAlertPayload,
    AddNoteToAlertPayload,
    CloseAlertPayload,
    CreateAlertPayload,
)

from peer import check, finish, same

url, key, part = sys.argv[1:]
ALIAS = "checkout/5xx eu"


def alerts(key):
    configuration = opsgenie_sdk.Configuration()
    configuration.host = url
    configuration.api_key["Authorization"] = key
    configuration.retry_enabled = False
    return opsgenie_sdk.AlertApi(opsgenie_sdk.ApiClient(configuration=configuration))


api = alerts(key)


def taken(name, answer):
    same(name, answer.result, "Request will be processed")
    check(f"{name}: it took a time", answer.took is not None, answer)
    became = api.get_request_status(answer.request_id)
    same(f"{name}: what it is asked about", became.request_id, answer.request_id)
    same(f"{name}: what became of it", became.data.is_success, True)


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
    note = AddNoteToAlertPayload(note="rolling back", user="ana")
    taken("a note", api.add_note(ALIAS, note, identifier_type="alias"))
    ack = AcknowledgeAlertPayload(user="ana", note="on it")
    taken("acknowledged", api.acknowledge_alert(ALIAS, identifier_type="alias", acknowledge_alert_payload=ack))

    said = refused("no message", 422, lambda: api.create_alert(create_alert_payload=CreateAlertPayload(message="")))
    check("the message is named", '"message"' in said, said)
    said = refused("by its id", 422, lambda: api.close_alert("17"))
    check("the alias is named", "identifierType=alias" in said, said)
    # What is not taken here is refused in JSON, which the SDK reads before it looks at the status.
    refused("tags", 404, lambda: api.add_tags("disk", {"tags": ["x"]}, identifier_type="alias"))
    refused("deletion", 404, lambda: api.delete_alert("disk", identifier_type="alias"))
    refused("notes to read", 405, lambda: api.list_notes("disk", identifier_type="alias"))
    refused("a list", 405, lambda: api.list_alerts())
    refused("a request of nobody", 404, lambda: api.get_request_status("nonsense"))
    stranger = alerts("wrong")
    said = refused("a wrong key", 401, lambda: stranger.create_alert(create_alert_payload=create))
    check("the key is named", "GenieKey" in said, said)
    refused("a wrong key asks", 401, lambda: stranger.get_request_status("nonsense"))
    refused("a wrong key closes", 401, lambda: stranger.close_alert("disk", identifier_type="alias"))
else:
    close = CloseAlertPayload(user="ana", source="terminal", note="rolled back")
    taken("closed", api.close_alert(ALIAS, identifier_type="alias", close_alert_payload=close))
    taken("closed without a word", api.close_alert("disk", identifier_type="alias"))
    taken("what nobody knows is closed as well", api.close_alert("nothing", identifier_type="alias"))

finish()

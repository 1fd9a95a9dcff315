"""slack_sdk's built-in Socket Mode client as a peer of the simulator: opens, acknowledges, reconnects.

Usage: socket_mode_peer.py http://127.0.0.1:PORT   (a fresh workspace with default options)
"""

import sys
import threading
import time
import urllib.error
import urllib.request

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.response import SocketModeResponse

from peer import Simulator, check, finish, same

TOKEN = "xapp-1-simulator"
origin = sys.argv[1].rstrip("/")
base_url = f"{origin}/api/"
simulator = Simulator(origin)


def error_of(name, call, expected):
    try:
        answer = call()
    except SlackApiError as error:
        same(name, error.response["error"], expected)
        return
    check(f"{name}: expected the error {expected}", False, answer.data)


def until(name, is_so):
    deadline = time.monotonic() + 15
    while not is_so():
        check(name, time.monotonic() < deadline)
        time.sleep(0.02)


# --- tokens
web = WebClient(base_url=base_url)
error_of("a bot token opens nothing", lambda: web.apps_connections_open(app_token="xoxb-simulator"), "not_allowed_token_type")
error_of("a wrong token opens nothing", lambda: web.apps_connections_open(app_token="xapp-no"), "invalid_auth")
error_of("an app token is for nothing else", lambda: WebClient(token=TOKEN, base_url=base_url).auth_test(), "not_allowed_token_type")
url = web.apps_connections_open(app_token=TOKEN)["url"]
check("the address holds a ticket", url.startswith("ws://") and "/link/?ticket=" in url and "&app_id=A" in url, url)
other = web.apps_connections_open(app_token=TOKEN)["url"]
check("each ticket is another", other != url)

# --- a connection
simulator.post("socket_mode")
simulator.post("users", name="ana")
simulator.post("channels", name="ops", members=["ana", "firebell"])
received = []
frames = []
ready = threading.Event()


def answer(client, request):
    received.append(request)
    payload = None
    if request.type == "slash_commands":
        payload = {"text": f"you said {request.payload['text'][:40]}"}
    client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id, payload=payload))


def frame(client, message, raw):
    frames.append(message)
    if message.get("type") == "hello":
        ready.set()


client = SocketModeClient(app_token=TOKEN, web_client=web, ping_interval=1)
client.socket_mode_request_listeners.append(answer)
client.message_listeners.append(frame)
client.connect()
check("hello comes", ready.wait(10))
hello = frames[0]
same("hello", [hello["type"], hello["num_connections"]], ["hello", 1])
check("hello, the app", hello["connection_info"]["app_id"].startswith("A"), hello)
check("hello, for how long", hello["debug_info"]["approximate_connection_time"] > 0, hello)

# --- a slash command
said = simulator.post("types", user="ana", channel="ops", text="/incident declare p1 down")
same("the answer is shown", [message["text"] for message in said["shown"]], ["you said declare p1 down"])
same("the command", [received[-1].type, received[-1].payload["command"]], ["slash_commands", "/incident"])
check("it takes a payload", received[-1].accepts_response_payload)

# --- a large one, in more than one read of the socket
long = "x" * 150_000
said = simulator.post("types", user="ana", channel="ops", text=f"/incident note {long}")
same("a large payload arrives", len(received[-1].payload["text"]), len(long) + 5)

# --- an interaction
said = simulator.post("shortcuts", user="ana", callback_id="declare_incident")
same("the shortcut is acknowledged", [said["status"], said["body"]], [200, ""])
same("the shortcut", [received[-1].type, received[-1].payload["type"]], ["interactive", "shortcut"])
check("it takes no payload", not received[-1].accepts_response_payload)

# --- an event, and once again
said = simulator.post("types", user="ana", channel="ops", text="hello")
simulator.post("settle")
event = received[-1]
same("the event", [event.type, event.payload["event"]["text"]], ["events_api", "hello"])
same("the first attempt", [event.retry_attempt, event.retry_reason], [0, ""])
simulator.post("redeliver", event_id=event.payload["event_id"])
same("the second", [received[-1].payload["event_id"], received[-1].retry_attempt], [event.payload["event_id"], 1])

# --- a disconnect: the client connects again
for reason in ["warning", "refresh_requested"]:
    before = simulator.get("sockets")["open"]
    simulator.post("sockets", order="disconnect", socket=before[-1], reason=reason)
    until(f"a new connection after {reason}", lambda: any(it not in before for it in simulator.get("sockets")["open"]))
    simulator.post("sockets", order="close", socket=before[-1])
    until("the old one closes", lambda: len(simulator.get("sockets")["open"]) == 1)
    until("the client is connected", client.is_connected)
    said = simulator.post("types", user="ana", channel="ops", text=f"/incident {reason}")
    same("it answers on the new one", [message["text"] for message in said["shown"]], [f"you said {reason}"])

# --- a ticket opens one connection
try:
    request = urllib.request.Request(client.wss_uri.replace("ws://", "http://"))
    with urllib.request.urlopen(request, timeout=10) as again:
        check("a used ticket opens nothing", False, again.status)
except urllib.error.HTTPError as error:
    same("a used ticket opens nothing", error.code, 403)

state = simulator.get("sockets")
same("the client broke no rule", state["faults"], [])
check("each envelope once", all(len(it["acked_on"]) == 1 for it in state["envelopes"]), state["envelopes"])
client.close()
finish()

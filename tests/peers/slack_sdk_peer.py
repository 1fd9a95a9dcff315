"""slack_sdk (PyPI) as a peer of the simulator: drives every method and compares with Slack's contract.

Usage: slack_sdk_peer.py http://127.0.0.1:PORT   (a fresh workspace with default options)
"""

import json
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler
from slack_sdk.models.blocks import (
    ActionsBlock,
    ButtonElement,
    ContextBlock,
    HeaderBlock,
    InputBlock,
    PlainTextInputElement,
    SectionBlock,
    StaticSelectElement,
)
from slack_sdk.models.blocks.basic_components import Option
from slack_sdk.models.metadata import Metadata
from slack_sdk.models.views import View
from slack_sdk.signature import SignatureVerifier
from slack_sdk.webhook import WebhookClient

from peer import Simulator, check, finish, same

TOKEN = "xoxb-simulator"
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"

origin = sys.argv[1].rstrip("/")
base_url = f"{origin}/api/"
simulator = Simulator(origin)
client = WebClient(token=TOKEN, base_url=base_url)


def error_of(name, call, expected, **more):
    """The call must fail with this error (and these fields)."""
    try:
        answer = call()
    except SlackApiError as error:
        same(name, error.response["error"], expected)
        for field, value in more.items():
            same(f"{name}, {field}", error.response[field], value)
        return error.response
    check(f"{name}: expected the error {expected}", False, answer.data)


# --- the app: it answers what the simulator sends, and keeps everything it was sent ----------------------------


class App(BaseHTTPRequestHandler):
    received = []
    answers = {}

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        App.received.append((self.path, dict(self.headers), body))
        if self.path == "/events" and b"url_verification" in body:
            return self.answer(200, json.loads(body)["challenge"], "text/plain")
        status, text, kind = App.answers.get(self.path, (200, "", "text/plain"))
        self.answer(status, text, kind)

    def answer(self, status, text, kind):
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), App)
threading.Thread(target=server.serve_forever, daemon=True).start()
app = f"http://127.0.0.1:{server.server_port}"


def sent_to(path):
    return [body for at, _, body in App.received if at == path]


def payload_of(body):
    return json.loads(urllib.parse.parse_qs(body.decode())["payload"][0])


def json_answer(path, body):
    App.answers[path] = (200, json.dumps(body), "application/json")


def no_answer(path):
    App.answers.pop(path, None)


# --- people and places -----------------------------------------------------------------------------------------

ana = simulator.post("users", name="ana")["id"]
bo = simulator.post("users", name="bo")["id"]
gone = simulator.post("users", name="gone", deleted=True)["id"]
foreign = simulator.post("channels", name="foreign", members=["ana"])["id"]
secret = simulator.post("channels", name="secret", is_private=True, members=["ana"])["id"]

# --- protocol: tokens, encodings, unknown methods ----------------------------------------------------------------

who = client.auth_test()
same("auth.test names the team", who["team_id"], "T0000000001")
bot, bot_id = who["user_id"], who["bot_id"]
check("auth.test names bot user and bot", bot.startswith("U") and bot_id.startswith("B"), who.data)
check("answers carry Slack's time", who.headers["date"].endswith(" GMT"), who.headers)
check("answers carry the granted scopes", "chat:write" in who.headers["x-oauth-scopes"], who.headers)
error_of("no token", lambda: WebClient(base_url=base_url).auth_test(), "not_authed")
error_of("a wrong token", lambda: WebClient(token="xoxb-no", base_url=base_url).auth_test(), "invalid_auth")
error_of("a bot token for Socket Mode", lambda: client.apps_connections_open(app_token=TOKEN), "not_allowed_token_type")
error_of("a method that does not exist", lambda: client.api_call("chat.sing"), "unknown_method")


def raw(path, body, content_type, headers=True):
    request = urllib.request.Request(base_url + path, data=body)
    if content_type:
        request.add_header("Content-Type", content_type)
    if headers:
        request.add_header("Authorization", f"Bearer {TOKEN}")
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


seen = raw("auth.test", b"{}", "application/json")
same("JSON without charset succeeds", seen["ok"], True)
same("JSON without charset is warned of", seen["response_metadata"]["warnings"], ["missing_charset"])
same("a token in JSON is not read", raw("auth.test", json.dumps({"token": TOKEN}).encode(), "application/json; charset=utf-8", False)["error"], "not_authed")
same("a token in the query is not read", raw(f"auth.test?token={TOKEN}", b"a=b", "application/x-www-form-urlencoded", False)["error"], "not_authed")
same("a token in a form is read", raw("auth.test", f"token={TOKEN}".encode(), "application/x-www-form-urlencoded", False)["ok"], True)
same("broken JSON", raw("auth.test", b"{", "application/json; charset=utf-8")["error"], "invalid_json")
same("a JSON array", raw("auth.test", b"[]", "application/json; charset=utf-8")["error"], "json_not_object")
same("a strange content type", raw("auth.test", b"x", "text/csv")["error"], "invalid_post_type")
same("getUploadURLExternal refuses JSON", raw("files.getUploadURLExternal", b'{"filename":"a","length":1}', "application/json")["error"], "invalid_arguments")

# --- channels ----------------------------------------------------------------------------------------------------

room = client.conversations_create(name="incident-2025-0914-001")["channel"]
same("a created channel has its name", room["name"], "incident-2025-0914-001")
same("the creator is in it", (room["is_member"], room["creator"]), (True, bot))
room = room["id"]
check("channel ids look like Slack's", room.startswith("C") and room.isalnum() and room.isupper(), room)
error_of("the name again", lambda: client.conversations_create(name="incident-2025-0914-001"), "name_taken")
error_of("an empty name", lambda: client.conversations_create(name=""), "invalid_name_required")
error_of("upper case", lambda: client.conversations_create(name="Incident"), "invalid_name_specials")
error_of("a space", lambda: client.conversations_create(name="in cident"), "invalid_name_specials")
error_of("81 characters", lambda: client.conversations_create(name="x" * 81), "invalid_name_maxlength")
error_of("only punctuation", lambda: client.conversations_create(name="-_-"), "invalid_name_punctuation")
same("80 characters", client.conversations_create(name="y" * 80)["ok"], True)
private = client.conversations_create(name="private-room", is_private=True)["channel"]
same("a private channel says so", private["is_private"], True)

same("setTopic", client.conversations_setTopic(channel=room, topic="P1 · checkout")["channel"]["topic"]["value"], "P1 · checkout")
same("setPurpose", client.conversations_setPurpose(channel=room, purpose="The war room")["channel"]["purpose"]["value"], "The war room")
same("250 characters of topic", client.conversations_setTopic(channel=room, topic="ü" * 250)["ok"], True)
error_of("251 characters of topic", lambda: client.conversations_setTopic(channel=room, topic="ü" * 251), "too_long")
seen = error_of("no topic", lambda: client.api_call("conversations.setTopic", json={"channel": room}), "invalid_arguments")
same("no topic, in words", seen["response_metadata"]["messages"], ["[ERROR] missing required field: topic"])
error_of("the topic of a foreign channel", lambda: client.conversations_setTopic(channel=foreign, topic="x"), "not_in_channel")
error_of("the topic of an invisible channel", lambda: client.conversations_setTopic(channel=secret, topic="x"), "channel_not_found")

same("invite", client.conversations_invite(channel=room, users=[ana])["channel"]["id"], room)
seen = error_of("invite again", lambda: client.conversations_invite(channel=room, users=[ana]), "already_in_channel")
seen = error_of("one bad user", lambda: client.conversations_invite(channel=room, users=[bo, "U999", bot]), "user_not_found")
same(
    "the errors name each bad user",
    seen["errors"],
    [{"user": "U999", "ok": False, "error": "user_not_found"}, {"user": bot, "ok": False, "error": "cant_invite_self"}],
)
check("the good one was kept out too", bo not in client.conversations_members(channel=room)["members"])
seen = error_of("a deactivated user", lambda: client.conversations_invite(channel=room, users=[bo, gone]), "user_disabled")
check("beside a deactivated one the good one is in", bo in client.conversations_members(channel=room)["members"])
same("kick", client.conversations_kick(channel=room, user=bo)["ok"], True)
error_of("kick again", lambda: client.conversations_kick(channel=room, user=bo), "not_in_channel")
error_of("kick oneself", lambda: client.conversations_kick(channel=room, user=bot), "cant_kick_self")
same("force invites the good ones", client.conversations_invite(channel=room, users=[bo, "U999"], force=True)["ok"], True)
check("and they are in", bo in client.conversations_members(channel=room)["members"])

same("join", client.conversations_join(channel=foreign)["channel"]["is_member"], True)
seen = client.conversations_join(channel=foreign)
same("join again is a warning", (seen["ok"], seen["warning"]), (True, "already_in_channel"))
error_of("join an invisible channel", lambda: client.conversations_join(channel=secret), "channel_not_found")
same("leave", client.conversations_leave(channel=foreign)["ok"], True)
error_of("leave again", lambda: client.conversations_leave(channel=foreign), "not_in_channel")

renamed = client.conversations_rename(channel=private["id"], name="renamed-room")["channel"]
same("rename", (renamed["name"], renamed["previous_names"]), ("renamed-room", ["private-room"]))
error_of("rename to a taken name", lambda: client.conversations_rename(channel=private["id"], name="general"), "name_taken")
info = client.conversations_info(channel=room, include_num_members=True)["channel"]
same("info counts members", info["num_members"], 3)
error_of("info of an invisible channel", lambda: client.conversations_info(channel=secret), "channel_not_found")

for n in range(7):
    simulator.post("channels", name=f"many-{n}")
names, pages, cursor = [], 0, None
while cursor != "":
    page = client.conversations_list(limit=4, cursor=cursor, types="public_channel,private_channel")
    names += [channel["name"] for channel in page["channels"]]
    pages += 1
    cursor = page["response_metadata"]["next_cursor"]
check("conversations.list is paged to its end", pages >= 3 and "many-6" in names and "renamed-room" in names, names)
check("no channel twice, no invisible one", len(names) == len(set(names)) and "secret" not in names, names)
error_of("a bad cursor", lambda: client.conversations_list(cursor="nonsense"), "invalid_cursor")
error_of("a bad limit", lambda: client.conversations_list(limit=1000), "invalid_limit")
error_of("a bad type", lambda: client.conversations_list(types="tavern"), "invalid_types")

old = client.conversations_create(name="to-archive")["channel"]["id"]
same("archive", client.conversations_archive(channel=old)["ok"], True)
error_of("archive again", lambda: client.conversations_archive(channel=old), "already_archived")
error_of("an archived name is taken", lambda: client.conversations_create(name="to-archive"), "name_taken")
error_of("posting to an archived channel", lambda: client.chat_postMessage(channel=old, text="x"), "is_archived")
error_of("reading it", lambda: client.conversations_history(channel=old), "not_in_channel")
same("info still shows it", client.conversations_info(channel=old)["channel"]["is_archived"], True)
error_of("a bot cannot unarchive a public channel", lambda: client.conversations_unarchive(channel=old), "not_in_channel")
error_of("unarchive an active one", lambda: client.conversations_unarchive(channel=room), "not_archived")

# --- people ------------------------------------------------------------------------------------------------------

user = client.users_info(user=ana)["user"]
same("users.info", (user["name"], user["profile"]["email"], user["tz"]), ("ana", "ana@example.com", "Europe/Berlin"))
error_of("an unknown user", lambda: client.users_info(user="U999"), "user_not_found")
same("lookupByEmail", client.users_lookupByEmail(email="bo@example.com")["user"]["id"], bo)
error_of("an unknown address", lambda: client.users_lookupByEmail(email="x@example.com"), "users_not_found")
everybody = [user for page in client.users_list(limit=2) for user in page["members"]]
check("users.list is paged to its end", {ana, bo, gone, bot, "USLACKBOT"} == {user["id"] for user in everybody}, everybody)
check("a deactivated user is marked", next(u for u in everybody if u["id"] == gone)["deleted"])
same("usergroups.list", client.usergroups_list(include_users=True)["usergroups"], [])
error_of("an unknown group", lambda: client.usergroups_users_list(usergroup="S999"), "no_such_subteam")
error_of("changing an unknown group", lambda: client.usergroups_users_update(usergroup="S999", users=[ana]), "no_such_subteam")
same("team.info", client.team_info()["team"]["id"], "T0000000001")

# --- messages ----------------------------------------------------------------------------------------------------

blocks = [
    HeaderBlock(text="Checkout is down"),
    SectionBlock(text="*P1* since 03:00", accessory=ButtonElement(text="Runbook", action_id="runbook", url="https://example.com/r")),
    ContextBlock(elements=[{"type": "mrkdwn", "text": "declared by ana"}]),
    ActionsBlock(
        block_id="card",
        elements=[
            ButtonElement(text="Acknowledge", action_id="ack", value="INC-1", style="primary"),
            StaticSelectElement(action_id="sev", options=[Option(text="P1", value="p1"), Option(text="P2", value="p2")]),
        ],
    ),
]
posted = client.chat_postMessage(channel=room, text="Checkout is down", blocks=blocks, metadata=Metadata("incident", {"id": "INC-1"}))
card = posted["ts"]
check("ts is ten digits, a dot, six", len(card) == 17 and card[10] == ".", card)
message = posted["message"]
same("the message is the bot's", (message["user"], message["bot_id"], "subtype" in message), (bot, bot_id, False))
check("block ids are filled in", all(block["block_id"] for block in message["blocks"]), message)
same("emoji is filled in", message["blocks"][0]["text"]["emoji"], True)

error_of("no such channel", lambda: client.chat_postMessage(channel="C999", text="x"), "channel_not_found")
error_of("nothing to say", lambda: client.chat_postMessage(channel=room, text=""), "no_text")
error_of("an invisible channel", lambda: client.chat_postMessage(channel=secret, text="x"), "channel_not_found")
same("a public channel without joining", client.chat_postMessage(channel="#many-0", text="announce")["ok"], True)
error_of("blocks that are not JSON", lambda: client.api_call("chat.postMessage", data={"channel": room, "blocks": "x"}), "invalid_blocks_format")
seen = error_of(
    "3001 characters in a section",
    lambda: client.chat_postMessage(channel=room, text="x", blocks=[{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}]),
    "invalid_blocks",
)
words = [
    "failed to match all allowed schemas [json-pointer:/blocks/0/text]",
    "must be less than 3001 characters [json-pointer:/blocks/0/text/text]",
]
same("in Slack's words", seen["errors"], words)
same("and in the messages", seen["response_metadata"]["messages"], [f"[ERROR] {line}" for line in words])
error_of("51 blocks", lambda: client.chat_postMessage(channel="#many-1", text="x", blocks=[{"type": "divider"}] * 51), "invalid_blocks")
error_of("101 attachments", lambda: client.chat_postMessage(channel="#many-1", text="x", attachments=[{"text": "x"}] * 101), "too_many_attachments")
error_of("metadata without payload", lambda: client.chat_postMessage(channel="#many-1", text="x", metadata={"event_type": "x"}), "invalid_metadata_schema")
error_of("metadata too large", lambda: client.chat_postMessage(channel="#many-1", text="x", metadata={"event_type": "x", "event_payload": {"a": "x" * 9000}}), "metadata_too_large")
error_of("markdown beside text", lambda: client.chat_postMessage(channel="#many-1", text="x", markdown_text="y"), "markdown_text_conflict")
long = client.chat_postMessage(channel="#many-2", text="x" * 40_001)
same("very long text is cut", (len(long["message"]["text"]), long["warning"]), (40_000, "message_truncated"))
same("bare URLs become links", client.chat_postMessage(channel="#many-2", text="see https://a.example/b.")["message"]["text"], "see <https://a.example/b>.")

reply = client.chat_postMessage(channel=room, text="a reply", thread_ts=card)
same("a reply knows its parent", (reply["message"]["thread_ts"], reply["message"]["parent_user_id"]), (card, bot))
broadcast = client.chat_postMessage(channel=room, text="for all", thread_ts=card, reply_broadcast=True)["ts"]
error_of("a reply to nothing", lambda: client.chat_postMessage(channel="#many-3", text="x", thread_ts="1111111111.000000"), "cannot_reply_to_message")

history = client.conversations_history(channel=room, include_all_metadata=True)["messages"]
check("newest first", [m["ts"] for m in history] == sorted((m["ts"] for m in history), reverse=True))
check("replies are not in the history, broadcasts are", reply["ts"] not in [m["ts"] for m in history] and broadcast in [m["ts"] for m in history])
parent = next(m for m in history if m["ts"] == card)
same("metadata is read back", parent["metadata"]["event_payload"], {"id": "INC-1"})
same("the parent counts its replies", (parent["reply_count"], parent["reply_users"], parent["thread_ts"]), (2, [bot], card))
plain = client.conversations_history(channel=room, latest=card, inclusive=True, limit=1)["messages"]
same("without the flag only the type", (plain[0]["ts"], plain[0]["metadata"]), (card, {"event_type": "incident"}))
check("oldest is exclusive", card not in [m["ts"] for m in client.conversations_history(channel=room, oldest=card)["messages"]])
pages = [page["messages"] for page in client.conversations_history(channel=room, limit=3)]
same("history by pages is the whole", [m["ts"] for page in pages for m in page], [m["ts"] for m in history])
thread = [m for page in client.conversations_replies(channel=room, ts=card, limit=2) for m in page["messages"]]
same("replies: parent first, oldest first", [m["ts"] for m in thread], [card, reply["ts"], broadcast])
same("a reply's ts finds the thread too", client.conversations_replies(channel=room, ts=reply["ts"])["messages"][0]["ts"], card)
error_of("no such thread", lambda: client.conversations_replies(channel=room, ts="1111111111.000000"), "thread_not_found")
error_of("the history of a foreign channel", lambda: client.conversations_history(channel=foreign), "not_in_channel")
subtypes = {m.get("subtype") for m in history}
check("system lines are there", {"channel_topic", "channel_purpose", "channel_join"} <= subtypes, subtypes)

updated = client.chat_update(channel=room, ts=card, text="new", blocks=[SectionBlock(text="new")])
same("update keeps the ts", (updated["ts"], updated["text"]), (card, "new"))
check("a block update shows no edited mark", "edited" not in updated["message"], updated["message"])
same("omitted metadata is kept", updated["message"]["metadata"]["event_payload"], {"id": "INC-1"})
updated = client.chat_update(channel=room, ts=card, text="only text")
check("text without blocks removes them", "blocks" not in updated["message"] and "edited" in updated["message"], updated["message"])
check("empty metadata removes it", "metadata" not in client.chat_update(channel=room, ts=card, text="t", metadata={})["message"])
error_of("4001 characters of update", lambda: client.chat_update(channel=room, ts=card, text="x" * 4001), "msg_too_long")
error_of("update of nothing", lambda: client.chat_update(channel=room, ts="1111111111.000000", text="x"), "message_not_found")
typed = simulator.post("types", user="ana", channel="incident-2025-0914-001", text="hello <@U1> & co")["ts"]
error_of("update of another's message", lambda: client.chat_update(channel=room, ts=typed, text="x"), "cant_update_message")
error_of("deletion of another's message", lambda: client.chat_delete(channel=room, ts=typed), "cant_delete_message")
human = client.conversations_history(channel=room, latest=typed, inclusive=True, limit=1)["messages"][0]
same("what people type is escaped", (human["text"], human["user"]), ("hello &lt;@U1&gt; &amp; co", ana))
check("people's messages have rich text and a client id", human["blocks"][0]["type"] == "rich_text" and "client_msg_id" in human)
same("delete", client.chat_delete(channel=room, ts=broadcast)["ts"], broadcast)
error_of("delete again", lambda: client.chat_delete(channel=room, ts=broadcast), "message_not_found")

check("permalink", client.chat_getPermalink(channel=room, message_ts=card)["permalink"].endswith(f"/archives/{room}/p{card.replace('.', '')}"))
check("permalink of a reply", f"?thread_ts={card}&cid={room}" in client.chat_getPermalink(channel=room, message_ts=reply["ts"])["permalink"])
error_of("permalink of nothing", lambda: client.chat_getPermalink(channel=room, message_ts="1111111111.000000"), "message_not_found")

check("an ephemeral has a ts of its own", "message_ts" in client.chat_postEphemeral(channel=room, user=ana, text="psst").data)
error_of("an ephemeral to an outsider", lambda: client.chat_postEphemeral(channel=private["id"], user=ana, text="x"), "user_not_in_channel")

dm = client.conversations_open(users=[ana])["channel"]["id"]
check("direct messages have D ids", dm.startswith("D"), dm)
again = client.conversations_open(users=[ana])
same("open again", (again["channel"]["id"], again["already_open"], again["no_op"]), (dm, True, True))
same("posting to a user goes there", client.chat_postMessage(channel=ana, text="you are paged")["channel"], dm)
error_of("open with nobody", lambda: client.conversations_open(users=[]), "users_list_not_supplied")
error_of("open with a stranger", lambda: client.conversations_open(users=["U999"]), "user_not_found")
error_of("open with a deactivated user", lambda: client.conversations_open(users=[gone]), "user_disabled")

# --- marks ---------------------------------------------------------------------------------------------------------

same("pin", client.pins_add(channel=room, timestamp=card)["ok"], True)
error_of("pin again", lambda: client.pins_add(channel=room, timestamp=card), "already_pinned")
error_of("pin nothing", lambda: client.pins_add(channel=room, timestamp="1111111111.000000"), "message_not_found")
error_of("pin a bad timestamp", lambda: client.pins_add(channel=room, timestamp="now"), "bad_timestamp")
join_line = next(m for m in history if m.get("subtype") == "channel_join")["ts"]
error_of("pin a join line", lambda: client.pins_add(channel=room, timestamp=join_line), "not_pinnable")
same("pins.list", [item["message"]["ts"] for item in client.pins_list(channel=room)["items"]], [card])
same("unpin", client.pins_remove(channel=room, timestamp=card)["ok"], True)
error_of("unpin again", lambda: client.pins_remove(channel=room, timestamp=card), "no_pin")

same("react", client.reactions_add(channel=room, timestamp=card, name="pushpin")["ok"], True)
error_of("react again", lambda: client.reactions_add(channel=room, timestamp=card, name="pushpin"), "already_reacted")
error_of("not an emoji", lambda: client.reactions_add(channel=room, timestamp=card, name=":no such:"), "invalid_name")
same("reactions.get", client.reactions_get(channel=room, timestamp=card)["message"]["reactions"], [{"name": "pushpin", "users": [bot], "count": 1}])
same("unreact", client.reactions_remove(channel=room, timestamp=card, name="pushpin")["ok"], True)
error_of("unreact again", lambda: client.reactions_remove(channel=room, timestamp=card, name="pushpin"), "no_reaction")

mark = client.bookmarks_add(channel_id=room, title="Bridge", type="link", link="https://meet.example/1", emoji=":phone:")["bookmark"]
check("bookmark ids", mark["id"].startswith("Bk"), mark)
same("bookmarks.list", [b["title"] for b in client.bookmarks_list(channel_id=room)["bookmarks"]], ["Bridge"])
same("bookmarks.edit", client.bookmarks_edit(bookmark_id=mark["id"], channel_id=room, title="Call")["bookmark"]["title"], "Call")
error_of("a bad link", lambda: client.bookmarks_add(channel_id=room, title="x", type="link", link="ftp://x"), "invalid_link")
same("bookmarks.remove", client.bookmarks_remove(bookmark_id=mark["id"], channel_id=room)["ok"], True)
error_of("remove again", lambda: client.bookmarks_remove(bookmark_id=mark["id"], channel_id=room), "not_found")

# --- files ---------------------------------------------------------------------------------------------------------

uploaded = client.files_upload_v2(channel=room, filename="postmortem.md", title="Post-mortem", content="# What happened ☃\n", initial_comment="the report")
file_id = uploaded["files"][0]["id"]
shown = client.files_info(file=file_id)["file"]
same("the file has name, title and size", (shown["name"], shown["title"], shown["size"]), ("postmortem.md", "Post-mortem", len("# What happened ☃\n".encode())))
check("it is shared in the channel", room in shown["shares"]["public"], shown)
share = client.conversations_history(channel=room, limit=1)["messages"][0]
same("as a file_share message", (share["subtype"], share["text"], share["files"][0]["id"]), ("file_share", "the report", file_id))
error_of("completing twice", lambda: client.files_completeUploadExternal(files=[{"id": file_id}]), "file_not_found")
error_of("an empty file", lambda: client.files_getUploadURLExternal(filename="x", length=0), "invalid_arguments")
error_of("an unknown file", lambda: client.files_info(file="F999"), "file_not_found")

# --- the app side: signatures, slash commands, interactions, events ------------------------------------------------

urls = {"commands": f"{app}/commands", "interactions": f"{app}/interactions", "events": f"{app}/events"}
same("connect verifies the events URL", simulator.post("connect", **urls), {})
verifier = SignatureVerifier(SECRET)
App.answers["/commands"] = (200, "on it", "text/plain")
answer = simulator.post("types", user="ana", channel="incident-2025-0914-001", text="/incident declare p1 checkout @bo https://x.example")
same("the plain answer is shown to ana", (answer["status"], answer["shown"][0]["text"], answer["shown"][0]["only_for"]), (200, "on it", "ana"))
path, headers, body = App.received[-1]
check("slack_sdk accepts the signature", verifier.is_valid_request(body, headers), headers)
check("and refuses a changed body", not verifier.is_valid_request(body + b"x", headers))
form = {name: value[0] for name, value in urllib.parse.parse_qs(body.decode(), keep_blank_values=True).items()}
same("command", (form["command"], form["text"]), ("/incident", f"declare p1 checkout <@{bo}> <https://x.example>"))
same("where and who", (form["channel_id"], form["user_id"], form["channel_name"]), (room, ana, "incident-2025-0914-001"))
check("no thread_ts in slash commands", "thread_ts" not in form)

hook = WebhookClient(form["response_url"])
first = hook.send(text="working", response_type="ephemeral")
same("response_url answers ok", (first.status_code, first.body), (200, "ok"))
same("bad blocks are refused in plain text", (lambda r: (r.status_code, r.body))(hook.send(blocks=[{"type": "hero"}])), (400, "invalid_blocks"))
for n in range(3):
    same("more uses", hook.send(text=f"{n}", response_type="in_channel").status_code, 200)
same("the sixth use", hook.send(text="x").status_code, 404)
no_answer("/commands")

modal = View(
    type="modal",
    callback_id="declare",
    title="Declare an incident",
    submit="Declare",
    private_metadata="C1",
    notify_on_close=True,
    blocks=[
        InputBlock(block_id="title", label="Title", element=PlainTextInputElement(action_id="t")),
        InputBlock(block_id="sev", label="Severity", optional=True, element=StaticSelectElement(action_id="s", options=[Option(text="P1", value="p1")])),
    ],
)
simulator.post("types", user="ana", channel="general", text="/incident declare")
trigger = urllib.parse.parse_qs(sent_to("/commands")[-1].decode())["trigger_id"][0]
error_of("no view", lambda: client.api_call("views.open", json={"trigger_id": trigger}), "invalid_arguments")
view = client.views_open(trigger_id=trigger, view=modal)["view"]
same("the view is as sent", (view["callback_id"], view["private_metadata"], view["previous_view_id"]), ("declare", "C1", None))
same("the state is empty but there", view["state"]["values"]["title"]["t"], {"type": "plain_text_input", "value": None})
error_of("a trigger opens once", lambda: client.views_open(trigger_id=trigger, view=modal), "exchanged_trigger_id")
error_of("a trigger nobody gave", lambda: client.views_open(trigger_id="1.2.abc", view=modal), "invalid_trigger_id")
error_of("a stale hash", lambda: client.views_update(view_id=view["id"], view=modal, hash="0.0"), "hash_conflict")
view = client.views_update(view_id=view["id"], view=modal, hash=view["hash"])["view"]
error_of("update of no view", lambda: client.views_update(view_id="V999", view=modal), "not_found")

refused = simulator.post("submits", user="ana", view=view["id"], values=[])
same("Slack's client wants required inputs", refused["errors"], {"title": "Please complete this required field."})
json_answer("/interactions", {"response_action": "errors", "errors": {"title": "Too short"}})
refused = simulator.post("submits", user="ana", view=view["id"], values=[["Title", "db"]])
same("errors of the app are shown", refused["errors"], {"title": "Too short"})
json_answer("/interactions", {"response_action": "errors", "errors": {"t": "by action_id"}})
check("errors must name a block_id", simulator.post("submits", user="ana", view=view["id"], values=[])["trouble"])
no_answer("/interactions")
simulator.post("submits", user="ana", view=view["id"], values=[["Title", "db down"], ["sev", "P1"]])
submission = payload_of(sent_to("/interactions")[-1])
same("view_submission", (submission["type"], submission["user"]["id"]), ("view_submission", ana))
same("typed text", submission["view"]["state"]["values"]["title"]["t"]["value"], "db down")
same("chosen option", submission["view"]["state"]["values"]["sev"]["s"]["selected_option"]["value"], "p1")
same("an empty answer closes it", simulator.get("workspace")["modals"], [])

simulator.post("shortcuts", user="bo", callback_id="incident_declare")
shortcut = payload_of(sent_to("/interactions")[-1])
check("a global shortcut has no channel", shortcut["type"] == "shortcut" and "channel" not in shortcut and "response_url" not in shortcut)
bad = modal.to_dict() | {"title": {"type": "plain_text", "text": "x" * 25}}
seen = error_of("a bad view is invalid_arguments", lambda: client.views_open(trigger_id=shortcut["trigger_id"], view=bad), "invalid_arguments")
same(
    "in Slack's words",
    seen["response_metadata"]["messages"][::2],
    ["[ERROR] failed to match all allowed schemas [json-pointer:/view]", "[ERROR] must be less than 25 characters [json-pointer:/view/title/text]"],
)
simulator.post("shortcuts", user="bo", callback_id="late")
late = payload_of(sent_to("/interactions")[-1])["trigger_id"]
simulator.post("shortcuts", user="bo", callback_id="incident_declare")
trigger = payload_of(sent_to("/interactions")[-1])["trigger_id"]
client.views_open(trigger_id=trigger, view=modal)
for depth in (2, 3):
    simulator.post("shortcuts", user="bo", callback_id="more")
    pushed = client.views_push(trigger_id=payload_of(sent_to("/interactions")[-1])["trigger_id"], view=modal)["view"]
check("a pushed view knows what is below", pushed["previous_view_id"] and pushed["root_view_id"] != pushed["id"], pushed)
simulator.post("shortcuts", user="bo", callback_id="more")
error_of("three is the most", lambda: client.views_push(trigger_id=payload_of(sent_to("/interactions")[-1])["trigger_id"], view=modal), "push_limit_reached")
time.sleep(3.1)
error_of("a trigger lives three seconds", lambda: client.views_open(trigger_id=late, view=modal), "expired_trigger_id")

home = View(type="home", blocks=[SectionBlock(text="Nothing is on fire"), ActionsBlock(elements=[ButtonElement(text="Declare", action_id="declare")])])
tab = client.views_publish(user_id=ana, view=home)["view"]
same("a home tab", (tab["type"], tab["title"] if "title" in tab else None), ("home", None))
same("publishing again is the same view", client.views_publish(user_id=ana, view=home, hash=tab["hash"])["view"]["id"], tab["id"])
error_of("a stale home", lambda: client.views_publish(user_id=ana, view=home, hash=tab["hash"]), "hash_conflict")
error_of("a home of nobody", lambda: client.views_publish(user_id="U999", view=home), "invalid_arguments")
simulator.post("clicks", user="ana", view=tab["id"], button="Declare")
click = payload_of(sent_to("/interactions")[-1])
check("a click in a view has no channel and no response_url", click["container"]["type"] == "view" and not {"channel", "message", "response_url"} & set(click))

card = client.chat_postMessage(channel=room, text="card", blocks=blocks)["ts"]
simulator.post("clicks", user="ana", channel="incident-2025-0914-001", ts=card, button="Acknowledge")
click = payload_of(sent_to("/interactions")[-1])
action = click["actions"][0]
same("a click", (click["type"], action["action_id"], action["block_id"], action["value"]), ("block_actions", "ack", "card", "INC-1"))
same("it carries the message", (click["message"]["ts"], click["container"]["is_ephemeral"]), (card, False))
simulator.post("picks", user="ana", channel="incident-2025-0914-001", ts=card, button="sev", words=["P2"])
click = payload_of(sent_to("/interactions")[-1])
same("a choice", click["actions"][0]["selected_option"]["value"], "p2")
same("is in the state too", click["state"]["values"]["card"]["sev"]["selected_option"]["value"], "p2")
WebhookClient(click["response_url"]).send(text="done", replace_original=True)
same("replace_original", client.conversations_history(channel=room, latest=card, inclusive=True, limit=1)["messages"][0]["text"], "done")
hidden = client.chat_postEphemeral(channel=room, user=ana, text="pick", blocks=[ActionsBlock(elements=[ButtonElement(text="Mine", action_id="mine")])])["message_ts"]
simulator.post("clicks", user="ana", channel="incident-2025-0914-001", ts=hidden, button="mine")
click = payload_of(sent_to("/interactions")[-1])
check("a click on an ephemeral has no message", click["container"]["is_ephemeral"] and "message" not in click, click)
WebhookClient(click["response_url"]).send_dict({"delete_original": True})
check("delete_original", hidden not in [e["ts"] for e in simulator.get("workspace")["ephemerals"]])
simulator.post("shortcuts", user="ana", callback_id="to_timeline", channel="incident-2025-0914-001", ts=typed)
shortcut = payload_of(sent_to("/interactions")[-1])
same("a message shortcut", (shortcut["type"], shortcut["message"]["ts"], shortcut["channel"]["id"]), ("message_action", typed, room))

App.answers["/commands"] = (500, "", "text/plain")
check("a failing app is told as Slack tells it", "dispatch_failed" in simulator.post("types", user="ana", channel="general", text="/incident")["trouble"])
no_answer("/commands")


def events(kind):
    simulator.post("settle")
    found = [json.loads(body) for body in sent_to("/events")]
    return [e for e in found if e["type"] == "event_callback" and e["event"]["type"] == kind]


simulator.post("reacts", user="ana", channel="incident-2025-0914-001", ts=typed, emoji="pushpin")
reaction = events("reaction_added")[-1]
same("reaction_added", (reaction["event"]["user"], reaction["event"]["item"]["ts"], reaction["event"]["reaction"]), (ana, typed, "pushpin"))
same("the envelope names the bot", reaction["authorizations"][0]["user_id"], bot)
simulator.post("pins", user="ana", channel="incident-2025-0914-001", ts=typed)
pin = events("pin_added")[-1]["event"]
same("pin_added", (pin["channel_id"], pin["item"]["channel"], pin["item"]["message"]["ts"]), (room, room, typed))
client.reactions_add(channel=room, timestamp=typed, name="eyes")
same("the bot's own reaction comes back", events("reaction_added")[-1]["event"]["user"], bot)
mention = simulator.post("types", user="ana", channel="incident-2025-0914-001", text="@firebell hi")["ts"]
same("a mention is two events", (events("app_mention")[-1]["event"]["ts"], events("message")[-1]["event"]["ts"]), (mention, mention))
same("channel_type of messages", events("message")[-1]["event"]["channel_type"], "channel")
before = len(events("message"))
simulator.post("types", user="ana", channel="foreign", text="not for you")
same("nothing is heard from foreign channels", len(events("message")), before)
client.chat_update(channel=room, ts=card, text="changed")
changed = events("message")[-1]["event"]
same("message_changed", (changed["subtype"], changed["hidden"], changed["message"]["text"]), ("message_changed", True, "changed"))
client.conversations_join(channel=foreign)
joined = events("member_joined_channel")[-1]["event"]
same("member_joined_channel tells of the bot too", (joined["user"], joined["channel_type"]), (bot, "C"))
App.answers["/events"] = (500, "", "text/plain")
simulator.post("reacts", user="bo", channel="incident-2025-0914-001", ts=typed, emoji="fire")
event_id = events("reaction_added")[-1]["event_id"]
no_answer("/events")
same("an event is sent again", simulator.post("redeliver", event_id=event_id)["ok"], True)
_, headers, body = [r for r in App.received if r[0] == "/events"][-1]
headers = {name.lower(): value for name, value in headers.items()}
same("with the same id", json.loads(body)["event_id"], event_id)
same("and says so", (headers["x-slack-retry-num"], headers["x-slack-retry-reason"]), ("1", "http_error"))
check("events are signed", verifier.is_valid_request(body, headers))

# --- faults and limits ---------------------------------------------------------------------------------------------

simulator.post("faults", method="team.info", fault={"rate_limited": {"retry_after_s": 1}})
try:
    client.team_info()
    check("429 reaches the client", False)
except SlackApiError as error:
    same("429", (error.response.status_code, error.response.headers["Retry-After"], error.response["error"]), (429, "1", "ratelimited"))
patient = WebClient(token=TOKEN, base_url=base_url, retry_handlers=[RateLimitErrorRetryHandler(max_retry_count=2)])
simulator.post("faults", method="team.info", fault={"rate_limited": {"retry_after_s": 1}}, times=2)
begun = time.monotonic()
same("slack_sdk's retry handler gets through", patient.team_info()["ok"], True)
check("after waiting as told", time.monotonic() - begun >= 2)
simulator.post("faults", method="team.info", fault={"error": "fatal_error"})
error_of("an ordered error", client.team_info, "fatal_error")
simulator.post("faults", method="chat.postMessage", fault="lose_answer_after")
quick = WebClient(token=TOKEN, base_url=base_url, retry_handlers=[])
try:
    quick.chat_postMessage(channel="#many-4", text="lost answer")
    check("the answer is lost", False)
except (urllib.error.URLError, ConnectionError, OSError) as error:
    check("the connection is dropped", True, error)
texts = [m["text"] for c in simulator.get("workspace")["channels"] if c["name"] == "many-4" for m in c["messages"]]
same("but the message is there", texts, ["lost answer"])
simulator.post("faults", method="chat.postMessage", fault="lose_answer_before")
try:
    quick.chat_postMessage(channel="#many-4", text="never")
except (urllib.error.URLError, ConnectionError, OSError):
    pass
texts = [m["text"] for c in simulator.get("workspace")["channels"] if c["name"] == "many-4" for m in c["messages"]]
same("and dropped before, it is not", texts, ["lost answer"])

simulator.post("limits", enforce=True)
limited = 0
for n in range(8):
    try:
        client.chat_postMessage(channel="#many-5", text=str(n))
    except SlackApiError as error:
        same("beyond a message a second", error.response.status_code, 429)
        limited += 1
check("five at once, then one a second", 1 <= limited <= 3, limited)
same("other channels go on", client.chat_postMessage(channel="#many-6", text="x")["ok"], True)

calls = simulator.get("calls")
check("every call is on record", {"chat.postMessage", "views.open", "response_url", "upload"} <= {call["method"] for call in calls})
check("and where its token was", all(call["token_in_header"] for call in calls if call["method"] == "team.info"))
finish()

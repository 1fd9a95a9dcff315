"""A stand-in for Twilio's REST API, as far as the bot uses it: it proves who asks by basic auth, answers as Twilio does,
keeps what it got, reads TwiML with Twilio's own library, and signs what it calls back with Twilio's own validator.

Usage: twilio_peer.py ACCOUNT_SID AUTH_TOKEN. Prints its address as JSON; ends with its standard input.

Numbers that Twilio itself reserves for tests are refused as Twilio refuses them
(twilio.com/docs/iam/test-credentials). Under /control the test says what goes wrong next and asks what was got.
"""

import base64
import email.utils
import hashlib
import inspect
import itertools
import json
import sys
import threading
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ET
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from twilio.request_validator import RequestValidator
from twilio.twiml.messaging_response import MessagingResponse
from twilio.twiml.voice_response import Gather, VoiceResponse

SID, TOKEN = sys.argv[1:]
BASE = f"/2010-04-01/Accounts/{SID}"
# What Twilio's test credentials answer to these numbers.
MAGIC = {
    "Messages": {
        "+15005550001": (21211, "The 'To' number +15005550001 is not a valid phone number."),
        "+15005550002": (21612, "The 'To' phone number: +15005550002, is not currently reachable"),
        "+15005550003": (21408, "Permission to send an SMS has not been enabled for the region"),
        "+15005550004": (21610, "Attempt to send to unsubscribed recipient"),
        "+15005550009": (21614, "'To' number is not a valid mobile number"),
    },
    "Calls": {
        "+15005550001": (21217, "Phone number does not appear to be valid"),
        "+15005550002": (21214, "'To' phone number cannot be reached"),
        "+15005550003": (21215, "Account not authorized to call +15005550003"),
    },
}
KINDS = {"Messages": "SM", "Calls": "CA"}
lock = threading.Lock()
kept = {"Messages": [], "Calls": []}
asked = []
faults = []
numbers = itertools.count(1)
got = threading.Event()


def twiml_fault(text):
    """What Twilio's own library would not have written; None: nothing."""
    try:
        tree = ET.fromstring(text)
    except ET.ParseError as error:
        return f"not XML: {error}"
    if tree.tag != "Response":
        return f"the root is {tree.tag}"

    def build(parent, child):
        method = {"Say": "say", "Gather": "gather", "Pause": "pause", "Hangup": "hangup", "Message": "message"}[child.tag]
        make = getattr(parent, method)
        parameters = inspect.signature(make).parameters
        options = {}
        for name, value in child.attrib.items():
            snake = "".join("_" + c.lower() if c.isupper() else c for c in name)
            if snake not in parameters:
                raise KeyError(f"<{child.tag}> has no attribute {name}")
            options[snake] = value
        arguments = [child.text] if child.tag in ("Say", "Message") else []
        made = make(*arguments, **options)
        for inner in child:
            build(made, inner)

    voice = not any(child.tag == "Message" for child in tree)
    theirs = VoiceResponse() if voice else MessagingResponse()
    try:
        for child in tree:
            build(theirs, child)
    except (KeyError, AttributeError, TypeError) as error:
        return repr(error)
    ours, wanted = ET.canonicalize(text), ET.canonicalize(str(theirs))
    return None if ours == wanted else f"{ours} is not {wanted}"


class Twilio(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, headers=()):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def error(self, status, code, message, headers=()):
        more = f"https://www.twilio.com/docs/errors/{code}"
        self.answer(status, {"code": code, "message": message, "more_info": more, "status": status}, headers)

    def is_known(self):
        wanted = "Basic " + base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()
        return self.headers.get("Authorization") == wanted

    def read(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/control":
            with lock:
                return self.answer(200, {"kept": kept, "asked": asked})
        with lock:
            asked.append(f"GET {self.path}")
        if self.fault(None):
            return
        if not self.is_known():
            return self.error(401, 20003, "Authenticate")
        kind = url.path.removeprefix(BASE + "/").removesuffix(".json")
        query = dict(urllib.parse.parse_qsl(url.query))
        if kind not in kept:
            return self.error(404, 20404, f"The requested resource {url.path} was not found")
        with lock:
            found = [it for it in kept[kind] if it["to"] == query.get("To") and it["from"] == query.get("From")]
        found = list(reversed(found))[: int(query.get("PageSize", 50))]
        self.answer(200, {kind.lower(): [shown(it) for it in found], "page": 0, "next_page_uri": None})

    def do_POST(self):
        body = self.read()
        if self.path.startswith("/control/"):
            return self.control(self.path.removeprefix("/control/"), json.loads(body))
        with lock:
            asked.append(f"POST {self.path}")
        kind = self.path.removeprefix(BASE + "/").removesuffix(".json")
        order = lambda: self.order(kind, body)
        if self.fault(order):
            return
        if not self.is_known():
            return self.error(401, 20003, "Authenticate")
        if kind not in kept:
            return self.error(404, 20404, f"The requested resource {self.path} was not found")
        status, answer = order()
        self.answer(status, answer)

    def fault(self, order):
        """What was said to go wrong next."""
        with lock:
            fault = faults.pop(0) if faults else None
        if fault is None or fault == "none":
            return False
        if fault == "429":
            self.error(429, 20429, "Too Many Requests", [("Retry-After", "7")])
        elif fault == "500":
            self.error(500, 20500, "Internal Server Error")
        elif fault == "garbled":
            self.answer(201, "half a thou")
        elif fault in ("lost", "hang"):
            if order:
                order()
            got.set()
            if fault == "hang":
                threading.Event().wait(60)
            self.close_connection = True
            self.connection.close()
        elif fault == "refused":
            self.close_connection = True
            self.connection.close()
        return True

    def order(self, kind, body):
        form = urllib.parse.parse_qsl(body, keep_blank_values=True, strict_parsing=True)
        fields = dict(form)
        if fields.get("To") in MAGIC[kind]:
            code, message = MAGIC[kind][fields["To"]]
            return 400, {"code": code, "message": message, "status": 400}
        if kind == "Calls":
            fault = twiml_fault(fields["Twiml"]) or (len(fields["Twiml"]) > 4000 and "longer than 4000 characters")
            if fault:
                return 400, {"code": 12100, "message": f"Document parse failure: {fault}", "status": 400}
        sid = KINDS[kind] + hashlib.md5(str(next(numbers)).encode()).hexdigest()
        it = {
            "sid": sid,
            "to": fields["To"],
            "from": fields["From"],
            "status": "queued",
            "date_created": email.utils.format_datetime(email.utils.localtime()),
            "direction": "outbound-api",
            "error_code": None,
            "form": form,
        }
        if kind == "Messages":
            it["body"] = fields["Body"]
        with lock:
            kept[kind].append(it)
        return 201, shown(it)

    def control(self, what, said):
        validator = RequestValidator(TOKEN)
        if what == "faults":
            got.clear()
            with lock:
                faults[:] = said
            return self.answer(200, {})
        if what == "got":
            return self.answer(200, got.wait(20))
        if what == "status":
            with lock:
                for it in kept["Messages"] + kept["Calls"]:
                    if it["sid"] == said["sid"]:
                        it.update(said)
            return self.answer(200, {})
        if what == "sign":
            if "body" in said:
                digest = hashlib.sha256(said["body"].encode()).hexdigest()
                url = said["url"] + ("&" if "?" in said["url"] else "?") + "bodySHA256=" + digest
                return self.answer(200, {"url": url, "signature": validator.compute_signature(url, {})})
            return self.answer(200, {"signature": validator.compute_signature(said["url"], dict(said["form"]))})
        if what == "twiml":
            return self.answer(200, {"fault": twiml_fault(said)})
        if what == "call":
            # Calls the bot as Twilio would, and gives its answer.
            form = dict(said["form"])
            signature = said.get("signature") or validator.compute_signature(said["url"], form)
            request = urllib.request.Request(
                said["at"],  # where the address leads to, behind whatever stands in front of the bot
                data=urllib.parse.urlencode(form).encode(),
                headers={"X-Twilio-Signature": signature, "I-Twilio-Idempotency-Token": sid_of(form)},
            )
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    told = {"status": answer.status, "body": answer.read().decode(), "type": answer.headers["Content-Type"]}
            except urllib.error.HTTPError as error:
                told = {"status": error.code, "body": error.read().decode(), "type": error.headers["Content-Type"]}
            return self.answer(200, told)
        self.answer(404, {})


def sid_of(form):
    return form.get("MessageSid") or form.get("CallSid") or "none"


def shown(it):
    return {name: value for name, value in it.items() if name != "form"}


server = ThreadingHTTPServer(("127.0.0.1", 0), Twilio)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps({"url": f"http://127.0.0.1:{server.server_port}"}), flush=True)
sys.stdin.read()

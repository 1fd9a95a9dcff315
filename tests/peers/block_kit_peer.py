"""slack_sdk's Block Kit models as a peer of the simulator's validator.

Documents are generated around each limit of the contract's section 8; slack_sdk.models and the simulator's
blocks.validate each judge them. Verdicts must agree, but for the short list DISAGREEMENTS below.

Usage: block_kit_peer.py http://127.0.0.1:PORT
"""

import json
import logging
import sys
import urllib.request

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block
from slack_sdk.models.blocks.basic_components import Option, OptionGroup, PlainTextObject
from slack_sdk.models.views import View

from peer import check, finish

logging.disable(logging.CRITICAL)
origin = sys.argv[1].rstrip("/")

# Document: why the verdicts differ. Each is checked to really differ, so the list cannot grow stale.
DISAGREEMENTS = {
    "empty section text": "slack_sdk has no least length; Slack answers `must be more than 0 characters`",
    "empty header": "as above",
    "unknown key in a section": "slack_sdk only warns; Slack answers `invalid additional property`",
    "unknown key in a button": "as above",
    "plain_text_input in actions": "slack_sdk does not judge which elements an actions block holds",
    "two blocks of one id": "slack_sdk judges blocks one by one",
    "51 blocks": "slack_sdk's Message model judges it, its blocks alone do not",
    "two tables": "as above",
    "modal with input and no submit": "slack_sdk does not look into a view's blocks",
    "home with a title": "slack_sdk does not know which fields a home tab has",
    "mrkdwn in a header": "slack_sdk turns any text object into plain_text before it judges",
    "context with 0 elements": "slack_sdk has no least length",
    "actions with 0 elements": "as above",
    "11 radio options": "slack_sdk has no limit of options there; the contract's is 10",
    "11 checkbox options": "as above",
    "image without url": "slack_sdk does not ask for image_url or slack_file",
    "image with url and file": "slack_sdk does not ask for exactly one of the two",
    "bad date and time": "slack_sdk takes 0 to 9999999999; the contract wants ten digits",
    "76 characters of option description": "slack_sdk has no limit there; the contract's is 75",
    "modal without title": "slack_sdk leaves required fields of a view to the server",
}


def plain(count=1, letter="x"):
    return {"type": "plain_text", "text": letter * count}


def mrkdwn(count=1, letter="x"):
    return {"type": "mrkdwn", "text": letter * count}


def option(label=1, value=1, **more):
    return {"text": plain(label), "value": "v" * value, **more}


def button(**more):
    return {"type": "button", "action_id": "a", "text": plain(), **more}


def select(**more):
    return {"type": "static_select", "action_id": "s", "placeholder": plain(), "options": [option()], **more}


def actions(*elements):
    return [{"type": "actions", "elements": list(elements)}]


def section(**more):
    return [{"type": "section", **more}]


def accessory(element):
    return section(text=mrkdwn(), accessory=element)


def entry(element, **more):
    return [{"type": "input", "label": plain(), "element": element, **more}]


def modal(blocks=None, **more):
    view = {"type": "modal", "title": plain(), "submit": plain(), "blocks": blocks or [{"type": "divider"}], **more}
    return {name: value for name, value in view.items() if value is not None}


def home(**more):
    return {"type": "home", "blocks": [{"type": "divider"}], **more}


def confirm(title=1, text=1, yes=1, no=1, **more):
    return {"title": plain(title), "text": mrkdwn(text), "confirm": plain(yes), "deny": plain(no), **more}


def distinct(count):
    return [option() | {"value": f"v{n}"} for n in range(count)]


def image(**more):
    return {"type": "image", "image_url": "https://example.com/i.png", "alt_text": "alt", **more}


documents = {}


def limit(name, most, make):
    """One document at the limit and one beyond it."""
    documents[f"{most} {name}"] = make(most)
    documents[f"{most + 1} {name}"] = make(most + 1)


# --- text sizes
limit("characters of section text", 3000, lambda n: section(text=mrkdwn(n)))
limit("characters beyond the BMP of section text", 3000, lambda n: section(text=mrkdwn(n, "🔥")))
limit("characters of plain section text", 3000, lambda n: section(text=plain(n)))
limit("characters of header", 150, lambda n: [{"type": "header", "text": plain(n)}])
limit("fields", 10, lambda n: section(fields=[mrkdwn()] * n))
limit("characters of button text", 75, lambda n: actions(button(text=plain(n))))
limit("characters of button value", 2000, lambda n: actions(button(value="x" * n)))
limit("characters of button url", 3000, lambda n: actions(button(url="https://e.x/".ljust(n, "x"))))
limit("characters of action_id", 255, lambda n: actions(button(action_id="x" * n)))
limit("characters of block_id", 255, lambda n: [{"type": "divider", "block_id": "x" * n}])
limit("characters of accessibility label", 75, lambda n: actions(button(accessibility_label="x" * n)))
limit("characters of option text", 75, lambda n: actions(select(options=[option(label=n)])))
limit("characters of option value", 150, lambda n: actions(select(options=[option(value=n)])))
limit("characters of option description", 75, lambda n: actions(select(options=[option(description=plain(n))])))
limit("characters of placeholder", 150, lambda n: actions(select(placeholder=plain(n))))
limit("characters of confirm title", 100, lambda n: actions(button(confirm=confirm(title=n))))
limit("characters of confirm text", 300, lambda n: actions(button(confirm=confirm(text=n))))
limit("characters of confirm yes", 30, lambda n: actions(button(confirm=confirm(yes=n))))
limit("characters of confirm no", 30, lambda n: actions(button(confirm=confirm(no=n))))
limit("characters of input label", 2000, lambda n: entry({"type": "plain_text_input", "action_id": "t"}, label=plain(n)))
limit("characters of input hint", 2000, lambda n: entry({"type": "plain_text_input", "action_id": "t"}, hint=plain(n)))
limit("characters of image alt text", 2000, lambda n: [image(alt_text="x" * n)])
limit("characters of image url", 3000, lambda n: [image(image_url="https://e.x/".ljust(n, "x"))])
limit("characters of image title", 2000, lambda n: [image(title=plain(n))])
limit("characters of group label", 75, lambda n: actions({"type": "static_select", "action_id": "s", "option_groups": [{"label": plain(n), "options": [option()]}]}))

# --- counts
limit("context elements", 10, lambda n: [{"type": "context", "elements": [mrkdwn()] * n}])
limit("actions elements", 25, lambda n: actions(*[button(action_id=f"a{i}") for i in range(n)]))
limit("overflow options", 5, lambda n: accessory({"type": "overflow", "action_id": "o", "options": distinct(n)}))
limit("radio options", 10, lambda n: accessory({"type": "radio_buttons", "action_id": "r", "options": distinct(n)}))
limit("checkbox options", 10, lambda n: accessory({"type": "checkboxes", "action_id": "c", "options": distinct(n)}))
limit("options", 100, lambda n: actions(select(options=distinct(n))))
limit("blocks", 50, lambda n: [{"type": "divider"}] * n)
documents["actions with 0 elements"] = actions()
documents["context with 0 elements"] = [{"type": "context", "elements": []}]
documents["section with 0 fields"] = section(fields=[])
documents["overflow with 0 options"] = accessory({"type": "overflow", "action_id": "o", "options": []})

# --- required, either-or, enumerations
documents["section without text and fields"] = section()
documents["empty section text"] = section(text=mrkdwn(0))
documents["empty header"] = [{"type": "header", "text": plain(0)}]
documents["mrkdwn in a header"] = [{"type": "header", "text": mrkdwn()}]
documents["plain section with fields"] = section(text=plain(), fields=[plain(), mrkdwn()])
documents["unknown block"] = [{"type": "hero"}]
documents["unknown key in a section"] = section(text=mrkdwn(), colour="red")
documents["unknown key in a button"] = actions(button(colour="red"))
documents["primary button"] = actions(button(style="primary"))
documents["danger button"] = actions(button(style="danger"))
documents["green button"] = actions(button(style="green"))
documents["green confirm"] = actions(button(confirm=confirm(style="green")))
documents["primary confirm"] = actions(button(confirm=confirm(style="primary")))
documents["select with options and groups"] = actions(select(option_groups=[{"label": plain(), "options": [option()]}]))
documents["select with neither"] = actions({"type": "static_select", "action_id": "s", "placeholder": plain()})
documents["select with groups"] = actions({"type": "static_select", "action_id": "s", "option_groups": [{"label": plain(), "options": [option()]}]})
documents["image without url"] = [{"type": "image", "alt_text": "x"}]
documents["image without alt text"] = [{"type": "image", "image_url": "https://example.com/i.png"}]
documents["image with url and file"] = [image(slack_file={"id": "F1"})]
documents["image as accessory"] = accessory(image())
documents["image in context"] = [{"type": "context", "elements": [image(), mrkdwn()]}]
documents["button in an input"] = entry(button())
documents["plain_text_input in actions"] = actions({"type": "plain_text_input", "action_id": "t"})
documents["two blocks of one id"] = [{"type": "divider", "block_id": "a"}, {"type": "divider", "block_id": "a"}]
documents["two tables"] = [{"type": "table", "rows": [[{"type": "raw_text", "text": "x"}]]}] * 2
documents["good date"] = actions({"type": "datepicker", "action_id": "d", "initial_date": "2025-09-14"})
documents["bad date"] = actions({"type": "datepicker", "action_id": "d", "initial_date": "14.9.2025"})
documents["good time"] = actions({"type": "timepicker", "action_id": "t", "initial_time": "23:59"})
documents["bad time"] = actions({"type": "timepicker", "action_id": "t", "initial_time": "25:00"})
documents["good date and time"] = actions({"type": "datetimepicker", "action_id": "d", "initial_date_time": 1628633820})
documents["bad date and time"] = actions({"type": "datetimepicker", "action_id": "d", "initial_date_time": 5})
for kind in ("users", "channels", "conversations"):
    documents[f"{kind} select"] = actions({"type": f"{kind}_select", "action_id": "s", "placeholder": plain()})
    documents[f"multi {kind} select"] = accessory({"type": f"multi_{kind}_select", "action_id": "s", "placeholder": plain(), "max_selected_items": 2})
    limit(f"characters of {kind} placeholder", 150, lambda n, kind=kind: actions({"type": f"{kind}_select", "action_id": "s", "placeholder": plain(n)}))
documents["external select"] = actions({"type": "external_select", "action_id": "s", "min_query_length": 1})
documents["text with min and max"] = entry({"type": "plain_text_input", "action_id": "t", "min_length": 1, "max_length": 3000, "multiline": True})
documents["number input"] = entry({"type": "number_input", "action_id": "n", "is_decimal_allowed": False, "min_value": "1"})
documents["email input"] = entry({"type": "email_text_input", "action_id": "e"})
documents["url input"] = entry({"type": "url_text_input", "action_id": "u"})
documents["rich text"] = [{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "x"}]}]}]
documents["markdown"] = [{"type": "markdown", "text": "# x"}]
documents["divider"] = [{"type": "divider"}]

# --- views
limit("characters of view title", 24, lambda n: modal(title=plain(n)))
limit("characters of submit", 24, lambda n: modal(submit=plain(n)))
limit("characters of close", 24, lambda n: modal(close=plain(n)))
limit("characters of private_metadata", 3000, lambda n: modal(private_metadata="x" * n))
limit("characters of callback_id", 255, lambda n: modal(callback_id="x" * n))
limit("blocks in a modal", 100, lambda n: modal(blocks=[{"type": "divider"}] * n))
limit("characters of home metadata", 3000, lambda n: home(private_metadata="x" * n))
limit("blocks in a home", 100, lambda n: home(blocks=[{"type": "divider"}] * n))
documents["modal without title"] = modal(title=None)
documents["modal with input and no submit"] = modal(entry({"type": "plain_text_input", "action_id": "t"}), submit=None)
documents["modal with input"] = modal(entry({"type": "plain_text_input", "action_id": "t"}))
documents["home with a title"] = home(title=plain())


def judge_options(value):
    """slack_sdk keeps the options of a parsed block as plain dicts: hand them to their own models."""
    if isinstance(value, list):
        for item in value:
            judge_options(item)
    elif isinstance(value, dict):
        for raw in value.get("options", []):
            Option(
                text=PlainTextObject(text=raw["text"]["text"]),
                value=raw["value"],
                description=raw["description"]["text"] if "description" in raw else None,
            ).to_dict("block")
        for raw in value.get("option_groups", []):
            OptionGroup(label=raw["label"]["text"], options=Option.parse_all(raw["options"])).to_dict("block")
        for inside in value.values():
            judge_options(inside)


def sdk_accepts(document):
    try:
        if isinstance(document, dict):
            View(**document).to_dict()
            return True
        for raw in document:
            block = Block.parse(raw)
            if block is None:
                return False
            block.to_dict()
            judge_options(raw)
        return True
    except (SlackObjectFormationError, TypeError, ValueError):
        return False


def simulator_accepts(document):
    field = "view" if isinstance(document, dict) else "blocks"
    body = json.dumps({field: document}).encode()
    request = urllib.request.Request(f"{origin}/api/blocks.validate", data=body)
    request.add_header("Content-Type", "application/json; charset=utf-8")
    with urllib.request.urlopen(request) as answer:
        verdict = json.loads(answer.read())
    return verdict["ok"], verdict.get("errors", verdict.get("error"))


wrong = []
for name, document in documents.items():
    ours, why = simulator_accepts(document)
    theirs = sdk_accepts(document)
    if (ours != theirs) != (name in DISAGREEMENTS):
        expected = "to differ" if name in DISAGREEMENTS else "to agree"
        wrong.append(f"{name}: expected {expected}; slack_sdk {theirs}, simulator {ours} {why}")
    else:
        check(name, True)
for name in DISAGREEMENTS:
    check(f"{name} is no document", name in documents)
if wrong:
    sys.exit("MISMATCH\n" + "\n".join(wrong))
accepted = sum(simulator_accepts(document)[0] for document in documents.values())
print(f"{len(documents)} documents, {accepted} of them valid, {len(DISAGREEMENTS)} known disagreements")
finish()

//! The table of subcommands: the words that each is known by, and who understands what follows.

use super::{Context, NotUnderstood, Request, nothing, people, text, watch, words};
use crate::domain::command::Command;

/// One row of the table.
#[derive(Debug)]
pub struct Subcommand {
    /// The words that it is known by; the first is the one shown.
    pub words: &'static [&'static str],
    /// Its arguments: `<text…>`, `[@user]`.
    pub usage: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    pub(super) parse: fn(&str, Context<'_>) -> Result<Request, NotUnderstood>,
}

impl PartialEq for Subcommand {
    fn eq(&self, other: &Self) -> bool {
        self.words == other.words
    }
}

impl Eq for Subcommand {}

impl Subcommand {
    /// The word that is shown.
    pub fn word(&self) -> &'static str {
        self.words[0]
    }

    /// Whether it is about one incident, which a line outside of a war room must name.
    pub fn needs_incident(&self) -> bool {
        !matches!(
            self.word(),
            "declare" | "list" | "alert" | "oncall" | "override" | "contacts" | "help"
        )
    }

    /// How it is typed after the slash command: `role <role> [@user]`.
    pub fn form(&self) -> String {
        format!("{} {}", self.word(), self.usage)
            .trim_end()
            .to_owned()
    }

    pub(super) fn wrong(&self, what: &str, command: &str) -> NotUnderstood {
        NotUnderstood(format!("{what} Like this: `{command} {}`", self.form()))
    }
}

/// Every subcommand, in the order in which help shows them.
pub const SUBCOMMANDS: &[Subcommand] = &[
    Subcommand {
        words: &["declare", "new", "create"],
        usage: "[severity] <title…>",
        about: "declare an incident and open its war room",
        parse: words::declare,
    },
    Subcommand {
        words: &["list"],
        usage: "",
        about: "the open incidents",
        parse: |rest, context| nothing(rest, "list", context, Request::ListIncidents),
    },
    Subcommand {
        words: &["status"],
        usage: "[investigating|identified|mitigating|monitoring]",
        about: "how the incident stands, or where it stands now",
        parse: words::status,
    },
    Subcommand {
        words: &["ack", "acknowledge"],
        usage: "",
        about: "take the incident on: “I have it”",
        parse: |rest, context| nothing(rest, "ack", context, Request::Pursue(Command::Acknowledge)),
    },
    Subcommand {
        words: &["escalate"],
        usage: "",
        about: "call the next step of the escalation now",
        parse: |rest, context| {
            nothing(
                rest,
                "escalate",
                context,
                Request::Pursue(Command::Escalate),
            )
        },
    },
    Subcommand {
        words: &["page"],
        usage: "<@user|schedule|role> [what for…]",
        about: "call somebody, whatever the escalation does",
        parse: people::page,
    },
    Subcommand {
        words: &["update"],
        usage: "<text…>",
        about: "tell everybody how things stand",
        parse: words::update,
    },
    Subcommand {
        words: &["severity", "sev"],
        usage: "<severity> [reason…]",
        about: "weigh the incident anew",
        parse: words::severity,
    },
    Subcommand {
        words: &["lead"],
        usage: "[@user]",
        about: "hand the lead to somebody, or take it",
        parse: people::lead,
    },
    Subcommand {
        words: &["role"],
        usage: "<commander|operations|communications|scribe> [@user]",
        about: "give a role to somebody, or take it",
        parse: people::role,
    },
    Subcommand {
        words: &["note"],
        usage: "<text…>",
        about: "write something on the timeline",
        parse: words::note,
    },
    Subcommand {
        words: &["followup", "follow-up", "todo"],
        usage: "<text…> [@owner] [due:2025-09-30] | done <number>",
        about: "note work that outlives the incident, or tick it off",
        parse: words::follow_up,
    },
    Subcommand {
        words: &["timeline"],
        usage: "",
        about: "what happened so far",
        parse: |rest, context| nothing(rest, "timeline", context, Request::ShowTimeline),
    },
    Subcommand {
        words: &["export"],
        usage: "[markdown|json|html|csv]",
        about: "put the whole record as a file into the war room",
        parse: words::export,
    },
    Subcommand {
        words: &["alert"],
        usage: "<ack|declare|attach|snooze|resume> <alerts> [incident|1h]",
        about: "what is to become of a card of alerts; its buttons type this",
        parse: words::alert,
    },
    Subcommand {
        words: &["oncall", "on-call", "who"],
        usage: "[schedule]",
        about: "who is on call now, who is next, and where nobody will be",
        parse: watch::on_call,
    },
    Subcommand {
        words: &["override", "cover"],
        usage: "<schedule> <from> <to> [@user] | list | undo <number>",
        about: "let somebody take a schedule over for a while, as in `primary tomorrow 9:00 17:00 @bob`",
        parse: watch::take_over,
    },
    Subcommand {
        words: &["contacts"],
        usage: "",
        about: "whom to call",
        parse: |rest, context| nothing(rest, "contacts", context, Request::ShowContacts),
    },
    Subcommand {
        words: &["resolve"],
        usage: "[root cause…]",
        about: "say that the effect on users is over",
        parse: words::resolve,
    },
    Subcommand {
        words: &["reopen"],
        usage: "[reason…]",
        about: "say that it was not over",
        parse: |rest, _| Ok(Request::Pursue(Command::Reopen { reason: text(rest) })),
    },
    Subcommand {
        words: &["close"],
        usage: "",
        about: "say that the post-mortem is done",
        parse: |rest, context| nothing(rest, "close", context, Request::Pursue(Command::Close)),
    },
    Subcommand {
        words: &["help", "?"],
        usage: "[subcommand]",
        about: "this list",
        parse: words::help,
    },
];

//! What was found, and how it is told.

use serde_json::{Value, json};

use crate::slack::client::Failure;

/// What helps when nothing else does.
pub(super) const AGAIN: &str = "run this again; if it stays so, look at status.slack.com";

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Fine,
    Doubtful,
    Wrong,
}

/// One thing that was looked at.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) state: State,
    about: String,
    pub(super) said: String,
    mend: Option<String>,
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    pub(super) fn fine(&mut self, about: impl Into<String>, said: impl Into<String>) {
        self.note(State::Fine, about, said, None);
    }

    pub(super) fn doubtful(
        &mut self,
        about: impl Into<String>,
        said: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.note(State::Doubtful, about, said, Some(mend.into()));
    }

    pub(super) fn wrong(
        &mut self,
        about: impl Into<String>,
        said: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.note(State::Wrong, about, said, Some(mend.into()));
    }

    fn note(
        &mut self,
        state: State,
        about: impl Into<String>,
        said: impl Into<String>,
        mend: Option<String>,
    ) {
        self.0.push(Finding {
            state,
            about: about.into(),
            said: said.into(),
            mend,
        });
    }

    /// What Slack did not answer.
    pub(super) fn unanswered(&mut self, about: impl Into<String>, failure: &Failure) {
        let (said, mend) = match failure {
            Failure::GiveUp { why, code, .. } if code == "missing_scope" => {
                (why.clone(), "add the scope that is named above".to_owned())
            }
            Failure::GiveUp { why, .. } | Failure::Retry { why, .. } => {
                (why.clone(), AGAIN.to_owned())
            }
            Failure::Later { .. } => (
                "Slack's pace does not allow to ask this now".to_owned(),
                "run this again in some minutes".to_owned(),
            ),
        };
        self.wrong(about, said, mend);
    }

    pub(super) fn count(&self, state: State) -> usize {
        self.0
            .iter()
            .filter(|finding| finding.state == state)
            .count()
    }

    pub(super) fn told(&self) -> String {
        let mut out = String::new();
        for Finding {
            state,
            about,
            said,
            mend,
        } in &self.0
        {
            let mark = match state {
                State::Fine => '✓',
                State::Doubtful => '!',
                State::Wrong => '✗',
            };
            let mend = mend
                .as_ref()
                .map_or_else(String::new, |mend| format!(". To mend it: {mend}"));
            let line = format!("{mark} {about}: {said}{mend}");
            out.push_str(&line.replace('\n', " "));
            out.push('\n');
        }
        out.push_str(&format!(
            "{} fine, {} doubtful, {} wrong\n",
            self.count(State::Fine),
            self.count(State::Doubtful),
            self.count(State::Wrong)
        ));
        out
    }

    pub(super) fn described(&self) -> Value {
        let word = |state| match state {
            State::Fine => "fine",
            State::Doubtful => "doubtful",
            State::Wrong => "wrong",
        };
        let findings: Vec<Value> = self
            .0
            .iter()
            .map(|it| json!({ "state": word(it.state), "about": it.about, "said": it.said, "mend": it.mend }))
            .collect();
        json!({
            "ok": self.count(State::Wrong) == 0,
            "findings": findings,
            "counts": {
                "fine": self.count(State::Fine),
                "doubtful": self.count(State::Doubtful),
                "wrong": self.count(State::Wrong),
            },
        })
    }
}

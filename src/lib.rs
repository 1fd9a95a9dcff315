//! Firebell: a self-hosted Slack incident bot.
//!
//! A pure core decides; a shell does. Data goes one way round:
//!
//! ```text
//!  Slack ──┐                                                             ┌─► Slack
//!          ├─► parse ─► ENGINE ─► store: events + outbox ─► dispatcher ──┤
//!  CLI ────┘             ▲  │  (one transaction)                         └─► clocks
//!  alerts ─► INTAKE ─────┤  │  (stored first; what they order comes back through the same door)
//!                        │  └─ decide · fold · effects_of                      │
//!                        └────── what came of an order, as a command ◄─────────┘
//! ```
//!
//! 1. The edge turns the outside into a [`domain::command::Command`].
//! 2. [`domain::decide::decide`] says which [`domain::event::Event`]s follow, or refuses in words for a person.
//! 3. [`domain::incident::fold`] makes the new state, [`domain::effect::effects_of`] says what the world must be told.
//! 4. The [`engine`] writes events and orders in one transaction, many commands at a time.
//! 5. The [`dispatcher`] claims each due order by lease (the first ones are handed to it as they are written), does it,
//!    and brings what came of it back through the same door. A clock is an order with a later date, so a restart, a
//!    crash or a second replica changes nothing.
//!
//! # The rooms
//!
//! | floor | room | what it is for | may import |
//! |---|---|---|---|
//! | 6 | [`cli`] (`main`) | the command line | all |
//! | 5 | [`app`] | wires the bot: the same for `serve`, `demo` and the tests | all below but `simulator` |
//! | 4 | [`http`] | who may come in, how large, and where to | `reception`, `desk`, `dispatcher`, engine, store, adapters, templates, domain |
//! | 4 | [`socket`] | the same for Socket Mode: envelopes in, acknowledgements out | `reception`, slack |
//! | 4 | [`reception`] | takes up what Slack asks, by whichever door it came | `desk`, engine, store, slack, templates, domain |
//! | 4 | [`dispatcher`] | does what the outbox orders | engine, intake, store, adapters, templates, domain |
//! | 4 | [`desk`] | takes a person's line and answers it | engine, intake, store, slack, templates, domain |
//! | 3 | [`engine`] | the one door | store, clock, domain |
//! | 3 | [`intake`] | the door for alerts | store, clock, domain |
//! | 3 | [`export`] | the record as a file | store, templates, domain |
//! | 2 | [`store`] | what is kept; the only room that speaks SQL | domain |
//! | 2 | [`slack`] | requests read, commands understood, messages made, methods called | domain, templates, clock |
//! | 2 | [`alerts`] | what alert senders send: one file for each | domain |
//! | 2 | [`notify`] | pages and letters by other ways than Slack, and what is answered by them: one file for each way; the outer heartbeat | domain, templates |
//! | 2 | [`calendar`] | schedules as iCalendar files, written and read | domain |
//! | 2 | [`config`] | settings from the environment, the catalog from `firebell.toml` | domain |
//! | 2 | [`simulator`] | a Slack workspace of our own; knows nothing of the bot | templates |
//! | 1 | [`domain`] | the core: no clock, no randomness, no IO, no async | nothing of ours |
//! | 1 | [`templates`] | the words of messages and pages; where text from outside is made harmless | nothing of ours |
//! | 1 | [`clock`] | the one source of "now" | nothing of ours |
//!
//! Adapters know the domain and not each other. Only `store` speaks SQL, only `engine` appends events, only
//! `dispatcher` calls out, but for what is good for a moment only: replies to a person who has just done something
//! (a form, an answer to a click, the home tab; `reception` says why), who we are in Slack (`app`, at the start), who somebody is that a line
//! names (`desk`), the connections by which Slack asks us (`socket`), and the certificates by which Amazon SNS is believed (`http`). A test (`tests/it/layers.rs`) holds the table.
//!
//! # The walk of `/incident declare p1 checkout is down`
//!
//! 1. `http::gate::admit`: turned away at once if too many wait; the signature is proved over the raw bytes
//!    (`slack::signature`). `http::slack::command` reads the form (`slack::inbound`). By Socket Mode it comes as an
//!    envelope instead (`slack::socket` → `socket`), and goes on from here in the same way.
//! 2. `reception::Reception::command` → `desk::Desk::ask` → `slack::parse::parse`: the table of subcommands makes it a
//!    `Declaration`.
//! 3. `engine::Engine::handle`: waits for the writer, who gives out the number of the day, asks
//!    `domain::decide` (→ `Declared`), folds, and asks `effects_of` (→ `OpenWarRoom`, `Announce`, the update clock).
//! 4. `store::commit`: delivery, state, event (chained by hash) and orders, in one transaction with whatever else
//!    was waiting. Only then is the typist answered.
//! 5. `store::handover`: hands `OpenWarRoom` to the dispatcher in that same commit, with its lease on it; if Slack's pace
//!    has to be kept, it is written down for when its turn comes (`slack::limiter`), and claimed then.
//!    `dispatcher`: → `slack::client` (`conversations.create`) → back through the engine as
//!    `Record(WarRoomOpened)` → `WarRoomOpened` → topic, purpose, card, invitations, checklists. So nothing is posted
//!    into a channel that is not there: order by cause, not by luck. The card's `ts` comes back the same way and
//!    orders the pin.
//! 6. Each order is safe to repeat: whoever repeats one looks first whether the earlier attempt had got through (by
//!    our own metadata in the channel's history, by the creator of a channel, by what is pinned and bookmarked).
//! 7. The update clock is due: `Ring` → `Fire(Due)` → `UpdateOverdue` → a reminder, and the clock for the next
//!    in line. If an update had come, the clock had been replaced in the same transaction; an older ringing finds
//!    another setting there and says nothing.
//!
//! # The ledger
//!
//! What became of each page is kept beside its events (`domain::ledger::entries` → `pages`, `page_deliveries`), in the same
//! commit; a group of alerts says which order it waits for (`domain::ledger::owed`). Each minute `dispatcher::audit` reads
//! by indexes whatever may be out of balance (`store::ledger`), and `domain::balance` says what is: it is said once, and
//! keeps the outer heartbeat (`notify::heartbeat`) silent. It goes past the outbox, which may be what is broken.
//!
//! # The walk of an alert
//!
//! 1. `http::alerts`: the source is found by its id or by the secret that is shown; `alerts::proof` (or `alerts::sns`)
//!    proves who sends, one file of `alerts` reads what.
//! 2. `intake::Intake::take`: the request waits for the writer of alerts, with whatever else came.
//! 3. `domain::routing`: the first `[[routes]]` entry that matches says what is done with it, and its group. Or
//!    `domain::quiet` keeps it back: it waits in a room, a group that tells nothing, until the order of the room
//!    (`ReleaseAlerts`) finds the reason gone and lets it go where its route says.
//! 4. `domain::alert::fold`: what the signal does to what is known: an episode begins or ends, or it is counted.
//!    `domain::group`: what that means for its group, and what must be told: at most once a second, however many come.
//! 5. `store::alerts`: conditions, groups, the request as it came in and the orders, in one transaction; each row proves
//!    the version that was decided on. Only then is the sender answered.
//! 6. `dispatcher::alerts`: `DeclareForAlerts` goes through the engine like anybody's declaration, once for each round of
//!    the group (`domain::raise` says when it joins an open incident instead, or is only counted on a more urgent one,
//!    which orders `ReviewQuieted` when it is over); what comes after is told to the incident
//!    (`NoteAlerts` → `AlertsChanged`), whose card is edited. Or the group has a card of its own (`slack::alert_card`),
//!    whose buttons make an incident of it.
//! 7. What begins after the incident is over is refused there, and begins the next round.
//!
//! # The walk of a page
//!
//! 1. `domain::decide`: the declaration copies its policy in (`Catalog::policy_for`), and `decide::escalate` adds what is due
//!    at once: `Paged`, with who is called (`Catalog::reach`: overrides, rotations, fallbacks) and by which ways
//!    (`domain::page::contacts`: those of the step, each when the person's own rules say so).
//! 2. `domain::effect`: a `Notify` for each way that is taken now, each in the lane of its way, and the one clock of the
//!    incident, set to the earliest of all that it waits for (`Incident::next_due`).
//! 3. `store::handover` hands the `Notify` to the dispatcher in the same commit; `dispatcher::pages` → `slack::client`
//!    (a direct message, looked for before it is repeated), or `notify` (e-mail, SMS, telephone, webhook).
//! 4. What came of it goes back through the engine as `Record(Delivery)`: accepted, delayed, failed. A way that fails brings
//!    the person's next way forward; if all do, the next step goes at once.
//! 5. The clock rings: `Fire(Due)` → `decide::escalate::ring`: the next step, the next way, a page or an acknowledgement
//!    that expired, an update, a post-mortem: whatever is due, in its order. Nobody is given up on whose page was held up
//!    by an outage: it gives as long to answer as was meant (`AnswerTimeExtended`).
//! 6. The answer: a click or a line (`Acknowledge`); a reply, a key or a link (`http::notify` proves it → `Answer`). The
//!    clock is set anew, every page ends, and its message in Slack says so (`EndPage`).
//! 7. Every page ends answered, resolved or expired loudly.
//!
//! # Where a change lands
//!
//! | I want | I touch |
//! |---|---|
//! | another wording | `templates/slack/…` (or the same file beside the configuration) |
//! | a new subcommand | a row in `slack::parse::SUBCOMMANDS` (help comes with it), a `Command`, its arm in `decide` |
//! | a new fact | `Event`, its arms in `fold`, `effects_of`, `timeline`; the compiler shows them all |
//! | a new button | one line in `slack::message`: a button carries the words that one would type |
//! | a new form | `slack::modal`: what is asked, and the command that it becomes; a row of the table may open it |
//! | a new order to the world | `Effect`, its arm in `dispatcher` |
//! | another way to page people | one file in `notify`, a `Channel`, its `Lane` |
//! | a new Web API method | a row in `slack::methods` (pace and scopes come with it), a function in `slack::client` |
//! | another sender of alerts | one file in `alerts`; a line in `fuzz/targets.rs` |
//! | another label by which people find an alert | `domain::whereabouts` |
//! | another deed at a sender that cards tell | a `Deed` in `domain::remark` |
//! | another sort of change than a deploy | `intake::changes`; whom it concerns says `domain::change` |
//! | another form of time in `override` | `domain::typed_time` |
//! | another thing that may be out of balance | a fact and a finding in `domain::balance`, what it is read by in `store::ledger` |
//! | a new column | `migrations/`, `store::commit::WRITES` or one file in `store` |

#![warn(missing_docs)]

pub mod alerts;
pub mod app;
pub mod calendar;
pub mod cli;
pub mod clock;
pub mod config;
pub mod desk;
pub mod dispatcher;
pub mod domain;
pub mod engine;
pub mod export;
pub mod http;
pub mod intake;
pub mod notify;
pub mod reception;
pub mod simulator;
pub mod slack;
pub mod socket;
pub mod store;
pub mod templates;

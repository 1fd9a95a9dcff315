//! The ledger: every page and every group of alerts, and how it ended. What is kept of pages follows from the events of
//! their incidents and from nothing else.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::catalog::Then;
use super::escalation::Channel;
use super::event::{Event, Recorded};
use super::group::Group;
use super::incident::Incident;
use super::page::{Addressee, Contact, DeliveryState, OpenPage, PageEnd};
use super::terms::{IncidentId, PersonId, Status, Who};
use super::timeline::reason_of;

/// What the ledger keeps of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageEntry {
    /// The incident.
    pub incident: IncidentId,
    /// Its number within the incident, from 1.
    pub number: u32,
    /// The event by which it stands as it does.
    pub seq: u64,
    /// Who is called, for people: `@ana`.
    pub to: String,
    /// The `[[people]]` entry; none: the configuration knew none.
    pub person: Option<PersonId>,
    /// Why, for people.
    pub why: String,
    /// When it began.
    pub paged_at: Timestamp,
    /// By which ways, and when each is taken.
    pub contacts: Vec<Contact>,
    /// How it ended; none: it has not.
    pub ending: Option<Ending>,
}

/// How a page ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// In which of the three ways.
    pub end: PageEnd,
    /// When.
    pub at: Timestamp,
    /// Who ended it, for people.
    pub by: String,
    /// The way by which it was answered, if it was by one of its own.
    pub via: Option<Channel>,
}

/// What the ledger keeps of a way to somebody: how far it came, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryEntry {
    /// The incident.
    pub incident: IncidentId,
    /// The number of the page.
    pub number: u32,
    /// The event that says so.
    pub seq: u64,
    /// The way.
    pub via: Channel,
    /// How far it came.
    pub reached: Reached,
    /// When.
    pub at: Timestamp,
    /// What the provider calls the message.
    pub provider_id: Option<String>,
    /// Why it came no further, in words for a person.
    pub reason: Option<String>,
}

/// How far a way came: as its provider says, or to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// A state of the delivery.
    State(DeliveryState),
    /// Somebody answered by it.
    Answered,
}

impl Reached {
    /// The name under which it is stored.
    pub fn word(self) -> &'static str {
        match self {
            Reached::State(DeliveryState::Waiting) => "waiting",
            Reached::State(DeliveryState::Ordered) => "ordered",
            Reached::State(DeliveryState::Delayed) => "delayed",
            Reached::State(DeliveryState::Failed) => "failed",
            Reached::State(DeliveryState::Accepted) => "accepted",
            Reached::State(DeliveryState::Delivered) => "delivered",
            Reached::Answered => "answered",
        }
    }
}

/// What an event adds to the ledger, or changes in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entries {
    /// Pages as they stand now.
    pub pages: Vec<PageEntry>,
    /// What was reached.
    pub deliveries: Vec<DeliveryEntry>,
}

/// What an event adds to the ledger, given the pages that were open before it and the state after it.
pub fn entries(recorded: &Recorded, open: &[OpenPage], after: &Incident) -> Entries {
    let mut entries = Entries::default();
    let is_late = matches!(recorded.event, Event::PageDelivery(_));
    // Who was called by id alone has a name from now on.
    let is_naming = matches!(recorded.event, Event::NamesLearned { .. });
    if open.is_empty() && after.pages.is_empty() && !is_late {
        return entries;
    }
    let reached = |number: u32, via, reached| DeliveryEntry {
        incident: after.id.clone(),
        number,
        seq: recorded.seq,
        via,
        reached,
        at: recorded.recorded_at,
        provider_id: None,
        reason: None,
    };
    for page in &after.pages {
        if is_naming || !open.iter().any(|known| known.number == page.number) {
            entries.pages.push(entry(page, after, recorded.seq, None));
        }
        for contact in &page.contacts {
            let known = open.iter().find(|known| known.number == page.number);
            let known = known.and_then(|known| Some(known.contact(contact.via)?.state));
            if contact.state == DeliveryState::Ordered && known != Some(DeliveryState::Ordered) {
                let state = Reached::State(DeliveryState::Ordered);
                entries
                    .deliveries
                    .push(reached(page.number, contact.via, state));
            }
        }
    }
    if let Event::PageDelivery(delivery) = &recorded.event {
        entries.deliveries.push(DeliveryEntry {
            provider_id: delivery.provider_id.clone(),
            reason: delivery.reason.clone(),
            ..reached(delivery.page, delivery.via, Reached::State(delivery.state))
        });
    }
    for page in open {
        if after.page(page.number).is_some() {
            continue;
        }
        let ending = ending(page, recorded, after);
        if let Some(via) = ending.as_ref().and_then(|ending| ending.via) {
            let contact = page.contact(via);
            entries.deliveries.push(DeliveryEntry {
                provider_id: contact.and_then(|it| it.provider_id.clone()),
                ..reached(page.number, via, Reached::Answered)
            });
        }
        entries.pages.push(entry(page, after, recorded.seq, ending));
    }
    entries
}

fn entry(page: &OpenPage, incident: &Incident, seq: u64, ending: Option<Ending>) -> PageEntry {
    let contacts = page.contacts.iter();
    PageEntry {
        incident: incident.id.clone(),
        number: page.number,
        seq,
        to: match &page.to {
            Addressee::Person { who, .. } => format!("@{}", incident.name_of(who)),
            Addressee::UserGroup { .. } | Addressee::Channel { .. } => page.to.shown(),
        },
        person: match &page.to {
            Addressee::Person { id, .. } => id.clone(),
            Addressee::UserGroup { .. } | Addressee::Channel { .. } => None,
        },
        why: reason_of(&page.why),
        paged_at: page.paged_at,
        contacts: contacts
            .map(|contact| Contact {
                via: contact.via,
                at: contact.at,
            })
            .collect(),
        ending,
    }
}

/// How a page ended with this event; none: no such event ends a page, and the auditor finds it open.
fn ending(page: &OpenPage, recorded: &Recorded, after: &Incident) -> Option<Ending> {
    let by = |who: &Who| format!("@{}", after.name_of(who));
    let (end, by, via) = match &recorded.event {
        Event::Acknowledged { by: who, answer } => {
            let answer = answer.filter(|answer| answer.page == page.number);
            (PageEnd::Answered, by(who), answer.map(|answer| answer.via))
        }
        Event::PageAnswered { by: who, via, .. } => (PageEnd::Answered, by(who), *via),
        Event::PageExpired { .. } | Event::EscalationExhausted { .. } => {
            (PageEnd::Expired, "the clock".to_owned(), None)
        }
        // With a new round those end that nobody answered in the round before; the war room reads which.
        Event::Paged(paged) if paged.unanswered.contains(&page.number) => {
            (PageEnd::Expired, "the next round".to_owned(), None)
        }
        Event::Resolved(_) => {
            let who = recorded.actor.person().map(by);
            let who = who.unwrap_or_else(|| recorded.actor.name().to_owned());
            (PageEnd::Resolved, who, None)
        }
        _ => return None,
    };
    Some(Ending {
        end,
        at: recorded.recorded_at,
        by,
        via,
    })
}

/// Where something stands that was accepted: a page, or a group of alerts. It is in exactly one of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "standing", rename_all = "snake_case")]
pub enum Standing {
    /// Open, and somebody or something is still due.
    Open,
    /// Somebody has it.
    Answered,
    /// It is over.
    Resolved,
    /// A rule keeps it from being told.
    Suppressed {
        /// Which, for people.
        by: String,
    },
    /// Nobody answered, and that was said loudly.
    Expired,
    /// It is in none: out of balance.
    Lost {
        /// Why, for people.
        why: String,
    },
}

impl Standing {
    /// The word for people.
    pub fn word(&self) -> &'static str {
        match self {
            Standing::Open => "open",
            Standing::Answered => "answered",
            Standing::Resolved => "resolved",
            Standing::Suppressed { .. } => "suppressed",
            Standing::Expired => "expired",
            Standing::Lost { .. } => "LOST",
        }
    }

    /// What else is to be said of it.
    pub fn more(&self) -> Option<&str> {
        match self {
            Standing::Suppressed { by } => Some(by),
            Standing::Lost { why } => Some(why),
            Standing::Open | Standing::Answered | Standing::Resolved | Standing::Expired => None,
        }
    }
}

/// Where a page stands. `over`: the incident is; none: there is no such incident. `clock`: one of the incident's waits.
pub fn standing_of_page(ended: Option<PageEnd>, over: Option<bool>, clock: bool) -> Standing {
    let lost = |why: &str| Standing::Lost {
        why: why.to_owned(),
    };
    match (ended, over, clock) {
        (Some(PageEnd::Answered), _, _) => Standing::Answered,
        (Some(PageEnd::Resolved), _, _) => Standing::Resolved,
        (Some(PageEnd::Expired), _, _) => Standing::Expired,
        (None, None, _) => lost("it has not ended, and there is no such incident"),
        (None, Some(true), _) => lost("it has not ended although its incident is over"),
        (None, Some(false), false) => {
            lost("it has not ended, and no clock of its incident waits to go on")
        }
        (None, Some(false), true) => Standing::Open,
    }
}

/// What a group of alerts waits for as long as it fires and nobody has been told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owed {
    /// An order to declare an incident for it.
    Declaration,
    /// An order to post its card, or to bring it up to date.
    Card,
    /// An order to look whether it is still kept back.
    Release,
    /// The name of the rule by which it is suppressed: no order pays that.
    Rule,
}

impl Owed {
    /// The name under which it is stored, and the key or the queue of the order that pays it.
    pub fn word(self) -> &'static str {
        match self {
            Owed::Declaration => "declare",
            Owed::Card => "card",
            Owed::Release => "release",
            Owed::Rule => "rule",
        }
    }

    /// What is missing where it is not paid.
    pub fn lack(self) -> &'static str {
        match self {
            Owed::Declaration => "they fire, there is no incident, and no order to declare one",
            Owed::Card => "they fire, there is no card, and no order to post one",
            Owed::Release => "they are kept back, and no order is there to look when that is over",
            Owed::Rule => "they are suppressed, and no rule is named that does it",
        }
    }
}

/// What a group of alerts waits for; nothing: it does not fire, somebody has been told, or a rule keeps it.
pub fn owed(group: &Group) -> Option<Owed> {
    if group.firing == 0 || group.incident.is_some() {
        return None;
    }
    match (&group.hold, group.then) {
        // Whoever quiets them orders it in the end; what is ordered already must be there.
        (Some(_), _) => group.looks_at.map(|_| Owed::Release),
        (None, Then::Declare) => Some(Owed::Declaration),
        (None, Then::Notify) if group.card.is_some() || group.acknowledged_by.is_some() => None,
        (None, Then::Notify) => Some(Owed::Card),
        (None, Then::Suppress) if group.suppressed_by.is_some() => None,
        (None, Then::Suppress) => Some(Owed::Rule),
    }
}

/// How the incident of a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupIncident {
    /// Its status.
    pub status: Status,
    /// Whether somebody has it.
    pub is_acknowledged: bool,
}

/// Where a group of alerts stands. `incident`: its own, as far as it has one and it is there; `is_ordered`: what it waits
/// for is ordered.
pub fn standing_of_group(
    group: &Group,
    incident: Option<GroupIncident>,
    is_ordered: bool,
    now: Timestamp,
) -> Standing {
    if let Some(owed) = owed(group)
        && !is_ordered
    {
        return Standing::Lost {
            why: owed.lack().to_owned(),
        };
    }
    let suppressed = |by: String| Standing::Suppressed { by };
    if let Some(hold) = &group.hold {
        return suppressed(hold.words());
    }
    match (&group.incident, group.then) {
        (Some(id), _) if group.is_quieted => suppressed(format!("the more urgent incident {id}")),
        (Some(id), _) => match incident {
            None => Standing::Lost {
                why: format!("its incident {id} is gone"),
            },
            Some(it) if !it.status.is_open() => Standing::Resolved,
            Some(it) if it.is_acknowledged => Standing::Answered,
            Some(_) => Standing::Open,
        },
        (None, Then::Suppress) => suppressed(match &group.suppressed_by {
            Some(rule) => rule.clone(),
            None => "a route".to_owned(),
        }),
        (None, _) if group.firing == 0 => Standing::Resolved,
        (None, Then::Notify) if group.acknowledged_by.is_some() => Standing::Answered,
        (None, Then::Notify) if group.snoozed_until.is_some_and(|until| until > now) => {
            suppressed("a snooze".to_owned())
        }
        (None, Then::Declare) if group.cut_off_until.is_some() => {
            suppressed("[alerts].cut_off".to_owned())
        }
        (None, Then::Declare | Then::Notify) => Standing::Open,
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::domain::event::MessageRef;
    use crate::domain::samples::groups;
    use crate::domain::terms::{ChannelId, MessageTs};

    fn group(then: Then, firing: u64) -> Group {
        let [_, least] = groups();
        Group {
            then,
            firing,
            ..least
        }
    }

    fn now() -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(10)
    }

    /// Where a group stands without an incident, with the order that it waits for and without.
    fn stands(group: &Group) -> [String; 2] {
        [true, false].map(|is_ordered| {
            let standing = standing_of_group(group, None, is_ordered, now());
            let more = standing.more().map(|more| format!(": {more}"));
            format!("{}{}", standing.word(), more.unwrap_or_default())
        })
    }

    #[test]
    fn a_page_is_in_exactly_one_of_its_standings() {
        let ends = [
            (PageEnd::Answered, "answered"),
            (PageEnd::Resolved, "resolved"),
            (PageEnd::Expired, "expired"),
        ];
        for (end, word) in ends {
            for (over, clock) in [(None, false), (Some(true), false), (Some(false), true)] {
                assert_eq!(standing_of_page(Some(end), over, clock).word(), word);
            }
        }
        assert_eq!(
            standing_of_page(None, Some(false), true).word(),
            "open",
            "its incident is open, and its clock waits"
        );
        for (over, clock) in [(None, true), (Some(true), true), (Some(false), false)] {
            assert_eq!(standing_of_page(None, over, clock).word(), "LOST");
        }
    }

    #[test]
    fn alerts_that_fire_and_are_told_to_nobody_need_an_order_that_tells_them() {
        insta::assert_debug_snapshot!(
            [Then::Declare, Then::Notify, Then::Suppress].map(|then| stands(&group(then, 2))),
            @r#"
        [
            [
                "open",
                "LOST: they fire, there is no incident, and no order to declare one",
            ],
            [
                "open",
                "LOST: they fire, there is no card, and no order to post one",
            ],
            [
                "suppressed: a route",
                "LOST: they are suppressed, and no rule is named that does it",
            ],
        ]
        "#
        );
    }

    #[test]
    fn alerts_that_are_over_or_told_owe_nothing() {
        for then in [Then::Declare, Then::Notify] {
            assert_eq!(stands(&group(then, 0)), ["resolved", "resolved"]);
        }
        let carded = Group {
            card: Some(MessageRef {
                channel: ChannelId::new("C1"),
                ts: MessageTs::new("1.2"),
            }),
            ..group(Then::Notify, 1)
        };
        assert_eq!(stands(&carded), ["open", "open"]);
        let taken = Group {
            acknowledged_by: Some(Who::named("ana")),
            ..carded
        };
        assert_eq!(stands(&taken), ["answered", "answered"]);
    }

    #[test]
    fn what_keeps_alerts_is_named_and_does_not_keep_them_for_ever() {
        let hold = crate::domain::quiet::Hold::Maintenance {
            name: "Database move".into(),
            until: now() + SignedDuration::from_hours(1),
        };
        let held = Group {
            hold: Some(hold),
            looks_at: Some(now() + SignedDuration::from_hours(1)),
            ..group(Then::Declare, 1)
        };
        assert_eq!(
            stands(&held),
            [
                "suppressed: the maintenance “Database move”",
                "LOST: they are kept back, and no order is there to look when that is over"
            ]
        );
        let cut_off = Group {
            cut_off_until: Some(now()),
            ..group(Then::Declare, 1)
        };
        assert_eq!(stands(&cut_off)[0], "suppressed: [alerts].cut_off");
        let snoozed = Group {
            snoozed_until: Some(now() + SignedDuration::from_secs(1)),
            ..group(Then::Notify, 1)
        };
        assert_eq!(stands(&snoozed)[0], "suppressed: a snooze");
        let suppressed = Group {
            suppressed_by: Some("route 3 of [[routes]]".into()),
            ..group(Then::Suppress, 1)
        };
        assert_eq!(
            stands(&suppressed),
            [
                "suppressed: route 3 of [[routes]]",
                "suppressed: route 3 of [[routes]]"
            ]
        );
    }

    #[test]
    fn a_group_with_an_incident_stands_as_that_does() {
        let [mut full, _] = groups();
        full.then = Then::Declare;
        let with = |status, is_acknowledged| {
            let incident = GroupIncident {
                status,
                is_acknowledged,
            };
            standing_of_group(&full, Some(incident), false, now()).word()
        };
        assert_eq!(with(Status::Investigating, false), "open");
        assert_eq!(with(Status::Mitigating, true), "answered");
        assert_eq!(with(Status::Resolved, true), "resolved");
        assert_eq!(with(Status::Closed, false), "resolved");
        assert_eq!(standing_of_group(&full, None, true, now()).word(), "LOST");
        full.is_quieted = true;
        assert_eq!(
            standing_of_group(&full, None, true, now()).more(),
            Some("the more urgent incident INC-1970-0101-001")
        );
    }
}

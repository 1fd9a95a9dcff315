//! The proof of a JSON export, from the file alone: that its record is whole, and that its summary and its words say
//! what the record says. The file is read as a stream: a long timeline costs time, not memory.
//!
//! What cannot be found: a file whose record was forged from the changed entry to the end, with every hash and the head
//! made anew. Against that there is only another copy of the head (the same export as Markdown, or the store itself),
//! which is why [`Verdict`] tells it.

use std::collections::BTreeMap;
use std::io::{BufReader, Read};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::GENERATOR;
use super::facts::Facts;
use super::json::{Entry, NAMES, SCHEMA_VERSION, SaidUpdate, Summary, TIMELINE, UPDATES};
use super::rewritten::originals;
use super::survey::Survey;
use super::told::Names;
use crate::domain::event::{Event, Recorded};
use crate::domain::incident::{Incident, fold};
use crate::domain::terms::{Actor, IncidentId, SlackUserId};
use crate::store::chain::{self, Link};

/// Faults that are told; a file that is wrong throughout need not be told about entry by entry.
const FAULTS_MAX: usize = 20;

/// What a file was found to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// Whose record it is, by the record itself.
    pub incident: Option<IncidentId>,
    /// How many entries were read.
    pub entries: u64,
    /// The hash at which the record ends: the same as in every other export of this moment, and as in the store.
    pub head: String,
    /// Whether another program has written the file anew: its words are those of the record, its bytes are not.
    pub reformatted: bool,
    /// Where the file does not hold, in words.
    pub faults: Vec<String>,
    /// What could not be proved, and why, in words.
    pub remarks: Vec<String>,
}

impl Verdict {
    /// Whether no fault was found.
    pub fn holds(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Reads an exported JSON file to its end and says whether it holds. An error: it is no such file at all.
pub fn verify_file(reader: impl Read) -> anyhow::Result<Verdict> {
    let mut proof = Proof::default();
    let mut file =
        serde_json::Deserializer::from_reader(BufReader::with_capacity(64 * 1024, reader));
    file.deserialize_map(WholeFile(&mut proof))?;
    file.end()?;
    Ok(proof.verdict())
}

#[derive(Default)]
struct Proof {
    /// Everything of the file but its long lists.
    summary: Map<String, Value>,
    /// Who is who, by the summary; whether the record says so shows at its end.
    names: BTreeMap<SlackUserId, String>,
    head: String,
    last: i64,
    entries: u64,
    id: Option<IncidentId>,
    incident: Option<Incident>,
    survey: Survey,
    /// Digests of the updates, as the file lists them and as the record has them.
    updates_listed: Option<Sha256>,
    updates_recorded: Sha256,
    /// The first difference between words and record in the timeline, which is a fault only if this version of
    /// Firebell wrote the words.
    other_words: Option<i64>,
    unknown_events: bool,
    has_timeline: bool,
    reformatted: bool,
    faults: Vec<String>,
    more_faults: u64,
}

impl Proof {
    fn fault(&mut self, fault: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        } else {
            self.more_faults += 1;
        }
    }

    /// Takes the next entry of the timeline.
    fn entry(&mut self, entry: &Entry) {
        self.entries += 1;
        let seq = entry.seq;
        if seq != self.last + 1 {
            self.fault(format!(
                "after entry {} comes entry {seq}: something is missing or was moved",
                self.last
            ));
        }
        let event = serde_json::from_str::<Event>(entry.payload.get());
        if self.id.is_none()
            && let Ok(Event::Declared(declared)) = &event
        {
            self.id = Some(declared.id.clone());
        }
        let (Ok(happened_at), Ok(recorded_at)) = (
            entry.happened_at.parse::<Timestamp>(),
            entry.recorded_at.parse::<Timestamp>(),
        ) else {
            self.fault(format!("entry {seq} has no readable time"));
            return;
        };
        let link = Link {
            incident_id: self.id.as_ref().map_or("", |id| id.as_str()),
            seq,
            kind: &entry.kind,
            happened_at_ms: happened_at.as_millisecond(),
            recorded_at_ms: recorded_at.as_millisecond(),
            actor: entry.actor.get(),
            payload: entry.payload.get(),
        };
        if link.hash(&self.head) == entry.hash {
            // As it was written down.
        } else if self.was_rewritten(&link, &entry.hash) {
            self.reformatted = true;
        } else {
            self.fault(format!(
                "entry {seq} ({}) is not what was written down",
                entry.kind
            ));
        }
        self.head.clone_from(&entry.hash);
        self.last = seq;
        if entry.happened_at_local.parse::<Timestamp>().ok() != Some(happened_at) {
            self.fault(format!(
                "entry {seq}: the local time is not the time of the record"
            ));
        }
        match (event, serde_json::from_str::<Actor>(entry.actor.get())) {
            (Ok(event), Ok(actor)) => self.meaning(
                entry,
                &Recorded {
                    seq: seq.max(0) as u64,
                    event,
                    actor,
                    happened_at,
                    recorded_at,
                },
            ),
            (_, _) => self.unknown_events = true,
        }
    }

    /// Whether an entry is what was written down, but for the form of its JSON.
    fn was_rewritten(&self, link: &Link<'_>, hash: &str) -> bool {
        let payloads = originals::<Event>(link.payload);
        originals::<Actor>(link.actor).iter().any(|actor| {
            let mut payloads = payloads.iter();
            payloads.any(|payload| {
                Link {
                    actor,
                    payload,
                    ..*link
                }
                .hash(&self.head)
                    == hash
            })
        })
    }

    /// Compares what an entry says with what its record means.
    fn meaning(&mut self, entry: &Entry, recorded: &Recorded) {
        let told = Names(&self.names).tell(recorded);
        let same = told.text == entry.text && told.actor == entry.who && told.sort == entry.sort;
        if !same && self.other_words.is_none() {
            self.other_words = Some(entry.seq);
        }
        if let Some(update) = SaidUpdate::of(recorded, Names(&self.names)) {
            digest(
                &mut self.updates_recorded,
                &serde_json::to_value(update).unwrap_or_default(),
            );
        }
        self.survey.add(recorded);
        self.incident = fold(self.incident.take(), recorded);
    }

    /// Compares the summary with what the record adds up to.
    fn verdict(mut self) -> Verdict {
        let mut remarks = Vec::new();
        let text = |path: &str| {
            self.summary
                .get("record")?
                .get(path)?
                .as_str()
                .map(str::to_owned)
        };
        let head_told = text("head");
        let entries_told = self
            .summary
            .get("record")
            .and_then(|it| it.get("entries")?.as_u64());
        if self.entries == 0 {
            self.fault("the file has no record".to_owned());
        }
        if self.id.is_none() && self.entries > 0 {
            self.fault("the record does not begin with a declaration".to_owned());
        }
        if entries_told != Some(self.entries) {
            self.fault(format!(
                "the timeline has {} entries, but the summary speaks of {}",
                self.entries,
                entries_told.map_or("no number".to_owned(), |n| n.to_string()),
            ));
        }
        if head_told.as_deref() != Some(&self.head) {
            self.fault(format!(
                "the timeline ends at the hash {}, but the summary speaks of {}",
                self.head,
                head_told.as_deref().unwrap_or("none"),
            ));
        }
        let generator = self.summary.get("generator").and_then(Value::as_str);
        if generator != Some(GENERATOR) {
            remarks.push(format!(
                "written by {}, read by {GENERATOR}: whether the words and the summary say what the record says was not compared",
                generator.unwrap_or("nobody knows whom"),
            ));
        } else if self.unknown_events {
            self.fault("the record has events that this Firebell, which is said to have written it, does not know".to_owned());
        } else {
            self.compare();
        }
        if self.more_faults > 0 {
            self.faults.push(format!("and {} more", self.more_faults));
        }
        Verdict {
            incident: self.id,
            entries: self.entries,
            head: self.head,
            reformatted: self.reformatted,
            faults: self.faults,
            remarks,
        }
    }

    fn compare(&mut self) {
        if let Some(seq) = self.other_words {
            self.fault(format!(
                "the words of entry {seq} are not what its record says"
            ));
        }
        let listed = self.updates_listed.take().map(|digest| digest.finalize());
        if listed
            .is_none_or(|listed| listed != std::mem::take(&mut self.updates_recorded).finalize())
        {
            self.fault("the updates are not those of the record".to_owned());
        }
        let Some(incident) = self.incident.take() else {
            return;
        };
        // What the record does not know, and the file is believed in: whose it is, when and in which zone it was
        // written, and the service's name.
        let told = |part: &str, field: &str| self.summary.get(part)?.get(field)?.as_str();
        let zone = told("organization", "timezone").and_then(|name| TimeZone::get(name).ok());
        let now = self
            .summary
            .get("exported_at")
            .and_then(|at| at.as_str()?.parse().ok());
        let (Some(zone), Some(now)) = (zone, now) else {
            self.fault("the summary does not say when and in which zone it was written".to_owned());
            return;
        };
        let facts = Facts {
            incident: &incident,
            survey: &self.survey,
            zone: &zone,
            now,
            organization: told("organization", "name").unwrap_or_default(),
            service_name: told("incident", "service_name"),
            head: &self.head,
        };
        let Ok(Value::Object(expected)) = serde_json::to_value(Summary::of(&facts)) else {
            return;
        };
        let mut wrong: Vec<String> = expected
            .iter()
            .filter(|(key, value)| self.summary.get(*key) != Some(value))
            .map(|(key, _)| key.clone())
            .collect();
        wrong.extend(
            self.summary
                .keys()
                .filter(|key| !expected.contains_key(*key))
                .cloned(),
        );
        for key in wrong {
            self.fault(format!("“{key}” is not what the record says"));
        }
    }
}

fn digest(digest: &mut Sha256, value: &Value) {
    let text = value.to_string();
    digest.update((text.len() as u64).to_be_bytes());
    digest.update(text);
}

/// Reads the whole file.
struct WholeFile<'p>(&'p mut Proof);

impl<'de> Visitor<'de> for WholeFile<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a post-mortem that Firebell has exported as JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let proof = self.0;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                TIMELINE if std::mem::replace(&mut proof.has_timeline, true) => {
                    return Err(de::Error::custom("there are two timelines"));
                }
                TIMELINE => map.next_value_seed(Timeline(proof))?,
                UPDATES if proof.updates_listed.is_some() => {
                    return Err(de::Error::custom("there are two lists of updates"));
                }
                UPDATES => map.next_value_seed(Updates(proof))?,
                _ => {
                    let value = map.next_value()?;
                    if proof.summary.insert(key.clone(), value).is_some() {
                        return Err(de::Error::custom(format!("“{key}” is there twice")));
                    }
                    if key == NAMES {
                        let names = proof.summary[NAMES].clone();
                        proof.names = serde_json::from_value(names).map_err(de::Error::custom)?;
                    }
                    let version = proof.summary.get("schema_version").and_then(Value::as_u64);
                    if key == "schema_version" && version != Some(SCHEMA_VERSION.into()) {
                        return Err(de::Error::custom(
                            "the file has a version of the schema that this Firebell cannot read; a newer one can",
                        ));
                    }
                }
            }
        }
        Ok(())
    }
}

/// Reads the timeline, entry by entry.
struct Timeline<'p>(&'p mut Proof);

impl<'de> DeserializeSeed<'de> for Timeline<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Timeline<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the entries of a timeline")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(entry) = entries.next_element::<Entry>()? {
            self.0.entry(&entry);
        }
        Ok(())
    }
}

/// Reads the list of updates, one by one.
struct Updates<'p>(&'p mut Proof);

impl<'de> DeserializeSeed<'de> for Updates<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Updates<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the updates")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut updates: A) -> Result<(), A::Error> {
        let mut listed = Sha256::new();
        while let Some(update) = updates.next_element::<Value>()? {
            digest(&mut listed, &update);
        }
        self.0.updates_listed = Some(listed);
        Ok(())
    }
}

/// The hash before the first entry is the chain's own, and empty: a proof begins with it.
const _: () = assert!(chain::BEGINNING.is_empty());

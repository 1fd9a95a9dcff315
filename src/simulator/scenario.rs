//! Scenarios: a scripted outage, played by the people of a workspace. They do what anybody could do, by messages, slash
//! commands, buttons and reactions, and what watches outside sends what it sees; what the app makes of it is the app's
//! affair.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use tokio::task::AbortHandle;

use super::monitor::Monitor;
use super::page::{SceneStep, SceneView, Scenes};
use super::people::Person;
use super::{ChannelView, Workspace, api};

/// How long somebody waits for a channel, a message or a button that the app is to make.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(50);
/// The pause between two steps that say nothing about it.
const AFTER: Duration = Duration::from_secs(6);
/// The place that is not known when a scenario is written: the first channel whose name begins so and that was not there
/// when this run began.
const WAR_ROOM: (&str, &str) = ("war room", "incident-");
/// The direct message of whoever acts with the app.
const DIRECT: &str = "dm";
/// What stands for the number of the run in what is sent: each run has alerts of its own.
const RUN: &str = "{run}";

/// A scenario as it is written: one TOML file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// A few words.
    pub title: String,
    /// What it is about, in a sentence or two.
    pub about: String,
    /// What happens, one after the other.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The pause before it in real time: `8s`.
    #[serde(default, deserialize_with = "seconds")]
    pub after: Option<Duration>,
    /// What happens now.
    pub now: String,
    /// What one may try meanwhile.
    #[serde(rename = "try")]
    pub try_this: String,
    /// Where it is to be seen.
    pub channel: Option<String>,
    /// Who does what.
    #[serde(default)]
    pub deeds: Vec<Deed>,
}

/// Something that a person does, or what watches.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deed {
    /// Who.
    pub who: String,
    /// In which channel.
    #[serde(default, rename = "in")]
    pub place: Option<String>,
    /// Left out if this place is there already.
    #[serde(default)]
    pub unless: Option<String>,
    /// Says something.
    #[serde(default)]
    pub says: Option<String>,
    /// Types a line: a slash command.
    #[serde(default)]
    pub types: Option<String>,
    /// Clicks the newest button of this label.
    #[serde(default)]
    pub clicks: Option<String>,
    /// Gives this reaction to the newest message that holds the text of `on`.
    #[serde(default)]
    pub reacts: Option<String>,
    /// See `reacts`.
    #[serde(default)]
    pub on: Option<String>,
    /// Joins a channel.
    #[serde(default)]
    pub joins: Option<String>,
    /// Sends the app this JSON, as what watches outside of Slack does; `{run}` is the number of the run.
    #[serde(default)]
    pub sends: Option<String>,
}

/// What it is, after “could not”.
impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Deed {
                joins: Some(place), ..
            } => write!(f, "join the {place}"),
            Deed { sends: Some(_), .. } => f.write_str("send what it sees"),
            Deed {
                clicks: Some(label),
                ..
            } => write!(f, "click “{label}”"),
            Deed {
                reacts: Some(emoji),
                on: Some(text),
                ..
            } => {
                write!(f, "give “{text}” a :{emoji}:")
            }
            Deed { says, types, .. } => {
                let line = says.as_ref().or(types.as_ref());
                write!(f, "write “{}”", line.map_or("", String::as_str))
            }
        }
    }
}

fn seconds<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    let number = text.strip_suffix('s').and_then(|it| it.parse().ok());
    let number = number.ok_or_else(|| {
        serde::de::Error::custom(format!("“{text}” is no pause; write seconds, as in 8s"))
    })?;
    Ok(Some(Duration::from_secs(number)))
}

impl Scenario {
    /// Reads a scenario and makes sure that each deed is one.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let scenario: Scenario = toml::from_str(text)?;
        ensure!(!scenario.steps.is_empty(), "a scenario has steps");
        for deed in scenario.steps.iter().flat_map(|step| &step.deeds) {
            let what = [
                &deed.says,
                &deed.types,
                &deed.clicks,
                &deed.reacts,
                &deed.joins,
                &deed.sends,
            ];
            let count = what.iter().filter(|it| it.is_some()).count();
            ensure!(
                count == 1,
                "{} does {count} things in one deed: {deed:?}",
                deed.who
            );
            ensure!(
                deed.reacts.is_some() == deed.on.is_some(),
                "`reacts` goes with `on`: {deed:?}"
            );
            let is_elsewhere = deed.joins.is_some() || deed.sends.is_some();
            ensure!(
                deed.place.is_some() != is_elsewhere,
                "it must say where: {deed:?}"
            );
            if let Some(sent) = &deed.sends {
                let sent = serde_json::from_str::<serde_json::Value>(sent);
                sent.with_context(|| format!("what it sends is no JSON: {deed:?}"))?;
            }
        }
        Ok(scenario)
    }
}

/// Plays scenarios in a workspace.
pub struct Player {
    workspace: Workspace,
    scenarios: Vec<(String, Scenario)>,
    monitor: Option<Monitor>,
    runs: AtomicU64,
    standing: Mutex<BTreeMap<String, Standing>>,
    turn: tokio::sync::Mutex<()>,
}

/// How far a scenario has come.
#[derive(Default)]
struct Standing {
    /// Which run this is, of all that there were.
    run: u64,
    /// When it began, as messages are numbered: what was said before is none of its business.
    since: String,
    /// How many steps were begun.
    step: usize,
    /// How many of them people have begun to act in.
    done: usize,
    running: bool,
    playing: bool,
    /// The channels that were there before this run.
    before: BTreeSet<String>,
    /// The war room of this run, once it is there.
    room: Option<String>,
    /// What people could not do in this run, in words for whoever looks on.
    faults: Vec<String>,
    tasks: Vec<AbortHandle>,
}

impl Standing {
    /// The name of a place, if it is there; `channels` are the workspace's, the oldest first.
    fn place(&self, channels: &[ChannelView], place: &str) -> Option<String> {
        let is_it = |it: &&ChannelView| match (place == WAR_ROOM.0, &self.room) {
            (false, _) => it.name == place,
            (true, Some(room)) => it.name == *room,
            (true, None) => it.name.starts_with(WAR_ROOM.1) && !self.before.contains(&it.name),
        };
        channels.iter().find(is_it).map(|it| it.name.clone())
    }
}

impl Player {
    /// A player of these scenarios, each with its id, and with what watches from outside of the workspace.
    pub fn new(
        workspace: Workspace,
        scenarios: Vec<(String, Scenario)>,
        monitor: Option<Monitor>,
    ) -> Arc<Self> {
        Arc::new(Self {
            workspace,
            scenarios,
            monitor,
            runs: AtomicU64::new(0),
            standing: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// The same for the page, which asks in its own words.
    pub fn scenes(self: &Arc<Self>) -> Arc<dyn Scenes> {
        Arc::new(Shown(self.clone()))
    }

    fn standing(&self) -> MutexGuard<'_, BTreeMap<String, Standing>> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn scenario(&self, id: &str) -> Result<&Scenario, String> {
        let found = self.scenarios.iter().find(|(known, _)| known == id);
        found
            .map(|(_, scenario)| scenario)
            .ok_or_else(|| format!("There is no scenario “{id}”."))
    }

    fn now_at(&self, id: &str, change: impl FnOnce(&mut Standing)) {
        change(self.standing().entry(id.to_owned()).or_default());
        self.workspace.scenes_changed();
    }

    /// Does the next step; or all that are left, in real time.
    fn go_on(self: &Arc<Self>, id: &str, playing: bool) -> Result<(), String> {
        if playing && self.standing().get(id).is_some_and(|it| it.playing) {
            return Ok(());
        }
        if !self.next(id)? {
            return Err("That was the last step. To see it again, start over.".to_owned());
        }
        let (player, id) = (self.clone(), id.to_owned());
        // Under the lock: a stop finds every task, or comes before it begins.
        self.now_at(&id.clone(), |standing| {
            let task = tokio::spawn(async move { player.perform(&id, playing).await });
            standing.playing |= playing;
            standing.tasks.retain(|task| !task.is_finished());
            standing.tasks.push(task.abort_handle());
        });
        Ok(())
    }

    /// Begins the next step, if there is one left.
    fn next(&self, id: &str) -> Result<bool, String> {
        let steps = self.scenario(id)?.steps.len();
        let mut standing = self.standing();
        let at = standing.entry(id.to_owned()).or_default();
        if at.step == steps {
            return Ok(false);
        }
        if at.step == 0 {
            let channels = self.workspace.channels();
            at.before = channels.into_iter().map(|it| it.name).collect();
            let now = self.workspace.now_ms();
            at.since = format!("{}.{:03}000", now / 1_000, now % 1_000);
            at.run = self.runs.fetch_add(1, Ordering::Relaxed) + 1;
        }
        at.step += 1;
        at.running = true;
        Ok(true)
    }

    /// Has people do what was begun; if it plays, everything that is left, in real time.
    async fn perform(&self, id: &str, playing: bool) {
        let Ok(scenario) = self.scenario(id) else {
            return;
        };
        loop {
            self.catch_up(id, scenario).await;
            if !playing {
                return;
            }
            let coming = self.standing().get(id).map_or(0, |it| it.step);
            let pause = scenario.steps.get(coming).and_then(|step| step.after);
            tokio::time::sleep(pause.unwrap_or(AFTER)).await;
            if !self.next(id).unwrap_or_default() {
                break;
            }
            self.workspace.scenes_changed();
        }
        self.now_at(id, |standing| standing.playing = false);
    }

    /// One deed after the other, in the order of the steps, however fast somebody clicks.
    async fn catch_up(&self, id: &str, scenario: &Scenario) {
        let _turn = self.turn.lock().await;
        let begun = || {
            let mut standing = self.standing();
            let at = standing.get_mut(id)?;
            let step = scenario.steps.get(at.done).filter(|_| at.done < at.step)?;
            at.done += 1;
            Some((at.done, step))
        };
        while let Some((number, step)) = begun() {
            for deed in &step.deeds {
                if let Err(why) = self.does(id, deed).await {
                    let fault = format!("Step {number}: {} could not {deed}: {why:#}.", deed.who);
                    self.now_at(id, |standing| standing.faults.push(fault));
                }
            }
        }
    }

    async fn does(&self, id: &str, deed: &Deed) -> anyhow::Result<()> {
        if deed
            .unless
            .as_ref()
            .is_some_and(|place| self.place(id, place).is_some())
        {
            return Ok(());
        }
        if let Some(body) = &deed.sends {
            let monitor = self.monitor.as_ref().context("nothing watches here")?;
            let run = self.standing().get(id).map_or(0, |at| at.run);
            let body = body.replace(RUN, &run.to_string());
            return monitor.sends(&self.workspace, body).await;
        }
        let person = self.workspace.person(&deed.who)?;
        if let Some(place) = &deed.joins {
            let channel = self.wait_for(id, place).await?;
            let is_in = |it: &ChannelView| it.members.contains(&person.name);
            if !self
                .workspace
                .channel(&channel)
                .is_some_and(|it| is_in(&it))
            {
                person.joins(&channel).await;
            }
            return Ok(());
        }
        let place = deed.place.as_deref().context("it must say where")?;
        let channel = match place {
            DIRECT => self
                .workspace
                .with(|state| state.direct_channel(&person.id).0),
            _ => self.wait_for(id, place).await?,
        };
        if let Some(line) = deed.says.as_ref().or(deed.types.as_ref()) {
            person.try_types(&channel, line).await?;
        } else if let Some(label) = &deed.clicks {
            self.click(id, &person, &channel, label).await?;
        } else if let (Some(emoji), Some(text)) = (&deed.reacts, &deed.on) {
            let ts = self
                .message(id, &channel, |message| {
                    message.plain_text().contains(text.as_str())
                })
                .await?;
            person.marks(&channel, |state, channel| {
                api::react(state, channel, &ts, emoji, &person.id)
            })?;
        }
        Ok(())
    }

    async fn click(
        &self,
        id: &str,
        person: &Person,
        channel: &str,
        label: &str,
    ) -> anyhow::Result<()> {
        let has = |message: &super::MessageView| message.buttons().iter().any(|it| it == label);
        let ts = self.message(id, channel, has).await?;
        person.try_clicks(channel, &ts, label).await.map(drop)
    }

    /// The name of a place in this run, if it is there.
    fn place(&self, id: &str, place: &str) -> Option<String> {
        let channels = self.workspace.channels();
        let mut standing = self.standing();
        let standing = standing.entry(id.to_owned()).or_default();
        let found = standing.place(&channels, place);
        if place == WAR_ROOM.0 {
            standing.room.clone_from(&found);
        }
        found
    }

    async fn wait_for(&self, id: &str, place: &str) -> anyhow::Result<String> {
        let found = self.patiently(|| self.place(id, place)).await;
        found.with_context(|| match place == WAR_ROOM.0 {
            true => "no war room has opened".to_owned(),
            false => format!("there is no #{place}"),
        })
    }

    /// The newest message of this run that is wanted.
    async fn message(
        &self,
        id: &str,
        channel: &str,
        wanted: impl Fn(&super::MessageView) -> bool,
    ) -> anyhow::Result<String> {
        let since = self.standing().get(id).map(|at| at.since.clone());
        let since = since.unwrap_or_default();
        let look = || {
            let channel = self.workspace.channel(channel)?;
            let mut newest = channel.messages.iter().rev();
            newest
                .find(|message| message.ts >= since && wanted(message))
                .map(|it| it.ts.clone())
        };
        match self.patiently(look).await {
            Some(ts) => Ok(ts),
            None => {
                let known = self.workspace.channel(channel);
                let name = known.map_or_else(|| channel.to_owned(), |it| it.name);
                // Of a direct message that is `@ana`.
                let mark = if name.starts_with('@') { "" } else { "#" };
                bail!("it is not in {mark}{name} (perhaps somebody has done it already)")
            }
        }
    }

    async fn patiently<T>(&self, look: impl Fn() -> Option<T>) -> Option<T> {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return Some(found);
            }
            if tokio::time::Instant::now() >= until {
                return None;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// A player as the page knows it.
struct Shown(Arc<Player>);

impl Scenes for Shown {
    fn list(&self) -> Vec<SceneView> {
        let player = &self.0;
        let channels = player.workspace.channels();
        let standing = player.standing();
        let view = |(id, scenario): &(String, Scenario)| {
            let none = Standing::default();
            let at = standing.get(id).unwrap_or(&none);
            let step = at.step.checked_sub(1).and_then(|n| scenario.steps.get(n));
            SceneView {
                id: id.clone(),
                title: scenario.title.clone(),
                about: scenario.about.clone(),
                running: at.running,
                playing: at.playing,
                ended: at.step == scenario.steps.len(),
                steps: scenario.steps.len(),
                faults: at.faults.clone(),
                step: step.map(|step| SceneStep {
                    number: at.step,
                    now: step.now.clone(),
                    try_this: step.try_this.clone(),
                    channel: step
                        .channel
                        .as_ref()
                        .and_then(|place| at.place(&channels, place)),
                }),
            }
        };
        player.scenarios.iter().map(view).collect()
    }

    fn start(&self, id: &str) -> Result<(), String> {
        self.stop(id)?;
        self.0.go_on(id, false)
    }

    fn step(&self, id: &str) -> Result<(), String> {
        self.0.go_on(id, false)
    }

    fn play(&self, id: &str) -> Result<(), String> {
        self.0.go_on(id, true)
    }

    fn stop(&self, id: &str) -> Result<(), String> {
        self.0.scenario(id)?;
        self.0.now_at(id, |standing| {
            standing.tasks.iter().for_each(AbortHandle::abort);
            *standing = Standing::default();
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_that_is_none_is_refused_with_the_reason() {
        let with = |deed: &str| {
            let text = format!(
                "title = \"t\"\nabout = \"a\"\n[[steps]]\nnow = \"n\"\ntry = \"t\"\n[[steps.deeds]]\nwho = \"ana\"\n{deed}"
            );
            Scenario::parse(&text).map(drop).unwrap_err().to_string()
        };
        assert!(with("in = \"general\"").contains("does 0 things"));
        assert!(with("says = \"x\"").contains("must say where"));
        assert!(with("in = \"general\"\nreacts = \"pushpin\"").contains("`reacts` goes with `on`"));
        assert!(with("sends = \"x\"").contains("no JSON"));
        assert!(with("in = \"general\"\nsends = \"{}\"").contains("must say where"));
        assert!(with("in = \"general\"\nsings = \"x\"").contains("unknown field"));
        assert!(Scenario::parse("title = \"t\"\nabout = \"a\"\nsteps = []").is_err());
    }
}

//! Who is on call, who takes over from whom, and which person of the configuration somebody means.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::{Answer, Asked, Desk};
use crate::domain::catalog::{Person, SlackName};
use crate::domain::command::{Callee, Command};
use crate::domain::escalation::Target;
use crate::domain::form::WrongForm;
use crate::domain::oncall::{Override, Schedule};
use crate::domain::terms::Who;
use crate::slack::client::Call;
use crate::slack::oncall::Told;
use crate::slack::parse::OverrideWish;
use crate::store::overrides::{KeptOverride, Withdrawal};

/// How long Slack may take to say whom it knows under an id: the typist is answered within 3 s.
const WHO_IS_IT: Duration = Duration::from_secs(1);

/// Slack did not say in time who somebody is.
struct SlackIsSilent;

impl Desk {
    /// Who is on call.
    pub(super) async fn on_call(&self, schedule: Option<&str>) -> anyhow::Result<Answer> {
        let now = self.clock.now();
        let overrides = self.store.overrides(now).await?;
        let wanted: Vec<&Schedule> = self
            .catalog
            .schedules
            .iter()
            .filter(|it| schedule.is_none_or(|id| it.id == id))
            .collect();
        let made = self.store.overrides_in_force(now).await?;
        let made: Vec<Override> = made.into_iter().map(|kept| kept.over).collect();
        let mut faults = Vec::new();
        if wanted.iter().any(|it| it.ical_url_env.is_some()) {
            for kept in self.store.calendars().await? {
                let told = kept.faults(now).into_iter();
                faults.extend(told.map(|why| (kept.schedule.clone(), why)));
            }
        }
        let said = self
            .composer
            .on_call(&wanted, &overrides, &made, &faults, now);
        Ok(Answer::Done(said))
    }

    /// What is wanted of the overrides of schedules.
    pub(super) async fn take_over(
        &self,
        wish: OverrideWish,
        asked: &Asked<'_>,
    ) -> anyhow::Result<Answer> {
        let now = self.clock.now();
        let catalog = &self.catalog;
        let typist = self.person_meant(&asked.who).await.ok().flatten();
        let own_zone = typist.and_then(|person| person.timezone.clone());
        let zone_of = |id: &str| {
            let theirs = catalog.schedule(id).map(|schedule| &schedule.timezone);
            let theirs = own_zone.as_ref().or(theirs);
            theirs.unwrap_or(&catalog.organization.timezone).clone()
        };
        match wish {
            OverrideWish::List => {
                let kept = self.store.overrides_in_force(now).await?;
                let zones: Vec<TimeZone> =
                    kept.iter().map(|it| zone_of(&it.over.schedule)).collect();
                let told: Vec<Told<'_>> = kept
                    .iter()
                    .zip(&zones)
                    .map(|(KeptOverride { number, over, .. }, zone)| Told {
                        number: *number,
                        over,
                        zone,
                    })
                    .collect();
                Ok(Answer::Done(self.composer.overrides(&told)))
            }
            OverrideWish::Undo(number) => {
                let kept = match self
                    .store
                    .withdraw_override(number, &asked.who, now)
                    .await?
                {
                    Withdrawal::Done(kept) => kept,
                    Withdrawal::Before(kept) => {
                        let by = kept.withdrawn.map(|(by, _)| by.name).unwrap_or_default();
                        return Ok(self.no(&format!(
                            "Override {number} was withdrawn by @{by} already. `/incident override list` shows those that count."
                        )));
                    }
                    Withdrawal::Over(_) => {
                        return Ok(self.no(&format!(
                            "Override {number} is over, so there is nothing to withdraw. `/incident override list` shows those that count."
                        )));
                    }
                    Withdrawal::Unknown => {
                        return Ok(self.no(&format!(
                            "There is no override {number}. `/incident override list` shows them."
                        )));
                    }
                };
                let overrides = self.store.overrides(now).await?;
                let on_call = catalog.on_call(&kept.over.schedule, now, &overrides);
                let told = Told {
                    number,
                    over: &kept.over,
                    zone: &zone_of(&kept.over.schedule),
                };
                let said = self
                    .composer
                    .override_withdrawn(told, on_call.map(|it| &it.id));
                Ok(Answer::Done(said))
            }
            OverrideWish::Make {
                schedule,
                stretch,
                person,
            } => {
                let Some(schedule) = catalog.schedule(&schedule) else {
                    return Ok(self.no(
                        "That schedule is not there any more: `/incident oncall` shows them.",
                    ));
                };
                let zone = zone_of(&schedule.id);
                let understood = match stretch.understand(now, &zone) {
                    Ok(understood) => understood,
                    Err(WrongForm { message, help }) => {
                        let help = help.map(|help| format!(" Please {help}."));
                        return Ok(self.no(&format!("{message}{}", help.unwrap_or_default())));
                    }
                };
                let Ok(meant) = self.person_meant(&person).await else {
                    return Ok(self.no(&format!(
                        "Slack did not say just now who @{} is. Please try again in a moment, or name them as `[[people]]` does: `@id`.",
                        person.name
                    )));
                };
                let Some(person) = meant else {
                    let who = &person.name;
                    return Ok(self.no(&format!(
                        "@{who} is not in `[[people]]` of firebell.toml, so no page could reach them. Add them there with their Slack user id, or name somebody whom `/incident contacts` shows."
                    )));
                };
                let over = Override {
                    schedule: schedule.id.clone(),
                    person: person.id.clone(),
                    from: understood.from,
                    to: understood.to,
                };
                let standing = self.store.overrides(now).await?;
                let delivery = asked.delivery.as_ref();
                let kept = self
                    .store
                    .keep_override(&over, &asked.who, now, delivery)
                    .await?;
                // Where Slack sent the line twice, it stands already.
                let others: Vec<Override> = standing
                    .iter()
                    .filter(|it| **it != kept.over)
                    .cloned()
                    .collect();
                let before = catalog.coverage(schedule, kept.over.from, kept.over.to, &others);
                let told = Told {
                    number: kept.number,
                    over: &kept.over,
                    zone: &zone,
                };
                let said = self.composer.override_made(told, &before, &understood.odd);
                Ok(Answer::Done(said))
            }
        }
    }

    /// The person of the configuration who is meant. Slack is asked about somebody whom it may know by handle or e-mail
    /// address only; not for long, since a person waits.
    async fn person_meant(&self, who: &Who) -> Result<Option<&Person>, SlackIsSilent> {
        if let Some(person) = self.catalog.person_meant(who, &[]) {
            return Ok(Some(person));
        }
        let (Some(slack), Some(user)) = (self.slack.as_ref(), who.slack.as_ref()) else {
            return Ok(None);
        };
        let may_be = |person: &Person| !matches!(person.slack, Some(SlackName::Id(_)));
        if !self.catalog.people.iter().any(may_be) {
            return Ok(None);
        }
        let call = Call {
            now: self.clock.now(),
            ticket: user.as_str(),
            tenure: None,
        };
        let asking = tokio::time::timeout(WHO_IS_IT, slack.known_by(user, call));
        match asking.await {
            Ok(Ok(known)) => Ok(self.catalog.person_meant(who, &known)),
            Ok(Err(_)) | Err(_) => Err(SlackIsSilent),
        }
    }

    /// A command in which whoever is to be paged is the person of the configuration, if there is one: only of that person
    /// it is known how else than by Slack they are reached.
    pub(super) async fn naming(&self, command: Command) -> Command {
        match command {
            Command::Page {
                whom: Callee::User(who),
                text,
            } => {
                let known = self.person_meant(&who).await.ok().flatten();
                let whom = match known {
                    Some(person) => Callee::Target(Target::Person(person.id.clone())),
                    None => Callee::User(who),
                };
                Command::Page { whom, text }
            }
            command => command,
        }
    }
}

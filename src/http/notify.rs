//! What people answer by SMS, telephone and e-mail, and what Twilio tells of its messages. Nothing is read that is not
//! proved: Twilio signs what it sends, over the address under which it reaches us; a link carries its own proof.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tracing::{error, info};

use super::gate::{length, read, too_large};
use super::slack::shed;
use super::{Named, Rooms, fault};
use crate::domain::catalog::Person;
use crate::domain::command::{Command, Report};
use crate::domain::decide::Refusal;
use crate::domain::escalation::Channel;
use crate::domain::incident::Incident;
use crate::domain::page::{Addressee, Answer, Delivery as PageDelivery, DeliveryState, OpenPage};
use crate::domain::terms::{Actor, DeliveryId, IncidentId, PersonId, Who};
use crate::engine::{Delivery, EngineError, Envelope, Outcome, Wish};
use crate::notify::ack_page::{AckState, ack_page};
use crate::notify::answer::{
    self, AckLink, Meaning, Progress, SIGNATURE, SMS_PATH, STATUS_PATH, VOICE_PATH,
};

/// The largest form that is read: Twilio's have some two thousand bytes.
const BODY_LIMIT: usize = 64 * 1024;
/// Open incidents in which a page to somebody is looked for.
const LOOKED_THROUGH: i64 = 200;
/// Other pages that a reply names.
const NAMED: usize = 3;

/// The routes.
pub(super) fn routes() -> Router<Arc<Rooms>> {
    Router::new()
        .route(STATUS_PATH, post(status))
        .route(SMS_PATH, post(sms))
        .route(VOICE_PATH, post(voice))
        .route(
            "/ack/{incident}/{page}/{person}/{channel}/{token}",
            get(show).post(acknowledge),
        )
}

/// A request of Twilio's that was proved: what stands in its address, and its form.
struct Proved {
    query: BTreeMap<String, String>,
    form: BTreeMap<String, String>,
    url: String,
}

impl Proved {
    /// Takes a request, if Twilio signed it. What can be seen without reading is looked at before.
    async fn take(rooms: &Rooms, request: Request) -> Result<Self, Box<Response>> {
        let (Some(twilio), Some(public_url)) = (rooms.notifier.twilio(), &rooms.public_url) else {
            let reason = "Twilio is not used here: that takes [notifications.sms] with its variables, and FIREBELL_PUBLIC_URL.";
            return Err(Box::new(fault(StatusCode::NOT_FOUND, reason)));
        };
        let (parts, body) = request.into_parts();
        let signature = parts.headers.get(SIGNATURE);
        let Some(signature) = signature.and_then(|value| value.to_str().ok()) else {
            return Err(turned_away("the request carries no signature of Twilio's"));
        };
        let length = length(&parts.headers);
        if length.is_some_and(|length| length > BODY_LIMIT) {
            return Err(Box::new(too_large(BODY_LIMIT)));
        }
        let Some(room) = rooms
            .alert_gate
            .room(Some(length.unwrap_or(BODY_LIMIT)))
            .await
        else {
            return Err(Box::new(shed()));
        };
        let body = read(body, BODY_LIMIT).await?;
        drop(room);
        let url = format!("{public_url}{}", path_of(&parts.uri));
        if !twilio.has_signed(&url, &body, signature) {
            return Err(turned_away(
                "the signature does not fit; is the token that of the account, and FIREBELL_PUBLIC_URL the address that Twilio was given?",
            ));
        }
        let query = serde_urlencoded::from_str(parts.uri.query().unwrap_or_default());
        let form = serde_urlencoded::from_bytes(&body);
        match (query, form) {
            (Ok(query), Ok(form)) => Ok(Self { query, form, url }),
            (Err(_), _) | (_, Err(_)) => Err(Box::new(fault(
                StatusCode::BAD_REQUEST,
                "This is no form of Twilio's.",
            ))),
        }
    }

    fn said(&self, name: &str) -> &str {
        self.form.get(name).map_or("", String::as_str)
    }

    /// The incident and the page that a callback is about.
    fn page(&self) -> Option<(IncidentId, u32)> {
        let incident = self.query.get("incident")?;
        let page = self.query.get("page")?.parse().ok()?;
        Some((IncidentId::new(incident.clone()), page))
    }
}

fn path_of(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |it| it.as_str())
}

fn turned_away(why: &str) -> Box<Response> {
    info!("Turned a request away: {why}");
    metrics::counter!("firebell_requests_unproved").increment(1);
    Box::new(fault(StatusCode::UNAUTHORIZED, why))
}

/// `POST /notify/twilio/status`: how far a text message or a call has come.
async fn status(State(rooms): State<Arc<Rooms>>, request: Request) -> Response {
    let proved = match Proved::take(&rooms, request).await {
        Ok(proved) => proved,
        Err(response) => return *response,
    };
    let done = StatusCode::NO_CONTENT.into_response();
    // Of a test, or in words that we do not know: nobody waits for it.
    let (Some((incident, page)), Some(report)) = (proved.page(), answer::report(&proved.form))
    else {
        return done;
    };
    let (state, reason) = match report.progress {
        Progress::Accepted => (DeliveryState::Accepted, None),
        Progress::Delivered | Progress::Answered => (DeliveryState::Delivered, None),
        Progress::Failed { why } => (DeliveryState::Failed, Some(why)),
    };
    // Brought a second time, it is not written down a second time.
    let delivery = Delivery {
        id: DeliveryId::new(format!("twilio/{}/{}", report.sid, state.word())),
        for_ever: false,
    };
    let told = Report::Delivery(PageDelivery {
        page,
        via: report.channel,
        state,
        provider_id: Some(report.sid),
        reason,
    });
    let envelope = Envelope {
        wish: Wish::Pursue(incident, Command::Record(told)),
        actor: Actor::Firebell,
        delivery: Some(delivery),
    };
    match rooms.desk.engine.handle(envelope).await {
        Ok(_) | Err(EngineError::Refused(_)) => done,
        Err(cause) => not_now(&cause),
    }
}

/// `POST /notify/twilio/voice`: which key was pressed in a call.
async fn voice(State(rooms): State<Arc<Rooms>>, request: Request) -> Response {
    let proved = match Proved::take(&rooms, request).await {
        Ok(proved) => proved,
        Err(response) => return *response,
    };
    let person = proved
        .query
        .get("person")
        .map(|id| PersonId::new(id.clone()));
    let found = match (proved.page(), person) {
        (Some((incident, page)), Some(person)) => {
            let who = who_is(&rooms, &incident, page, &person).await;
            who.map(|who| who.map(|who| (incident, page, who)))
        }
        _ => Ok(None),
    };
    let (incident, page, who) = match found {
        Ok(Some(found)) => found,
        Ok(None) => return twiml(answer::last_words("There is no such page. Goodbye.")),
        Err(cause) => return unreadable(&cause),
    };
    let digits = proved.said("Digits");
    let meaning = answer::digit(digits);
    let command = match meaning {
        Meaning::Acknowledge => Command::Answer(Answer {
            page,
            via: Channel::Voice,
        }),
        Meaning::PassOn => Command::PassOn(Answer {
            page,
            via: Channel::Voice,
        }),
        Meaning::Stop | Meaning::Unclear => return twiml(answer::ask_again(&proved.url)),
    };
    let delivery = format!("twilio/{}/{digits}", proved.said("CallSid"));
    match pursue(&rooms, &incident, command, who, delivery).await {
        Ok(_) if meaning == Meaning::PassOn => twiml(answer::last_words(
            "It is passed on. The next in line are called now. Goodbye.",
        )),
        Ok(_) => twiml(answer::last_words(
            "It is yours. Nobody else is called any more. Goodbye.",
        )),
        Err(EngineError::Refused(refusal)) => twiml(answer::last_words(&format!(
            "{} Goodbye.",
            in_short(&rooms, &refusal)
        ))),
        Err(cause) => {
            error!("Could not take an answer by telephone: {cause}");
            // The call is not lost for it: the key can be pressed again.
            twiml(answer::ask_again(&proved.url))
        }
    }
}

/// `POST /notify/twilio/sms`: a text message that somebody sends to our number.
async fn sms(State(rooms): State<Arc<Rooms>>, request: Request) -> Response {
    let proved = match Proved::take(&rooms, request).await {
        Ok(proved) => proved,
        Err(response) => return *response,
    };
    let from = proved.said("From");
    let people = rooms.desk.catalog.people.iter();
    let people: Vec<&Person> = people
        .filter(|person| person.phone.as_deref() == Some(from))
        .collect();
    let reply = answer::reply(proved.said("Body"));
    // Whoever is not ours gets no answer: it would cost, and tell that somebody is here.
    if people.is_empty() || reply.meaning == Meaning::Stop {
        return twiml(answer::answer_text(None));
    }
    let open = match pages_to(&rooms, &people).await {
        Ok(open) => open,
        Err(cause) => return unreadable(&cause),
    };
    // `ok, there in 10-15 min` names no incident.
    let ids = &rooms.desk.catalog.incidents.id;
    let about = reply.about.filter(|word| ids.id_of(word).is_some());
    let meant = match &about {
        Some(id) => open
            .iter()
            .find(|it| it.incident.id.as_str().eq_ignore_ascii_case(id)),
        None => open.first(),
    };
    let Some(meant) = meant else {
        let said = match &about {
            Some(id) => format!("No page about {id} waits for your answer."),
            None => "No page waits for your answer.".to_owned(),
        };
        return twiml(answer::answer_text(Some(&said)));
    };
    let id = &meant.incident.id;
    let command = match reply.meaning {
        Meaning::Acknowledge => Command::Answer(Answer {
            page: meant.page,
            via: Channel::Sms,
        }),
        Meaning::PassOn => Command::PassOn(Answer {
            page: meant.page,
            via: Channel::Sms,
        }),
        Meaning::Stop | Meaning::Unclear => {
            let said =
                format!("{id} waits for your answer. Reply 1 to take it on, 4 to pass it on.");
            return twiml(answer::answer_text(Some(&said)));
        }
    };
    let delivery = format!("twilio/{}", proved.said("MessageSid"));
    let mut said = match pursue(&rooms, id, command, meant.who.clone(), delivery).await {
        Ok(_) if reply.meaning == Meaning::PassOn => {
            format!("{id} is passed on: the next in line are called now.")
        }
        Ok(_) => format!("{id} is yours. Nobody else is called any more."),
        Err(EngineError::Refused(refusal)) => in_short(&rooms, &refusal),
        // Twilio delivers nothing a second time, so the person is told.
        Err(cause) => {
            error!("Could not take an answer by SMS: {cause}");
            "That did not work. Please send it again.".to_owned()
        }
    };
    let others = open.iter().filter(|it| it.incident.id != *id);
    let others: Vec<&str> = others
        .map(|it| it.incident.id.as_str())
        .take(NAMED)
        .collect();
    if let [first, ..] = others.as_slice() {
        said = format!(
            "{said} Also waiting: {} (reply 1 {first})",
            others.join(", ")
        );
    }
    twiml(answer::answer_text(Some(&said)))
}

/// A page that waits for an answer.
struct Waiting {
    incident: Arc<Incident>,
    page: u32,
    who: Who,
}

/// The open pages to these people, those that went out by SMS first, then the newest: to that one a reply is meant. If
/// there are none, those that have ended and may still be answered: nobody has it, and others are called by now.
async fn pages_to(rooms: &Rooms, people: &[&Person]) -> anyhow::Result<Vec<Waiting>> {
    let ids: Vec<&str> = people.iter().map(|person| person.id.as_str()).collect();
    let store = &rooms.desk.store;
    let open = store.open_that_called(&ids, LOOKED_THROUGH).await?;
    let mut found = Vec::new();
    for incident in &open {
        for page in &incident.pages {
            if let Some(who) = people.iter().find_map(|person| called(page, &person.id)) {
                let by_sms = page.contact(Channel::Sms);
                let by_sms = by_sms.is_some_and(|it| it.state != DeliveryState::Waiting);
                let waiting = Waiting {
                    incident: incident.clone(),
                    page: page.number,
                    who: who.clone(),
                };
                found.push(((by_sms, page.paged_at), waiting));
            }
        }
    }
    found.sort_by_key(|(order, _)| std::cmp::Reverse(*order));
    if let (true, [person, ..]) = (found.is_empty(), people) {
        return ended_pages_to(rooms, people, person.who(), &open).await;
    }
    Ok(found.into_iter().map(|(_, waiting)| waiting).collect())
}

async fn ended_pages_to(
    rooms: &Rooms,
    people: &[&Person],
    who: Who,
    open: &[Arc<Incident>],
) -> anyhow::Result<Vec<Waiting>> {
    let ids: Vec<&str> = open.iter().map(|incident| incident.id.as_str()).collect();
    let people: Vec<&str> = people.iter().map(|person| person.id.as_str()).collect();
    let ended = rooms.desk.store.pages_to(&people, &ids).await?;
    let mut found: Vec<Waiting> = Vec::new();
    for (id, page) in ended {
        let incident = open.iter().find(|incident| incident.id == id);
        let is_new = !found.iter().any(|it| it.incident.id == id);
        if let Some(incident) = incident.filter(|it| is_new && it.can_be_answered(page)) {
            found.push(Waiting {
                incident: incident.clone(),
                page,
                who: who.clone(),
            });
        }
    }
    Ok(found)
}

/// Who is called by a page, if it is this person.
fn called<'p>(page: &'p OpenPage, person: &PersonId) -> Option<&'p Who> {
    match &page.to {
        Addressee::Person { id, who } if id.as_ref() == Some(person) => Some(who),
        Addressee::Person { .. } | Addressee::UserGroup { .. } | Addressee::Channel { .. } => None,
    }
}

/// Who a person is that was called: as the page has it, or after its end as the configuration has it.
async fn who_is(
    rooms: &Rooms,
    incident: &IncidentId,
    page: u32,
    person: &PersonId,
) -> anyhow::Result<Option<Who>> {
    let Some(incident) = rooms.desk.store.incident(incident).await? else {
        return Ok(None);
    };
    let called = incident.page(page).and_then(|page| called(page, person));
    let known = || rooms.desk.catalog.person(person).map(Person::who);
    Ok(called.cloned().or_else(known))
}

async fn pursue(
    rooms: &Rooms,
    incident: &IncidentId,
    command: Command,
    who: Who,
    delivery: String,
) -> Result<Outcome, EngineError> {
    let envelope = Envelope {
        wish: Wish::Pursue(incident.clone(), command),
        actor: Actor::Person(who),
        delivery: Some(Delivery {
            id: DeliveryId::new(delivery),
            for_ever: false,
        }),
    };
    rooms.desk.engine.handle(envelope).await
}

/// A refusal for a small screen, or to be said: without what one would type in Slack, where that is not needed.
fn in_short(rooms: &Rooms, refusal: &Refusal) -> String {
    match refusal {
        Refusal::AlreadyAcknowledged { id, by } => {
            format!("{id} is already acknowledged by {}.", by.name)
        }
        Refusal::Over { id, status } => format!("{id} is {}.", status.word().to_lowercase()),
        Refusal::PageOver { id } => {
            let command = &rooms.desk.catalog.slack.command;
            format!("That page is over, and nobody has {id} yet. In Slack: {command} ack {id}.")
        }
        Refusal::NoEscalation { id } => format!("Nobody else can be called for {id}."),
        other => {
            let command = format!("{} ", rooms.desk.catalog.slack.command);
            other
                .to_string()
                .replace("/incident ", &command)
                .replace('`', "")
        }
    }
}

fn twiml(text: String) -> Response {
    ([(header::CONTENT_TYPE, "text/xml; charset=utf-8")], text).into_response()
}

fn not_now(cause: &EngineError) -> Response {
    error!("Could not take what Twilio tells: {cause}");
    fault(StatusCode::SERVICE_UNAVAILABLE, "It cannot be taken now.")
}

fn unreadable(cause: &anyhow::Error) -> Response {
    error!("Could not take what Twilio tells: {cause:#}");
    fault(StatusCode::SERVICE_UNAVAILABLE, "It cannot be taken now.")
}

type Parts = (String, String, String, String, String);

/// The link that a path is, if it is one that was made here.
fn link((incident, page, person, channel, token): Parts, secret: &[u8]) -> Option<AckLink> {
    let link = AckLink {
        page: page.parse().ok()?,
        channel: channel.parse().ok()?,
        person: PersonId::new(person),
        incident,
    };
    link.is_proved_by(&token, secret).then_some(link)
}

/// `GET /ack/…`: shows how it stands, and changes nothing.
async fn show(State(rooms): State<Arc<Rooms>>, Named(parts): Named<Parts>) -> Response {
    let Some(link) = link(parts, &rooms.link_secret) else {
        return page(&rooms, None, &AckState::NotValid);
    };
    let found = rooms
        .desk
        .store
        .incident(&IncidentId::new(link.incident.clone()))
        .await;
    let incident = match found {
        Ok(Some(incident)) => incident,
        Ok(None) => return page(&rooms, None, &AckState::NotValid),
        Err(cause) => {
            error!("Could not show a page: {cause:#}");
            return page(&rooms, None, &AckState::NotNow);
        }
    };
    page(&rooms, Some(&incident), &state_of(&rooms, &link, &incident))
}

/// How it stands with the page that a link is for.
fn state_of(rooms: &Rooms, link: &AckLink, incident: &Incident) -> AckState {
    match &incident.acknowledged_by {
        _ if !incident.status.is_open() => AckState::Over {
            status: incident.status.word(),
        },
        _ if incident.can_be_answered(link.page) => AckState::Asks,
        Some(by) if is_them(rooms, link, by) => AckState::Yours,
        Some(by) => AckState::Taken {
            by: incident.name_of(by).to_owned(),
        },
        None => AckState::PageOver,
    }
}

fn is_them(rooms: &Rooms, link: &AckLink, who: &Who) -> bool {
    let person = rooms.desk.catalog.person(&link.person);
    person.is_some_and(|person| Addressee::person(person).is(who))
}

/// `POST /ack/…`: the button. Whoever has the link may press it; nobody else can know it.
async fn acknowledge(State(rooms): State<Arc<Rooms>>, Named(parts): Named<Parts>) -> Response {
    let Some(link) = link(parts, &rooms.link_secret) else {
        return page(&rooms, None, &AckState::NotValid);
    };
    let id = IncidentId::new(link.incident.clone());
    let who = match who_is(&rooms, &id, link.page, &link.person).await {
        Ok(Some(who)) => who,
        Ok(None) => return page(&rooms, None, &AckState::NotValid),
        Err(cause) => {
            error!("Could not take an answer: {cause:#}");
            return page(&rooms, None, &AckState::NotNow);
        }
    };
    let command = Command::Answer(Answer {
        page: link.page,
        via: link.channel,
    });
    let delivery = format!("ack/{id}/{}/{}/{}", link.page, link.person, link.channel);
    match pursue(&rooms, &id, command, who, delivery).await {
        // Pressed again, perhaps long after: it stands as it stands now.
        Ok(outcome) if outcome.repeated => {
            let state = state_of(&rooms, &link, &outcome.incident);
            page(&rooms, Some(&outcome.incident), &state)
        }
        Ok(outcome) => page(&rooms, Some(&outcome.incident), &AckState::Yours),
        Err(EngineError::Refused(refusal)) => {
            let incident = rooms.desk.store.incident(&id).await.ok().flatten();
            let state = match refusal {
                Refusal::AlreadyAcknowledged { by, .. } if is_them(&rooms, &link, &by) => {
                    AckState::Yours
                }
                Refusal::AlreadyAcknowledged { by, .. } => AckState::Taken { by: by.name },
                Refusal::Over { status, .. } => AckState::Over {
                    status: status.word(),
                },
                Refusal::PageOver { .. } => AckState::PageOver,
                other => {
                    error!("An answer was refused: {other}");
                    AckState::NotNow
                }
            };
            page(&rooms, incident.as_deref(), &state)
        }
        Err(cause) => {
            error!("Could not take an answer: {cause}");
            page(&rooms, None, &AckState::NotNow)
        }
    }
}

/// A page that nobody keeps, frames, or is led away from.
fn page(rooms: &Rooms, incident: Option<&Incident>, state: &AckState) -> Response {
    let status = match state {
        AckState::Asks
        | AckState::Yours
        | AckState::Taken { .. }
        | AckState::Over { .. }
        | AckState::PageOver => StatusCode::OK,
        AckState::NotValid => StatusCode::NOT_FOUND,
        AckState::NotNow => StatusCode::SERVICE_UNAVAILABLE,
    };
    let html = match ack_page(&rooms.templates, &rooms.desk.catalog, incident, state) {
        Ok(html) => html,
        Err(cause) => {
            error!("Could not make a page: {cause:#}");
            let reason = "The page cannot be made; the log says more.";
            return fault(StatusCode::INTERNAL_SERVER_ERROR, reason);
        }
    };
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        ),
    ];
    (status, headers, html).into_response()
}

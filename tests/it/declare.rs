//! An incident's whole life in Slack.

use crate::harness::{TestBot, minutes};

#[tokio::test]
async fn an_incident_is_declared_worked_on_and_closed() {
    let bot = TestBot::start().await;
    let answer = bot
        .types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    println!("{answer}");
    println!("{}", bot.reads("incidents"));
    println!("ROOM {}", bot.reads("incident-2025-0914-001"));
    println!(
        "{:#?}",
        bot.slack
            .calls()
            .iter()
            .map(|c| format!("{} {} -> {}", c.method, c.params, c.answer))
            .collect::<Vec<_>>()
    );
    let card = bot.card("incident-2025-0914-001");
    bot.clicks("bo", "incident-2025-0914-001", &card, "Acknowledge")
        .await;
    bot.advance(minutes(5)).await;
    println!("ROOM {}", bot.reads("incident-2025-0914-001"));
}

//! Sends what a bot must refuse: unsigned, stale, tampered, oversized and malformed commands.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::slack::{Target, unix_seconds};
use crate::wire::{Message, Wire};

const OVERSIZED: usize = 8 * 1024 * 1024;
/// 64 KiB each 20 ms: 8 MiB take 2.6 s, so an early answer is clearly early.
const PIECE: usize = 64 * 1024;
const PAUSE: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(10);
/// Slack's window is 300 s.
const STALE_SECONDS: u64 = 600;

struct Case {
    name: &'static str,
    head: String,
    body: Vec<u8>,
    chunked: bool,
}

pub async fn run(target: Target) -> Result<Value> {
    let mut report = Vec::new();
    for case in cases(&target) {
        report.push(
            attempt(&target, &case)
                .await
                .with_context(|| format!("case {}", case.name))?,
        );
    }
    Ok(report.into())
}

fn cases(target: &Target) -> Vec<Case> {
    let now = unix_seconds();
    let form = target.form(1).into_bytes();
    let signed =
        |timestamp: u64, body: &[u8]| target.head(body.len(), Some((timestamp, &target.sign(timestamp, body))));

    let mut tampered = form.clone();
    let last = tampered.len() - 1;
    tampered[last] ^= 1;

    let mut oversized = form.clone();
    oversized.extend_from_slice(b"&text=");
    oversized.resize(OVERSIZED, b'a');
    let oversized_signature = target.sign(now, &oversized);

    // Signed, but no form of Slack's: broken escapes, bytes that are no UTF-8, and most fields missing.
    let malformed = b"command=%2Fincident&text=%FF%FE%zz&user_id".to_vec();

    let whole = |name, head, body| Case {
        name,
        head,
        body,
        chunked: false,
    };
    vec![
        whole("unsigned", target.head(form.len(), None), form.clone()),
        whole("stale", signed(now - STALE_SECONDS, &form), form.clone()),
        whole("tampered", signed(now, &form), tampered),
        whole("oversized", signed(now, &oversized), oversized.clone()),
        Case {
            name: "oversized chunked",
            head: target.chunked_head(Some((now, &oversized_signature))),
            body: oversized,
            chunked: true,
        },
        whole("malformed", signed(now, &malformed), malformed),
    ]
}

async fn attempt(target: &Target, case: &Case) -> Result<Value> {
    let begun = Instant::now();
    let mut wire = Wire::connect(target.place.address).await?;
    wire.send(case.head.as_bytes()).await?;
    let sent = tokio::select! {
        sent = send_slowly(&wire, case) => sent,
        _ = wire.readable() => None,
    };
    let answer = timeout(PATIENCE, wire.receive())
        .await
        .ok()
        .and_then(Result::ok)
        .flatten();
    Ok(json!({
        "case": case.name,
        "status": answer.as_ref().and_then(|message| message.status().ok()),
        "answered_before_complete": answer.is_some() && sent.is_none(),
        "ms": begun.elapsed().as_secs_f64() * 1000.0,
        "answer": answer.as_ref().map(excerpt),
    }))
}

/// Some(()) when the whole body went out, None when the other side closed before.
async fn send_slowly(wire: &Wire, case: &Case) -> Option<()> {
    for (index, piece) in case.body.chunks(PIECE).enumerate() {
        if index > 0 {
            sleep(PAUSE).await;
        }
        let framed = if case.chunked {
            [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()
        } else {
            piece.to_vec()
        };
        send_all(wire, &framed).await?;
    }
    if case.chunked {
        send_all(wire, b"0\r\n\r\n").await?;
    }
    Some(())
}

async fn send_all(wire: &Wire, mut bytes: &[u8]) -> Option<()> {
    while !bytes.is_empty() {
        let sent = wire.send_some(bytes).await.ok()?;
        bytes = &bytes[sent..];
    }
    Some(())
}

fn excerpt(message: &Message) -> String {
    String::from_utf8_lossy(&message.body).chars().take(200).collect()
}

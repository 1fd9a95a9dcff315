//! Clients that we did not write hold the simulator to Slack's behaviour: slack_sdk, @slack/web-api, @slack/socket-mode,
//! and slack_sdk's own judgement of Block Kit. `make test` installs them under `target/peers`.

use std::path::{Path, PathBuf};
use std::process::Command;

use firebell::simulator::{Options, Workspace};
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs one peer against a fresh workspace.
async fn holds(program: PathBuf, script: &str) {
    let slack = Workspace::start(Options::default()).await.unwrap();
    told(program, script, &[&slack.origin()]).await;
}

/// Runs one peer and gives what it printed; that is also the failure's text.
pub async fn told(program: PathBuf, script: &str, arguments: &[&str]) -> String {
    assert!(
        program.exists(),
        "{} is not there: run `make test`, which installs the peers under target/peers",
        program.display()
    );
    let mut peer = Command::new(program);
    peer.arg(root().join("tests/peers").join(script))
        .args(arguments)
        .env("FIREBELL_PEERS", root().join("target/peers/node"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let output = tokio::task::spawn_blocking(move || peer.output())
        .await
        .unwrap()
        .unwrap();
    let (said, wrong) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    println!("{script}: {said}");
    assert!(
        output.status.success(),
        "{script} found a mismatch:\n{said}{wrong}"
    );
    said.into_owned()
}

/// Python, with the peers installed.
pub fn python() -> PathBuf {
    root().join("target/peers/venv/bin/python")
}

/// Node.js, with the peers installed.
pub fn node() -> PathBuf {
    let installed = root().join("target/peers/node/node_modules/@slack/socket-mode");
    assert!(
        installed.exists(),
        "{} is not there: run `make test`, which installs the peers under target/peers",
        installed.display()
    );
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join("node"))
        .find(|node| node.exists());
    found.expect("node is not on the PATH: install Node.js 20 or newer, then run `make test`")
}

#[tokio::test]
async fn slack_sdk_finds_slack() {
    holds(python(), "slack_sdk_peer.py").await;
}

#[tokio::test]
async fn slack_web_api_finds_slack() {
    holds(node(), "web_api_peer.mjs").await;
}

#[tokio::test]
async fn slack_sdk_judges_blocks_alike() {
    holds(python(), "block_kit_peer.py").await;
}

#[tokio::test]
async fn slack_sdk_finds_socket_mode() {
    holds(python(), "socket_mode_peer.py").await;
}

#[tokio::test]
async fn slack_socket_mode_finds_socket_mode() {
    holds(node(), "socket_mode_peer.mjs").await;
}

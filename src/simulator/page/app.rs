//! What an app's configuration offers to people: slash commands and shortcuts.

use serde::Serialize;

/// The app as its configuration describes it. The workspace shows this and knows nothing else of the app.
#[derive(Clone, Debug, Default, Serialize)]
pub struct InstalledApp {
    /// Offered by the composer.
    pub commands: Vec<SlashCommand>,
    /// Offered by the composer's menu (global) and by the menu of a message.
    pub shortcuts: Vec<Shortcut>,
}

/// A slash command.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SlashCommand {
    /// With the slash: `/incident`.
    pub command: String,
    /// What may follow it.
    pub usage_hint: String,
    /// What it does.
    pub description: String,
}

/// A shortcut.
#[derive(Clone, Debug, Serialize)]
pub struct Shortcut {
    /// What people see.
    pub name: String,
    /// Where people find it.
    pub kind: ShortcutKind,
    /// The app's name for it.
    pub callback_id: String,
}

/// Where people find a shortcut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ShortcutKind {
    /// Everywhere, from the composer.
    Global,
    /// In the menu of a message.
    Message,
}

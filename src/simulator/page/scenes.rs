//! Scenarios that the page offers. Who plays them is not the workspace's affair: it only asks and passes on.

use std::sync::Arc;

use serde::Serialize;

use super::super::Workspace;
use super::news::Change;

/// A scenario and how far it has come.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SceneView {
    /// Names it in addresses: letters, digits and dashes.
    pub id: String,
    /// A few words.
    pub title: String,
    /// What it is about, in a sentence or two.
    pub about: String,
    /// It was started and has not ended.
    pub running: bool,
    /// It goes on by itself, in real time.
    pub playing: bool,
    /// The last step was begun: all that is left is to start over.
    pub ended: bool,
    /// How many steps it has.
    pub steps: usize,
    /// The step that it stands at; none before the start.
    pub step: Option<SceneStep>,
    /// What its people could not do in this run, and why.
    pub faults: Vec<String>,
}

/// One step of a scenario, as it is told to the person who looks on.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SceneStep {
    /// From 1.
    pub number: usize,
    /// What happens now.
    pub now: String,
    /// What one may try meanwhile.
    pub try_this: String,
    /// The name of the channel where it happens, without `#`.
    pub channel: Option<String>,
}

/// Who plays the scenarios. Each deed starts something and returns at once; whatever changes later is told with
/// [`Workspace::scenes_changed`]. A refusal is in words for a person.
pub trait Scenes: Send + Sync {
    /// Every scenario.
    fn list(&self) -> Vec<SceneView>;
    /// Begins, or begins anew, and stands at the first step.
    fn start(&self, id: &str) -> Result<(), String>;
    /// Does the next step.
    fn step(&self, id: &str) -> Result<(), String>;
    /// Goes on by itself, in real time; begins if it had not.
    fn play(&self, id: &str) -> Result<(), String>;
    /// Ends it where it is.
    fn stop(&self, id: &str) -> Result<(), String>;
}

impl Workspace {
    /// Gives the page scenarios to offer.
    pub fn set_scenes(&self, scenes: Arc<dyn Scenes>) {
        *self.page().scenes() = Some(scenes);
        self.scenes_changed();
    }

    /// Tells those who look at the page that a scenario went on.
    pub fn scenes_changed(&self) {
        self.with(|state| state.note(Change::Scenes));
    }
}

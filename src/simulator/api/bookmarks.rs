//! bookmarks.* (contract section 6.4).

use serde_json::{Value, json};

use super::super::model::{BOT_USER, Bookmark, State};
use super::super::page::Change;
use super::arguments::done;
use super::{Args, Failure, Outcome};

const BOOKMARKS: usize = 100;
const TITLE: usize = 256;
const LINK: usize = 2048;

pub(super) fn add(state: &mut State, args: &Args) -> Outcome {
    let channel = args.required("channel_id")?;
    let title = args.required("title")?;
    if args.required("type")? != "link" {
        return Err(Failure::invalid_arguments([
            "[ERROR] must be a valid enum value [json-pointer:/type]".into(),
        ]));
    }
    let link = args.required("link")?;
    judge(&title, &link)?;
    if state.writable(&channel)?.bookmarks.len() >= BOOKMARKS {
        return Err(Failure::new("too_many_bookmarks"));
    }
    let bookmark = Bookmark {
        id: state.next_id("Bk"),
        title,
        link,
        emoji: args.text("emoji").unwrap_or_default(),
        created_s: state.now_s(),
        updated_s: 0,
        updated_by: BOT_USER.into(),
    };
    let face = state.bookmark_json(&channel, &bookmark);
    state.channel_mut(&channel).bookmarks.push(bookmark);
    state.note(Change::Channel(channel));
    Ok(json!({"bookmark": face}))
}

pub(super) fn list(state: &mut State, args: &Args) -> Outcome {
    let id = args.required("channel_id")?;
    let channel = state.joined(&id)?;
    let faces: Vec<Value> = channel
        .bookmarks
        .iter()
        .map(|b| state.bookmark_json(&id, b))
        .collect();
    Ok(json!({"bookmarks": faces}))
}

pub(super) fn edit(state: &mut State, args: &Args) -> Outcome {
    let channel = args.required("channel_id")?;
    let id = args.required("bookmark_id")?;
    state.writable(&channel)?;
    let now_s = state.now_s();
    let found = state
        .channel_mut(&channel)
        .bookmarks
        .iter_mut()
        .find(|b| b.id == id);
    let Some(bookmark) = found else {
        return Err(Failure::new("not_found"));
    };
    let title = args.text("title").unwrap_or_else(|| bookmark.title.clone());
    let link = args.text("link").unwrap_or_else(|| bookmark.link.clone());
    judge(&title, &link)?;
    (bookmark.title, bookmark.link, bookmark.updated_s) = (title, link, now_s);
    if let Some(emoji) = args.text("emoji") {
        bookmark.emoji = emoji;
    }
    let bookmark = bookmark.clone();
    state.note(Change::Channel(channel.clone()));
    Ok(json!({"bookmark": state.bookmark_json(&channel, &bookmark)}))
}

pub(super) fn remove(state: &mut State, args: &Args) -> Outcome {
    let channel = args.required("channel_id")?;
    let id = args.required("bookmark_id")?;
    state.writable(&channel)?;
    let bookmarks = &mut state.channel_mut(&channel).bookmarks;
    let before = bookmarks.len();
    bookmarks.retain(|b| b.id != id);
    match bookmarks.len() < before {
        true => {
            state.note(Change::Channel(channel));
            done()
        }
        false => Err(Failure::new("not_found")),
    }
}

fn judge(title: &str, link: &str) -> Result<(), Failure> {
    if title.chars().count() > TITLE {
        let words = format!(
            "[ERROR] must be less than {} characters [json-pointer:/title]",
            TITLE + 1
        );
        return Err(Failure::invalid_arguments([words]));
    }
    let is_web = link.starts_with("https://") || link.starts_with("http://");
    match is_web && link.chars().count() <= LINK && !link.contains(char::is_whitespace) {
        true => Ok(()),
        false => Err(Failure::new("invalid_link")),
    }
}

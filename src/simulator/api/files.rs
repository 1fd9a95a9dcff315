//! files.*: the external upload in three steps (contract section 6.7).

use serde_json::{Value, json};

use super::super::model::{BOT_USER, File, Message, State};
use super::super::posting::Content;
use super::arguments::parts;
use super::{Args, Failure, Outcome};

const SHARES: usize = 100;

/// Step one: where to send the bytes.
pub(super) fn get_upload_url(state: &mut State, args: &Args) -> Outcome {
    let filename = args.required("filename")?;
    let length = args.required("length")?;
    let length = length.parse::<usize>().ok().filter(|length| *length > 0);
    let length = length.ok_or_else(|| {
        Failure::invalid_arguments(["[ERROR] must be greater than 0 [json-pointer:/length]".into()])
    })?;
    let id = state.next_id("F");
    let file = File {
        id: id.clone(),
        user: BOT_USER.into(),
        title: filename.clone(),
        filename,
        length,
        created_s: state.now_s(),
        bytes: None,
        completed: false,
        shares: Vec::new(),
    };
    state.files.insert(id.clone(), file);
    Ok(json!({"upload_url": format!("{}/upload/v1/{id}", state.origin), "file_id": id}))
}

/// A file that a person puts into a form, not shown anywhere yet.
pub(crate) fn take_file(state: &mut State, user: &str, filename: &str, bytes: Vec<u8>) -> String {
    let id = state.next_id("F");
    let file = File {
        id: id.clone(),
        user: user.into(),
        title: filename.into(),
        filename: filename.into(),
        length: bytes.len(),
        created_s: state.now_s(),
        bytes: Some(bytes),
        completed: true,
        shares: Vec::new(),
    };
    state.files.insert(id.clone(), file);
    id
}

/// Step two: the bytes, raw or as a form's only file. Says whether they were taken.
pub(crate) fn take_bytes(state: &mut State, id: &str, content_type: &str, body: &[u8]) -> bool {
    let bytes = match content_type.starts_with("multipart/form-data") {
        true => parts(content_type, body)
            .and_then(|parts| parts.first().map(|part| part.bytes.to_vec())),
        false => Some(body.to_vec()),
    };
    match (state.files.get_mut(id), bytes) {
        (Some(file), Some(bytes)) if !file.completed && bytes.len() == file.length => {
            file.bytes = Some(bytes);
            true
        }
        _ => false,
    }
}

/// Step three: makes the files real and shows them. Works once.
pub(super) fn complete_upload(state: &mut State, args: &Args) -> Outcome {
    let files = args
        .array("files")
        .ok()
        .flatten()
        .filter(|files| !files.is_empty());
    let files = files.ok_or_else(|| Failure::missing("files"))?;
    let mut channels = args.list("channels");
    channels.extend(args.text("channel_id").filter(|id| !id.is_empty()));
    if channels.len() > SHARES {
        return Err(Failure::new("invalid_channel"));
    }
    for channel in &channels {
        state.writable(channel)?;
    }
    let mut ids = Vec::new();
    for file in &files {
        let id = file["id"].as_str().unwrap_or_default();
        let known = state
            .files
            .get(id)
            .filter(|file| file.bytes.is_some() && !file.completed);
        ids.push(
            known
                .ok_or_else(|| Failure::new("file_not_found"))?
                .id
                .clone(),
        );
    }
    let content = Content::read(state, args)?;
    let comment = args.text("initial_comment").unwrap_or_default();
    for (id, asked) in ids.iter().zip(&files) {
        if let Some(file) = state.files.get_mut(id) {
            file.completed = true;
            if let Some(title) = asked["title"].as_str() {
                file.title = title.into();
            }
        }
    }
    for channel in &channels {
        let message = Message {
            user: BOT_USER.into(),
            from_bot: true,
            subtype: Some("file_share".into()),
            text: comment.clone(),
            blocks: content.blocks.clone().unwrap_or_default(),
            files: ids.clone(),
            thread_ts: args.text("thread_ts").filter(|ts| !ts.is_empty()),
            ..Message::default()
        };
        let ts = state.post(channel, message);
        for id in &ids {
            if let Some(file) = state.files.get_mut(id) {
                file.shares.push((channel.clone(), ts.clone()));
            }
        }
    }
    let faces: Vec<Value> = ids
        .iter()
        .map(|id| state.file_json(&state.files[id]))
        .collect();
    Ok(json!({"files": faces}))
}

pub(super) fn info(state: &mut State, args: &Args) -> Outcome {
    let id = args.required("file")?;
    let file = state
        .files
        .get(&id)
        .filter(|file| file.completed)
        .ok_or_else(|| Failure::new("file_not_found"))?;
    Ok(
        json!({"file": state.file_json(file), "comments": [], "response_metadata": {"next_cursor": ""}}),
    )
}

//! The timeline in the order in which things happened, read page by page.
//!
//! Two walks are merged: the events that were written down as they happened, in the order of the record, and the few
//! that were written down later (a kept message), each at its own time. Among the former the record has the last word:
//! where the clocks of two replicas disagree by a moment, what followed from something does not come before it.

use std::collections::VecDeque;

use super::Source;
use crate::store::incidents::EventRow;

pub(super) struct InOrder<'a> {
    source: Source<'a>,
    in_place: Walk<i64>,
    moved: Walk<(i64, i64)>,
}

/// A page, and where the next one begins; `None`: there is none.
struct Walk<P> {
    page: VecDeque<EventRow>,
    next: Option<P>,
}

impl<'a> InOrder<'a> {
    pub(super) fn new(source: Source<'a>) -> Self {
        Self {
            source,
            in_place: Walk {
                page: VecDeque::new(),
                next: Some(0),
            },
            moved: Walk {
                page: VecDeque::new(),
                next: Some((i64::MIN, 0)),
            },
        }
    }

    /// The next event; none at the end.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<EventRow>> {
        let Source { store, id, up_to } = self.source;
        if self.in_place.page.is_empty()
            && let Some(after) = self.in_place.next
        {
            self.in_place.page = store.events_in_place(id, after, up_to).await?.into();
            self.in_place.next = self.in_place.page.back().map(|row| row.seq);
        }
        if self.moved.page.is_empty()
            && let Some(after) = self.moved.next
        {
            self.moved.page = store.events_moved(id, after, up_to).await?.into();
            self.moved.next = self
                .moved
                .page
                .back()
                .map(|row| (row.happened_at_ms, row.seq));
        }
        let place = |row: &EventRow| (row.happened_at_ms, row.seq);
        let moved_first = match (self.in_place.page.front(), self.moved.page.front()) {
            (Some(row), Some(moved)) => place(moved) < place(row),
            (None, Some(_)) => true,
            (Some(_) | None, None) => false,
        };
        Ok(if moved_first {
            self.moved.page.pop_front()
        } else {
            self.in_place.page.pop_front()
        })
    }
}

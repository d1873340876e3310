//! Heads and requests to send on each link of a group with the next commit.

use std::collections::BTreeMap;

use crate::id::ChangeHash;
use crate::sync::{LinkId, Request};

#[derive(Debug, Default)]
pub(super) struct DueOnLink {
    /// Send our heads, whether or not they were sent before.
    pub heads: bool,
    /// Send this request, with these hashes to ask for.
    pub request: Option<(Request, Vec<ChangeHash>)>,
}

#[derive(Debug, Default)]
pub(super) struct Due(BTreeMap<LinkId, DueOnLink>);

impl Due {
    pub fn heads(&mut self, link: LinkId) {
        self.0.entry(link).or_default().heads = true;
    }

    pub fn request(&mut self, link: LinkId, request: Request, need: Vec<ChangeHash>) {
        self.0.entry(link).or_default().request = Some((request, need));
    }

    pub fn has_request(&self, link: LinkId) -> bool {
        self.0.get(&link).is_some_and(|due| due.request.is_some())
    }

    pub fn take(&mut self, link: LinkId) -> DueOnLink {
        self.0.remove(&link).unwrap_or_default()
    }

    pub fn forget_link(&mut self, link: LinkId) {
        self.0.remove(&link);
    }
}

//! The state of previews: the newest entries of a group, sent to who has next to nothing of it before what they depend on.
//!
//! They are shown apart, and kept nowhere: neither log nor orphans nor pull know of them, and the catch-up brings them
//! again. One link of a group is asked at a time, the one that the catch-up comes from, and each link once.

use std::collections::{BTreeMap, BTreeSet};

use crate::group::GroupNo;
use crate::limits::{PREVIEW_LINK_BYTES_MAX, PREVIEW_LINK_BYTES_PER_S};
use crate::sync::{LinkId, Ration};
use crate::time::Now;

/// What a group knows of its preview.
#[derive(Debug, Default)]
pub(super) struct Preview {
    /// The link that was asked last, until it answers.
    asked: Option<LinkId>,
    /// The link whose answer is shown.
    shown: Option<LinkId>,
    /// Since then all that another link has was pulled from it.
    rest_came: bool,
}

impl Preview {
    pub fn shown(&self) -> Option<LinkId> {
        self.shown
    }

    pub fn ask(&mut self, link: LinkId) {
        self.asked = Some(link);
    }

    /// A link has answered. Says whether its answer may be shown: better one that comes late than none.
    pub fn answered(&mut self, link: LinkId) -> bool {
        self.asked.take_if(|asked| *asked == link).is_some() || self.shown.is_none()
    }

    pub fn show(&mut self, link: LinkId) {
        (self.shown, self.rest_came) = (Some(link), false);
    }

    /// All that a link has was pulled from it.
    pub fn rest_came(&mut self) {
        self.rest_came = true;
    }

    /// Whether it is shown no more: all that its sender has is here; or its sender has let a pull stall, and what another
    /// one has is here.
    pub fn is_over(&self, is_behind: bool, is_stalled: bool) -> bool {
        !is_behind || self.rest_came && is_stalled
    }

    pub fn end(&mut self) {
        self.shown = None;
    }

    /// The link takes no part in the group any more. Whether what is shown came from it.
    pub fn forget_link(&mut self, link: LinkId) -> bool {
        self.asked.take_if(|asked| *asked == link);
        self.shown.take_if(|shown| *shown == link).is_some()
    }
}

/// What a link was asked for and has asked for, which outlasts its sessions.
#[derive(Debug)]
pub(super) struct PreviewOnLink {
    /// Groups of which it was asked, and whether it has answered.
    asked: BTreeMap<GroupNo, bool>,
    /// Groups of which it has asked.
    heeded: BTreeSet<GroupNo>,
    /// What it may still be sent.
    ration: Ration,
}

impl PreviewOnLink {
    pub fn new(now: Now) -> Self {
        let ration = Ration::new(PREVIEW_LINK_BYTES_MAX, PREVIEW_LINK_BYTES_PER_S, 1000, now);
        Self { asked: BTreeMap::new(), heeded: BTreeSet::new(), ration }
    }

    /// Whether it has sent the preview of this group.
    pub fn is_answered(&self, group: GroupNo) -> bool {
        self.asked.get(&group).is_some_and(|answered| *answered)
    }

    /// Whether it is asked for this group for the first time.
    pub fn ask(&mut self, group: GroupNo) -> bool {
        self.asked.insert(group, false).is_none()
    }

    /// It has sent a preview of this group. False where it was not asked, or has answered before.
    pub fn answer(&mut self, group: GroupNo) -> bool {
        let asked = self.asked.get_mut(&group);
        asked.is_some_and(|answered| !std::mem::replace(answered, true))
    }

    /// It asks for a preview of this group. False where it has done so before.
    pub fn heed(&mut self, group: GroupNo) -> bool {
        self.heeded.insert(group)
    }

    pub fn may_be_sent(&mut self, now: Now) -> bool {
        self.ration.is_left(now)
    }

    pub fn sent(&mut self, bytes: usize, now: Now) {
        self.ration.spend(bytes as u64, now);
    }
}

//! The state of previews: the newest entries of a group, sent ahead of a pull to a peer that has next to nothing of it.
//!
//! They are shown apart and never stored: neither log nor orphans nor pull know of them, and the pull brings them
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
    /// Since the preview is shown, everything that another link has was pulled from it.
    rest_came: bool,
}

impl Preview {
    pub fn shown(&self) -> Option<LinkId> {
        self.shown
    }

    pub fn ask(&mut self, link: LinkId) {
        self.asked = Some(link);
    }

    /// A link has answered. Returns whether its answer may be shown: a late one is better than none.
    pub fn answered(&mut self, link: LinkId) -> bool {
        self.asked.take_if(|asked| *asked == link).is_some() || self.shown.is_none()
    }

    pub fn show(&mut self, link: LinkId) {
        (self.shown, self.rest_came) = (Some(link), false);
    }

    /// Everything that a link has was pulled from it.
    pub fn rest_came(&mut self) {
        self.rest_came = true;
    }

    /// Whether to stop showing the preview: everything that its sender has is here; or its sender has let a pull
    /// stall, and everything that another link has is here.
    pub fn is_over(&self, is_behind: bool, is_stalled: bool) -> bool {
        !is_behind || self.rest_came && is_stalled
    }

    pub fn end(&mut self) {
        self.shown = None;
    }

    /// The link no longer takes part in the group. Returns whether the shown preview came from it.
    pub fn forget_link(&mut self, link: LinkId) -> bool {
        self.asked.take_if(|asked| *asked == link);
        self.shown.take_if(|shown| *shown == link).is_some()
    }
}

/// The preview requests on one link in both directions. It outlasts the sessions of the link.
#[derive(Debug)]
pub(super) struct PreviewOnLink {
    /// Groups whose preview this side asked for, and whether the other side has answered.
    asked: BTreeMap<GroupNo, bool>,
    /// Groups whose preview the other side has asked for.
    heeded: BTreeSet<GroupNo>,
    /// Allowance for previews sent to the other side, in bytes.
    ration: Ration,
}

impl PreviewOnLink {
    pub fn new(now: Now) -> Self {
        let ration = Ration::new(PREVIEW_LINK_BYTES_MAX, PREVIEW_LINK_BYTES_PER_S, 1000, now);
        Self { asked: BTreeMap::new(), heeded: BTreeSet::new(), ration }
    }

    /// Whether the other side has sent the preview of this group.
    pub fn is_answered(&self, group: GroupNo) -> bool {
        self.asked.get(&group).is_some_and(|answered| *answered)
    }

    /// Notes that this side asks for a preview. Returns whether that is the first time.
    pub fn ask(&mut self, group: GroupNo) -> bool {
        self.asked.insert(group, false).is_none()
    }

    /// Notes that the other side has sent a preview. False if it was not asked for, or was sent before.
    pub fn answer(&mut self, group: GroupNo) -> bool {
        let asked = self.asked.get_mut(&group);
        asked.is_some_and(|answered| !std::mem::replace(answered, true))
    }

    /// Notes that the other side asks for a preview. False if it has asked before.
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

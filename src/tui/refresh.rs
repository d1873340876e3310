//! Lists that are loaded again when they have changed. Of each, one request is under way at a time; any number of
//! changes meanwhile make one more request, after the answer.

#[derive(Debug, Default)]
pub(super) struct Refreshes {
    pub groups: Refresh,
    pub people: Refresh,
    pub members: Refresh,
    pub status: Refresh,
}

#[derive(Debug, Default)]
pub(super) struct Refresh {
    running: bool,
    again: bool,
}

impl Refresh {
    /// The list has changed. Returns whether to request it now.
    pub fn ask(&mut self) -> bool {
        self.again = self.running;
        !std::mem::replace(&mut self.running, true)
    }

    /// An answer came. Returns whether to request the list once more.
    pub fn done(&mut self) -> bool {
        self.running = std::mem::take(&mut self.again);
        self.running
    }

    pub fn failed(&mut self) {
        *self = Self::default();
    }
}

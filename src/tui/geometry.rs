//! The layout of the screen: the area of each of its parts.

use ratatui::layout::Rect;

use super::state::State;

/// Minimum width of a screen with a pane for the groups.
const COLUMNS_WITH_GROUPS: u16 = 80;
/// Minimum width of a screen with a pane for the members too.
const COLUMNS_WITH_MEMBERS: u16 = 110;
const PANE: u16 = 20;
/// Maximum number of lines of the input.
const INPUT_MAX: u16 = 8;
/// Stands before the first line of the input. The other lines are indented by its width.
pub const PROMPT: &str = "> ";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Geometry {
    pub title: Rect,
    pub groups: Option<Rect>,
    pub history: Rect,
    pub members: Option<Rect>,
    pub status: Rect,
    /// A reply, a completion or a notice.
    pub hint: Option<Rect>,
    pub input: Rect,
}

impl Geometry {
    pub fn of(state: &State) -> Self {
        let (columns, lines) = state.size;
        let (written, _) = state.editor.layout(input_columns(columns));
        let wanted = u16::try_from(written.len()).unwrap_or(INPUT_MAX).min(INPUT_MAX);
        // The title, the status and one line of history come first.
        let input_lines = wanted.min(lines.saturating_sub(3)).max(1);
        let hinted = state.notice.is_some()
            || state.completion.is_some()
            || state.selection.is_some()
            || state.room().is_some_and(|room| room.reply.is_some());
        let hint_lines = u16::from(hinted && lines > input_lines + 3);
        let middle = lines.saturating_sub(input_lines + hint_lines + 2);
        let groups = (columns >= COLUMNS_WITH_GROUPS).then_some(PANE);
        let members = (columns >= COLUMNS_WITH_MEMBERS).then_some(PANE);
        let left = groups.map_or(0, |width| width + 1);
        let right = members.map_or(0, |width| width + 1);
        let screen = Rect::new(0, 0, columns, lines);
        let at = |x, y, width, height| Rect::new(x, y, width, height).intersection(screen);
        Self {
            title: at(0, 0, columns, 1),
            groups: groups.map(|width| at(0, 1, width, middle)),
            history: at(left, 1, columns.saturating_sub(left + right), middle),
            members: members.map(|width| at(columns - width, 1, width, middle)),
            status: at(0, 1 + middle, columns, 1),
            hint: (hint_lines > 0).then(|| at(0, 2 + middle, columns, 1)),
            input: at(0, 2 + middle + hint_lines, columns, input_lines),
        }
    }
}

pub fn input_columns(columns: u16) -> usize {
    usize::from(columns).saturating_sub(PROMPT.len())
}

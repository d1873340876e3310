//! The input line: its text, the inputs before it, and the text that was cut last.
//!
//! The cursor moves over whole grapheme clusters, and the layout shows clean text even where the input has other. The
//! common text areas move by `char` and keep no history of inputs, so this is our own.

use peer_engine::limits::BODY_BYTES_MAX;
use unicode_segmentation::UnicodeSegmentation;

use super::wrap::width;
use crate::text;

/// Maximum number of inputs in the history.
const HISTORY_MAX: usize = 200;

#[derive(Debug, Default)]
pub struct Editor {
    text: String,
    /// A byte offset between two grapheme clusters.
    cursor: usize,
    /// Oldest first.
    history: Vec<String>,
    /// The index of the input shown from the history, and the text that was in the input before.
    recalled: Option<(usize, String)>,
    cut: String,
}

/// What [`Editor::insert`] left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LeftOut {
    pub controls: usize,
    pub too_long: bool,
}

impl Editor {
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub fn before_cursor(&self) -> &str {
        &self.text[..self.cursor]
    }

    pub fn after_cursor(&self) -> &str {
        &self.text[self.cursor..]
    }

    /// Replaces the text, and moves the cursor to its end.
    pub fn set(&mut self, text: impl Into<String>) {
        self.text = text.into();
        self.cursor = self.text.len();
        self.recalled = None;
    }

    pub fn clear(&mut self) {
        self.set("");
    }

    /// Inserts text at the cursor, without control characters, and with every line end as `\n`.
    pub fn insert(&mut self, text: &str) -> LeftOut {
        let mut left_out = LeftOut::default();
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let mut clean = String::with_capacity(text.len());
        for c in text.chars() {
            if c.is_control() && c != '\n' && c != '\t' {
                left_out.controls += 1;
            } else if self.text.len() + clean.len() + c.len_utf8() > BODY_BYTES_MAX {
                left_out.too_long = true;
                break;
            } else {
                clean.push(c);
            }
        }
        self.text.insert_str(self.cursor, &clean);
        self.cursor += clean.len();
        left_out
    }

    /// Replaces the last `bytes` before the cursor with `text`.
    pub fn replace_before(&mut self, bytes: usize, text: &str) {
        let start = self.cursor - bytes;
        self.text.replace_range(start..self.cursor, "");
        self.cursor = start;
        self.insert(text);
    }

    pub fn left(&mut self) {
        self.cursor -= self.before_cursor().graphemes(true).next_back().map_or(0, str::len);
    }

    pub fn right(&mut self) {
        self.cursor += self.after_cursor().graphemes(true).next().map_or(0, str::len);
    }

    pub fn word_left(&mut self) {
        self.cursor = self.word_start();
    }

    pub fn word_right(&mut self) {
        self.cursor = self.word_end();
    }

    pub fn line_start(&mut self) {
        self.cursor = self.start_of_line();
    }

    pub fn line_end(&mut self) {
        self.cursor = self.end_of_line();
    }

    pub fn backspace(&mut self) {
        let end = self.cursor;
        self.left();
        self.text.replace_range(self.cursor..end, "");
    }

    pub fn delete(&mut self) {
        let end = self.cursor + self.after_cursor().graphemes(true).next().map_or(0, str::len);
        self.text.replace_range(self.cursor..end, "");
    }

    pub fn cut_word_left(&mut self) {
        self.cut(self.word_start(), self.cursor);
    }

    pub fn cut_word_right(&mut self) {
        self.cut(self.cursor, self.word_end());
    }

    /// Cuts the line before the cursor, as readline does.
    pub fn cut_to_start(&mut self) {
        self.cut(self.start_of_line(), self.cursor);
    }

    /// Cuts to the end of the line; at its end, the line break.
    pub fn cut_to_end(&mut self) {
        let end = self.end_of_line();
        self.cut(self.cursor, if end == self.cursor { (end + 1).min(self.text.len()) } else { end });
    }

    /// Inserts the text that was last cut or [kept](Self::keep).
    pub fn paste_cut(&mut self) {
        let cut = self.cut.clone();
        self.insert(&cut);
    }

    /// Keeps `text` for [`Self::paste_cut`].
    pub fn keep(&mut self, text: String) {
        self.cut = text;
    }

    /// Moves a line up; on the first line, shows the previous input.
    pub fn up(&mut self) {
        let start = self.start_of_line();
        match start.checked_sub(1) {
            Some(end_of_previous) => self.go_to_column(end_of_previous, start),
            None => self.previous(),
        }
    }

    /// Moves a line down; on the last line, shows the next input.
    pub fn down(&mut self) {
        let end = self.end_of_line();
        if end < self.text.len() {
            let start = self.start_of_line();
            self.go_to_column(end + 1, start);
        } else {
            self.next();
        }
    }

    /// Shows the previous input.
    pub fn previous(&mut self) {
        let (at, stash) = match self.recalled.take() {
            Some((0, stash)) => {
                self.recalled = Some((0, stash));
                return;
            }
            Some((at, stash)) => (at - 1, stash),
            None if self.history.is_empty() => return,
            None => (self.history.len() - 1, self.text.clone()),
        };
        self.set(self.history[at].clone());
        self.recalled = Some((at, stash));
    }

    /// Shows the next input; after the last, the text that was in the input before.
    pub fn next(&mut self) {
        let Some((at, stash)) = self.recalled.take() else { return };
        match self.history.get(at + 1).cloned() {
            Some(next) => {
                self.set(next);
                self.recalled = Some((at + 1, stash));
            }
            None => self.set(stash),
        }
    }

    /// Takes the text out and adds it to the history.
    pub fn submit(&mut self) -> String {
        let text = std::mem::take(&mut self.text);
        self.clear();
        if !text.trim().is_empty() && self.history.last() != Some(&text) {
            self.history.push(text.clone());
            if self.history.len() > HISTORY_MAX {
                self.history.remove(0);
            }
        }
        text
    }

    /// The text, cleaned, on lines of at most `columns`, and the column and line of the cursor.
    pub fn layout(&self, columns: usize) -> (Vec<String>, (usize, usize)) {
        let columns = columns.max(2);
        let mut lines = vec![String::new()];
        let (mut column, mut cursor) = (0, (0, 0));
        for (at, grapheme) in self.text.grapheme_indices(true) {
            let shown = text::line(grapheme);
            let taken = width(&shown);
            // The last column is left to the cursor.
            if column > 0 && column + taken >= columns && grapheme != "\n" {
                lines.push(String::new());
                column = 0;
            }
            if at == self.cursor {
                cursor = (column, lines.len() - 1);
            }
            if grapheme == "\n" {
                lines.push(String::new());
                column = 0;
                continue;
            }
            if let Some(line) = lines.last_mut() {
                line.push_str(&shown);
            }
            column += taken;
        }
        if self.cursor == self.text.len() {
            cursor = (column, lines.len() - 1);
        }
        (lines, cursor)
    }

    fn cut(&mut self, start: usize, end: usize) {
        if start < end {
            self.cut = self.text[start..end].to_owned();
            self.text.replace_range(start..end, "");
            self.cursor = start;
        }
    }

    fn start_of_line(&self) -> usize {
        self.before_cursor().rfind('\n').map_or(0, |at| at + 1)
    }

    fn end_of_line(&self) -> usize {
        self.after_cursor().find('\n').map_or(self.text.len(), |at| self.cursor + at)
    }

    fn word_start(&self) -> usize {
        let before = self.before_cursor().trim_end_matches(|c: char| !c.is_alphanumeric());
        before.char_indices().rev().find(|(_, c)| !c.is_alphanumeric()).map_or(0, |(at, c)| at + c.len_utf8())
    }

    fn word_end(&self) -> usize {
        let after = self.after_cursor();
        let word = after.find(char::is_alphanumeric).unwrap_or(after.len());
        let length = after[word..].find(|c: char| !c.is_alphanumeric()).unwrap_or(after.len() - word);
        self.cursor + word + length
    }

    /// Moves to the line with the byte `at`, to the column that the cursor has on the line from `start`.
    fn go_to_column(&mut self, at: usize, start: usize) {
        let column = self.text[start..self.cursor].graphemes(true).count();
        self.cursor = at;
        self.cursor = self.start_of_line();
        let line = &self.text[self.cursor..self.end_of_line()];
        self.cursor += line.graphemes(true).take(column).map(str::len).sum::<usize>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `|` is the cursor.
    fn at(marked: &str) -> Editor {
        let cursor = marked.find('|').unwrap();
        Editor { text: marked.replace('|', ""), cursor, ..Editor::default() }
    }

    fn marked(editor: &Editor) -> String {
        format!("{}|{}", editor.before_cursor(), editor.after_cursor())
    }

    fn after(start: &str, does: impl FnOnce(&mut Editor)) -> String {
        let mut editor = at(start);
        does(&mut editor);
        marked(&editor)
    }

    #[test]
    fn moves_over_what_looks_like_one_character() {
        assert_eq!(after("e\u{301}👍🏽|", Editor::left), "e\u{301}|👍🏽");
        assert_eq!(after("|e\u{301}👍🏽", Editor::right), "e\u{301}|👍🏽");
        assert_eq!(after("日👍🏽|", Editor::backspace), "日|");
        assert_eq!(after("|👍🏽日", Editor::delete), "|日");
        assert_eq!(after("|", Editor::backspace), "|");
        assert_eq!(after("|", Editor::delete), "|");
    }

    #[test]
    fn words_and_lines_are_as_in_readline() {
        assert_eq!(after("one, two  |three", Editor::word_left), "one, |two  three");
        assert_eq!(after("one|, two", Editor::word_right), "one, two|");
        assert_eq!(after("ab\ncd|ef\ngh", Editor::line_start), "ab\n|cdef\ngh");
        assert_eq!(after("ab\ncd|ef\ngh", Editor::line_end), "ab\ncdef|\ngh");
        assert_eq!(after("one two|", Editor::cut_word_left), "one |");
        assert_eq!(after("ab\ncd|ef", Editor::cut_to_start), "ab\n|ef");
        assert_eq!(after("ab|cd\nef", Editor::cut_to_end), "ab|\nef");
        assert_eq!(after("ab|\nef", Editor::cut_to_end), "ab|ef");
    }

    #[test]
    fn what_was_cut_comes_back() {
        let mut editor = at("one two|");
        editor.cut_word_left();
        editor.line_start();
        editor.paste_cut();
        assert_eq!(marked(&editor), "two|one ");
    }

    #[test]
    fn up_and_down_move_in_lines_and_then_in_history() {
        let mut editor = Editor::default();
        for text in ["first", "second\nline"] {
            editor.insert(text);
            editor.submit();
        }
        editor.insert("draft");
        editor.up();
        assert_eq!(marked(&editor), "second\nline|");
        editor.up();
        assert_eq!(marked(&editor), "seco|nd\nline");
        editor.up();
        assert_eq!(marked(&editor), "first|");
        editor.up();
        assert_eq!(marked(&editor), "first|");
        editor.down();
        editor.down();
        assert_eq!(marked(&editor), "draft|");
        editor.down();
        assert_eq!(marked(&editor), "draft|");
    }

    #[test]
    fn a_repeated_or_empty_input_is_remembered_once() {
        let mut editor = Editor::default();
        for text in ["a", "a", "  ", "b"] {
            editor.insert(text);
            assert_eq!(editor.submit(), text);
        }
        assert_eq!(editor.history, ["a", "b"]);
    }

    #[test]
    fn a_paste_keeps_its_lines_and_loses_its_controls() {
        let mut editor = at("<|>");
        let left_out = editor.insert("a\r\nb\rc\t\x1b[31m\u{9b}");
        assert_eq!(marked(&editor), "<a\nb\nc\t[31m|>");
        assert_eq!(left_out, LeftOut { controls: 2, too_long: false });
        let left_out = editor.insert(&"日".repeat(BODY_BYTES_MAX));
        assert!(left_out.too_long && editor.text().len() <= BODY_BYTES_MAX);
    }

    #[test]
    fn the_layout_says_where_the_cursor_is() {
        assert_eq!(at("|").layout(10), (vec![String::new()], (0, 0)));
        assert_eq!(at("abc|").layout(4), (vec!["abc".to_owned()], (3, 0)));
        assert_eq!(at("abcd|").layout(4), (vec!["abc".to_owned(), "d".to_owned()], (1, 1)));
        assert_eq!(at("日|本").layout(10).1, (2, 0));
        assert_eq!(at("a\n|b").layout(10), (vec!["a".to_owned(), "b".to_owned()], (0, 1)));
    }

    #[test]
    fn what_is_shown_cannot_reorder_the_line() {
        assert_eq!(at("a\u{202E}b|").layout(20).0, ["a‹U+202E›b"]);
    }
}

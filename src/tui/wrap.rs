//! Wraps clean text on lines of a given width: between words where possible, and never inside a grapheme cluster.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

pub use crate::text::width;

/// `text` on lines of at most `width` columns, and at least one line. A character wider than `width` has a line of its
/// own.
pub fn wrap(text: &str, width: usize) -> Vec<&str> {
    let mut lines = Vec::new();
    for line in text.split('\n') {
        wrap_line(line, width.max(1), &mut lines);
    }
    lines
}

fn wrap_line<'a>(mut rest: &'a str, width: usize, lines: &mut Vec<&'a str>) {
    loop {
        let (mut column, mut after_space) = (0, None);
        let too_far = rest.grapheme_indices(true).find_map(|(at, grapheme)| {
            let next = column + grapheme.width();
            if next > width && at > 0 {
                return Some(at);
            }
            column = next;
            if grapheme == " " {
                after_space = Some(at + 1);
            }
            None
        });
        let Some(too_far) = too_far else {
            lines.push(rest);
            return;
        };
        let end = if rest[too_far..].starts_with(' ') { too_far } else { after_space.unwrap_or(too_far) };
        lines.push(rest[..end].trim_end_matches(' '));
        rest = rest[end..].trim_start_matches(' ');
    }
}

/// `text` in at most `width` columns, with `…` where something was cut.
pub fn truncate(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut column = 0;
    for grapheme in text.graphemes(true) {
        if column + grapheme.width() + 1 > width {
            break;
        }
        column += grapheme.width();
        out.push_str(grapheme);
    }
    if width > 0 {
        out.push('…');
    }
    out
}

/// `text` in exactly `width` columns.
pub fn pad(text: &str, width: usize) -> String {
    let mut out = truncate(text, width);
    out.extend(std::iter::repeat_n(' ', width.saturating_sub(out.width())));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("one two three", 6), ["one", "two", "three"]);
        assert_eq!(wrap("exactly", 7), ["exactly"]);
        assert_eq!(wrap("", 7), [""]);
        assert_eq!(wrap("a\n\nb", 7), ["a", "", "b"]);
    }

    #[test]
    fn a_word_that_is_too_long_is_cut() {
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("see abcdefghij", 6), ["see", "abcdef", "ghij"]);
    }

    #[test]
    fn wide_characters_and_clusters_stay_whole() {
        assert_eq!(wrap("日本語日本語", 5), ["日本", "語日", "本語"]);
        assert_eq!(wrap("e\u{301}e\u{301}e\u{301}", 2), ["e\u{301}e\u{301}", "e\u{301}"]);
        assert_eq!(wrap("👍🏽👍🏽", 2), ["👍🏽", "👍🏽"]);
        assert_eq!(wrap("日本", 1), ["日", "本"]);
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(truncate("日本語", 5), "日本…");
        assert_eq!(truncate("日本語", 4), "日…");
        assert_eq!(truncate("rust", 4), "rust");
        assert_eq!((truncate("rust", 1), truncate("rust", 0)), ("…".to_owned(), String::new()));
        assert_eq!(pad("日本", 6), "日本  ");
    }
}

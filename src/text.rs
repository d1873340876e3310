//! Makes other people's text safe to show. All text that a person, a peer or a file can influence goes
//! through here before it reaches a terminal or a log: bodies, names, topics, errors, file names.
//!
//! Characters that would move the cursor, change colours, reorder the line or be invisible are shown as
//! escapes; nothing is dropped silently. Wide characters and ordinary accents stay as they are.
//!
//! - [`line()`] for a place that is one line: names, topics, errors, cells of a table, log lines.
//! - [`block()`] for a body on several lines: only line breaks stay.
//! - [`width()`] measures the result of either, in terminal columns.
//! - [`json()`] for JSON that may be read on a terminal: it escapes characters and keeps the value.
//! - [`control_in()`] and [`code_point()`] to refuse a control character, and to name it.
//!
//! Never cut text before it has been cleaned: half of an escape sequence is a different sequence.

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::RangeInclusive;

use unicode_width::UnicodeWidthChar;

/// Marks kept on one character. Scripts stack up to four or five; a hundred of them paint over other lines.
const MARKS_MAX: usize = 6;

/// A tab has no fixed width, so it would break columns.
const TAB: &str = "    ";

/// Invisible or reordering: format controls, fillers that look like nothing, and the tag characters.
const HIDDEN: &[(char, char)] = &[
    ('\u{00AD}', '\u{00AD}'),
    ('\u{034F}', '\u{034F}'),
    ('\u{061C}', '\u{061C}'),
    ('\u{070F}', '\u{070F}'),
    ('\u{115F}', '\u{1160}'),
    ('\u{17B4}', '\u{17B5}'),
    ('\u{180E}', '\u{180E}'),
    ('\u{200B}', '\u{200F}'),
    ('\u{2028}', '\u{202E}'),
    ('\u{2060}', '\u{206F}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{FEFF}', '\u{FEFF}'),
    ('\u{FFA0}', '\u{FFA0}'),
    ('\u{FFF0}', '\u{FFFB}'),
    ('\u{110BD}', '\u{110BD}'),
    ('\u{110CD}', '\u{110CD}'),
    ('\u{13430}', '\u{1343F}'),
    ('\u{1BCA0}', '\u{1BCA3}'),
    ('\u{1D173}', '\u{1D17A}'),
    ('\u{E0000}', '\u{E00FF}'),
    ('\u{E01F0}', '\u{E0FFF}'),
];

type HasForms = fn(char) -> bool;

/// Variation selectors, and the characters that each may follow. After any other character a selector is only
/// invisible.
const SELECTORS: &[(RangeInclusive<char>, HasForms)] = &[
    // Emoji or plain; keycaps are made of these ASCII characters.
    ('\u{FE00}'..='\u{FE0F}', |base| !base.is_ascii() || base.is_ascii_digit() || base == '#' || base == '*'),
    ('\u{180B}'..='\u{180D}', is_mongolian),
    ('\u{180F}'..='\u{180F}', is_mongolian),
    ('\u{E0100}'..='\u{E01EF}', is_ideograph),
];

/// `text` on one line: line breaks become visible too.
pub fn line(text: &str) -> Cow<'_, str> {
    clean(text, false)
}

/// `text` on as many lines as it has.
pub fn block(text: &str) -> Cow<'_, str> {
    clean(text, true)
}

/// The number of terminal columns that `text`, already clean, takes.
pub fn width(text: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(text)
}

/// Control characters that have no meaning in a message and act on a terminal. A line break and a tab are
/// allowed.
pub fn control_in(text: &str) -> Option<char> {
    text.chars().find(|&c| c.is_control() && c != '\n' && c != '\t')
}

/// How an error names a character that must not be printed.
pub fn code_point(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}

/// JSON with every character escaped that [`line()`] would show as something else; the value is unchanged.
pub fn json(encoded: String) -> String {
    if encoded.bytes().all(|byte| (0x20..0x7F).contains(&byte)) {
        return encoded;
    }
    let mut out = String::with_capacity(encoded.len() + 64);
    let mut reading = Reading::default();
    for c in encoded.chars() {
        match reading.next(c) {
            Fate::Kept => out.push(c),
            Fate::Piled | Fate::Shown => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out
}

fn clean(text: &str, keep_line_breaks: bool) -> Cow<'_, str> {
    // Nearly all text is printable ASCII, which needs no change.
    if text.bytes().all(|byte| (0x20..0x7F).contains(&byte) || (keep_line_breaks && byte == b'\n')) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut reading = Reading::default();
    let mut piled = 0;
    for c in text.chars() {
        let fate = reading.next(c);
        if matches!(fate, Fate::Piled) {
            piled += 1;
            continue;
        }
        tell_piled(&mut out, &mut piled);
        match c {
            _ if matches!(fate, Fate::Kept) => out.push(c),
            '\n' if keep_line_breaks => out.push('\n'),
            '\t' => out.push_str(TAB),
            '\0'..='\u{1F}' => out.push(control_picture(u32::from(c))),
            '\u{7F}' => out.push('\u{2421}'),
            _ => {
                let _ = write!(out, "‹{}›", code_point(c));
            }
        }
    }
    tell_piled(&mut out, &mut piled);
    Cow::Owned(out)
}

/// What to do with a character.
enum Fate {
    Kept,
    /// One mark too many on the character before.
    Piled,
    /// It would act on the terminal or be invisible: show its code instead.
    Shown,
}

/// Reads a text from its beginning: how a character is treated depends on those before it.
#[derive(Default)]
struct Reading {
    before: Option<char>,
    marks: usize,
}

impl Reading {
    fn next(&mut self, c: char) -> Fate {
        let before = self.before.replace(c);
        let selector = SELECTORS.iter().find(|(range, _)| range.contains(&c));
        let is_mark = match selector {
            Some((_, has_forms)) => {
                before.is_some_and(|base| !is_mark(base) && !acts(base) && has_forms(base))
            }
            None => is_mark(c),
        };
        if is_mark {
            self.marks += 1;
            return if self.marks <= MARKS_MAX { Fate::Kept } else { Fate::Piled };
        }
        self.marks = 0;
        if selector.is_some() || acts(c) { Fate::Shown } else { Fate::Kept }
    }
}

/// Says how many marks were left out, so that a shortened name cannot pass for another.
fn tell_piled(out: &mut String, piled: &mut usize) {
    if *piled > 0 {
        let _ = write!(out, "‹{piled} marks›");
    }
    *piled = 0;
}

fn control_picture(code: u32) -> char {
    char::from_u32(0x2400 + code).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Whether a terminal would act on the character or not show it.
fn acts(c: char) -> bool {
    c.is_control() || HIDDEN.iter().any(|&(first, last)| (first..=last).contains(&c))
}

fn is_mongolian(c: char) -> bool {
    ('\u{1820}'..='\u{18AA}').contains(&c)
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

/// Whether the character is drawn onto the one before it.
fn is_mark(c: char) -> bool {
    c.width() == Some(0) && !acts(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_and_hidden_character_becomes_visible() {
        let c0_and_c1 = (0..0x20).chain(0x7F..0xA0);
        let bidi = [0x061C, 0x200E, 0x200F].into_iter().chain(0x202A..=0x202E).chain(0x2066..=0x2069);
        let zero_width = [0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0x00AD, 0x180E, 0xE0001, 0xE0041];
        let separators = [0x2028, 0x2029];
        for code in c0_and_c1.chain(bidi).chain(zero_width).chain(separators) {
            let c = char::from_u32(code).unwrap();
            let text = format!("a{c}b");
            let shown = line(&text);
            assert!(!shown.chars().any(acts), "U+{code:04X} is shown as {shown:?}");
            assert!(shown.len() > 2 && shown.starts_with('a') && shown.ends_with('b'), "{shown:?}");
        }
        assert_eq!(line("a\u{202E}b\u{85}"), "a‹U+202E›b‹U+0085›");
        assert_eq!(line("one\ntwo\r"), "one␊two␍");
        assert_eq!(block("one\ntwo\u{2028}"), "one\ntwo‹U+2028›");
    }

    #[test]
    fn a_clipboard_or_title_sequence_loses_its_escape() {
        assert_eq!(line("\x1b]52;c;ZXZpbA==\x07"), "␛]52;c;ZXZpbA==␇");
        assert_eq!(line("\u{9d}52;c;ZXZpbA==\u{9c}"), "‹U+009D›52;c;ZXZpbA==‹U+009C›");
        assert_eq!(line("\x1b[2J\x1b[31mred\x7f"), "␛[2J␛[31mred␡");
    }

    #[test]
    fn long_runs_of_marks_are_cut_and_counted() {
        let text = format!("Z{}algo", "\u{0336}\u{0489}".repeat(200));
        let shown = line(&text);
        assert_eq!(shown, format!("Z{}‹394 marks›algo", "\u{0336}\u{0489}".repeat(3)));
        let end = format!("e{}", "\u{301}".repeat(7));
        assert!(line(&end).ends_with("‹1 marks›"));
    }

    #[test]
    fn selectors_stay_only_where_they_select() {
        assert_eq!(line("a\u{FE0F}b"), "a‹U+FE0F›b");
        assert_eq!(line("\u{FE00}"), "‹U+FE00›");
        assert_eq!(line("❤\u{FE0F}\u{FE01}\u{E0101}"), "❤\u{FE0F}‹U+FE01›‹U+E0101›");
        assert_eq!(line("\u{200B}\u{FE0F}e\u{301}\u{FE0F}"), "‹U+200B›‹U+FE0F›e\u{301}‹U+FE0F›");
        assert_eq!(line("x\u{E0100}❤\u{E01EF}"), "x‹U+E0100›❤‹U+E01EF›");
    }

    #[test]
    fn ordinary_text_of_all_scripts_stays() {
        for text in [
            "",
            "plain ASCII ~",
            "Grüße",
            "e\u{301}",
            "日本語 한국어",
            "สวัสดี",
            "שָׁלוֹם",
            "مرحبا",
            "🦀 ❤\u{FE0F} 1\u{FE0F}\u{20E3} 👍🏽",
            "葛\u{E0100}飾区",
            "ᠠ\u{180B}",
        ] {
            assert_eq!(line(text), text);
            assert_eq!(block(text), text);
        }
        assert_eq!(width("日本"), 4);
    }

    #[test]
    fn json_keeps_its_value_and_hides_nothing() {
        let pile = "\u{301}".repeat(100);
        let value = &format!("{pile}a\u{FE0F}\u{202E}\u{9b}31m\x1b\x7f\u{E0041}日\u{301}\n\"\\");
        let encoded = json(serde_json::to_string(value).unwrap());
        assert!(!encoded.chars().any(acts), "{encoded}");
        assert_eq!(serde_json::from_str::<String>(&encoded).unwrap(), *value);
        assert!(encoded.contains('日') && encoded.contains("a\\ufe0f"), "{encoded}");
        assert_eq!(encoded.matches('\u{301}').count(), MARKS_MAX + 1);
    }

    #[test]
    fn controls_in_own_input_are_found() {
        assert_eq!(control_in("two\nlines\tand a tab"), None);
        assert_eq!(control_in("a\x07b"), Some('\x07'));
        assert_eq!(control_in("\u{9b}"), Some('\u{9b}'));
        assert_eq!(code_point('\x07'), "U+0007");
    }
}

//! Queries for the full-text index. What a user types is treated as words only: none of it is read as FTS5
//! query syntax.

use crate::limits::SEARCH_WORDS_MAX;

/// A query for all words of `text`, the last one as a prefix; `None` when there are none.
pub(super) fn words(text: &str) -> Option<String> {
    Some(whole_words(text)? + " *")
}

/// A query for all words of `text`, the last one as a whole word; `None` when there are none.
pub(super) fn whole_words(text: &str) -> Option<String> {
    let words: Vec<String> = text
        .split(|c: char| c.is_whitespace() || c.is_control() || c == '"')
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .take(SEARCH_WORDS_MAX)
        .map(|word| format!("\"{word}\""))
        .collect();
    if words.is_empty() { None } else { Some(words.join(" ")) }
}

/// A query for the words of `name` next to each other; `None` when there are none.
pub(super) fn phrase(name: &str) -> Option<String> {
    let text: String = name.chars().map(|c| if c.is_control() || c == '"' { ' ' } else { c }).collect();
    text.chars().any(char::is_alphanumeric).then(|| format!("\"{text}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_quoted_words_and_a_beginning() {
        assert_eq!(words("hello wor").as_deref(), Some("\"hello\" \"wor\" *"));
        assert_eq!(words("a\"b OR c*").as_deref(), Some("\"a\" \"b\" \"OR\" \"c*\" *"));
        assert_eq!(words("x\0y").as_deref(), Some("\"x\" \"y\" *"));
        assert_eq!(phrase("Ann \"X\" Lee").as_deref(), Some("\"Ann  X  Lee\""));
        assert_eq!(phrase("🦀\""), None);
        for nothing in ["", " \t", "\"", "* - ^", "\u{301}"] {
            assert_eq!(words(nothing), None, "{nothing:?}");
        }
    }
}

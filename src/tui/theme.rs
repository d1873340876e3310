//! The colours. They are readable on dark and on light backgrounds; `NO_COLOR` turns them off.

use peer_engine::id::PeerId;
use ratatui::style::{Color, Modifier, Style};

/// Colours for names, as numbers of the 256-colour palette: all of medium brightness.
const AUTHORS: [u8; 12] = [28, 30, 32, 63, 64, 98, 100, 130, 133, 161, 163, 166];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Theme {
    pub colour: bool,
}

impl Theme {
    /// The colour of a key: the same in every session and on every machine.
    pub fn author(self, key: &PeerId) -> Style {
        // Keys are random, so their beginnings are spread evenly.
        let number = usize::from(u16::from_be_bytes([key.0[0], key.0[1]]));
        self.indexed(AUTHORS[number % AUTHORS.len()])
    }

    /// What needs no attention.
    pub fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The selection, and bars.
    pub fn reverse(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// The rule above unread rows, and marks of late rows.
    pub fn notable(self) -> Style {
        self.indexed(166).add_modifier(Modifier::BOLD)
    }

    /// Errors.
    pub fn wrong(self) -> Style {
        self.indexed(160).add_modifier(Modifier::BOLD)
    }

    /// What is in order.
    pub fn good(self) -> Style {
        self.indexed(28)
    }

    /// Messages that mention this peer's person.
    pub fn mention(self) -> Style {
        self.indexed(133).add_modifier(Modifier::BOLD)
    }

    fn indexed(self, number: u8) -> Style {
        if self.colour { Style::new().fg(Color::Indexed(number)) } else { Style::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WCAG relative luminance of a colour of the 6 × 6 × 6 cube.
    fn luminance(number: u8) -> f64 {
        let level = |index: u8| if index == 0 { 0.0 } else { f64::from(55 + 40 * u16::from(index)) / 255.0 };
        let linear = |value: f64| {
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let cube = number - 16;
        let [red, green, blue] = [cube / 36, cube / 6 % 6, cube % 6].map(|index| linear(level(index)));
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    #[test]
    fn colours_are_readable_on_dark_and_on_light() {
        for number in AUTHORS {
            let luminance = luminance(number);
            let (on_white, on_black) = (1.05 / (luminance + 0.05), (luminance + 0.05) / 0.05);
            assert!(on_white >= 3.5 && on_black >= 3.5, "{number}: {on_white:.2} {on_black:.2}");
        }
    }

    #[test]
    fn an_author_keeps_a_colour_and_authors_differ() {
        let theme = Theme { colour: true };
        assert_eq!(theme.author(&PeerId([7; 32])), theme.author(&PeerId([7; 32])));
        let colours: std::collections::HashSet<_> =
            (0..64).map(|byte| format!("{:?}", theme.author(&PeerId([byte; 32])))).collect();
        assert!(colours.len() > 8, "{}", colours.len());
    }

    #[test]
    fn without_colour_there_is_none() {
        let theme = Theme { colour: false };
        for style in
            [theme.author(&PeerId([1; 32])), theme.wrong(), theme.notable(), theme.good(), theme.mention()]
        {
            assert_eq!((style.fg, style.bg), (None, None));
        }
    }
}

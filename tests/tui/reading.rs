//! Reading: history is loaded as it is scrolled to, and does not move when something arrives.

use peer::api::{Row, What};
use peer::tui::room::WINDOW_MAX;
use peer::tui::{Effect, Event};

use crate::support::{ANNA, BOB, Chat, id, name, of_kind, row, talk};

/// The numbers of the messages on the screen.
fn numbers(chat: &Chat) -> Vec<u64> {
    let screen = chat.screen();
    let texts = screen.lines().filter_map(|line| line.split("│ message ").nth(1));
    texts.filter_map(|text| text.split(' ').next()?.parse().ok()).collect()
}

fn history(chat: &Chat) -> Vec<String> {
    let lines = usize::from(chat.state.size.1);
    let right_of_groups = |line: &str| line.split_once('│').map_or(line, |(_, history)| history).to_owned();
    chat.screen().lines().skip(1).take(lines - 3).map(right_of_groups).collect()
}

#[test]
fn scrolling_loads_the_whole_history_and_holds_a_window_of_it() {
    let mut chat = Chat::with(60, 24, talk(3000));
    assert_eq!(numbers(&chat).last(), Some(&3000));
    let mut lowest = numbers(&chat)[0];
    for _ in 0..400 {
        chat.press("pageup");
        let seen = numbers(&chat);
        assert!(seen.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{seen:?}");
        assert!(seen.last().unwrap() + 1 >= lowest, "nothing is skipped: {seen:?} after {lowest}");
        assert!(chat.state.room().unwrap().rows.len() <= WINDOW_MAX);
        if seen[0] == lowest {
            break;
        }
        lowest = seen[0];
    }
    assert_eq!(numbers(&chat)[0], 1);
    for _ in 0..400 {
        let before = numbers(&chat);
        chat.press("pagedown");
        let seen = numbers(&chat);
        assert!(seen[0] <= before.last().unwrap() + 1, "nothing is skipped: {seen:?} after {before:?}");
        if chat.state.room().unwrap().is_at_newest() {
            break;
        }
    }
    assert_eq!(numbers(&chat).last(), Some(&3000));
}

#[test]
fn a_page_up_and_a_page_down_come_back() {
    let mut chat = Chat::with(80, 24, talk(300));
    chat.press("pageup pageup");
    let before = history(&chat);
    chat.press("pageup pagedown");
    assert_eq!(history(&chat), before);
    chat.press("shift-up shift-up shift-down shift-down");
    assert_eq!(history(&chat), before);
}

#[test]
fn what_arrives_does_not_move_what_one_reads() {
    let mut chat = Chat::with(80, 24, talk(300));
    chat.press("pageup");
    let before = history(&chat);
    for number in 301..=340 {
        chat.arrives(row(number, ANNA, &format!("message {number}")));
    }
    assert_eq!(history(&chat), before);
    assert!(chat.screen().contains("↓ 40 new"), "{}", chat.screen());
    chat.press("alt-end");
    assert_eq!(numbers(&chat).last(), Some(&340));
    assert!(!chat.screen().contains("new"));
}

#[test]
fn thousands_that_arrive_are_taken_in_and_held_within_bounds() {
    let mut chat = Chat::with(80, 24, talk(300));
    chat.write("half a mess");
    for number in 301..=5300 {
        chat.arrives(row(number, ANNA, &format!("message {number}")));
    }
    chat.write("age");
    assert_eq!(chat.state.editor.text(), "half a message");
    assert_eq!(numbers(&chat).last(), Some(&5300));
    assert!(chat.state.room().unwrap().rows.len() <= WINDOW_MAX);
    chat.press("pageup pageup");
    let seen = numbers(&chat);
    assert!(seen.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{seen:?}");
}

#[test]
fn a_late_message_takes_its_place_and_the_bottom_line_stays() {
    let mut rows = talk(300);
    rows.remove(249);
    let mut chat = Chat::with(80, 24, rows);
    chat.press("pageup pageup");
    let bottom = history(&chat).last().unwrap().clone();
    chat.arrives(Row { arrival: 301, late: true, ..row(250, BOB, "message 250") });
    assert_eq!(*history(&chat).last().unwrap(), bottom);
    let seen: Vec<u64> = chat
        .state
        .room()
        .unwrap()
        .rows
        .iter()
        .map(|row| u64::from_be_bytes(row.id.0[..8].try_into().unwrap()))
        .collect();
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(seen.contains(&250));
    assert!(chat.screen().contains("↥ 1 late"));
    chat.press("alt-l");
    assert!(chat.screen().contains("message 250 ↥ late"), "{}", chat.screen());
    assert!(!chat.screen().contains("1 late"));
}

/// Every order of these rows.
fn permutations(rows: &[Row]) -> Vec<Vec<Row>> {
    if rows.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for first in 0..rows.len() {
        let mut others = rows.to_vec();
        let first = others.remove(first);
        all.extend(permutations(&others).into_iter().map(|rest| [vec![first.clone()], rest].concat()));
    }
    all
}

/// Also with a page that the service reads after some of them have arrived, and that comes after the last.
#[test]
fn rows_that_arrive_in_any_order_are_in_the_order_of_effective_time_and_id() {
    let places = [(1, 5), (2, 1), (2, 3), (2, 4), (3, 2)];
    let rows = places.map(|(minute, number)| {
        // The authors' clocks say the opposite.
        Row { eff: row(minute, BOB, "").eff, at: row(10 - minute, BOB, "").at, ..row(number, BOB, "") }
    });
    let expected = rows.clone().map(|row| row.id);
    for order in permutations(&rows) {
        for read in 0..=order.len() {
            let mut chat = Chat::with(80, 14, Vec::new());
            chat.serving = false;
            let mut page = Vec::new();
            for (count, row) in order.iter().enumerate() {
                if count == read {
                    chat.feed(What::Resync);
                    page = chat.asked().iter().filter_map(|effect| chat.answer(effect)).collect();
                }
                let arrived = &order[..count];
                let late = arrived.iter().any(|other| (other.eff, other.id) > (row.eff, row.id));
                chat.arrives(Row { arrival: count as u64 + 1, late, ..row.clone() });
            }
            page.into_iter().for_each(|answer| chat.tell(Event::Answer(answer)));
            let shown: Vec<_> = chat.state.room().unwrap().rows.iter().map(|row| row.id).collect();
            assert_eq!(shown, expected, "{order:?}, read after {read}");
        }
    }
}

#[test]
fn a_row_outside_of_the_window_is_left_to_a_later_page() {
    let mut chat = Chat::with(80, 24, talk(3000));
    chat.write("/search message 1500");
    chat.press("enter enter");
    let before: Vec<_> = chat.state.room().unwrap().rows.iter().map(|row| row.id).collect();
    chat.asked();
    chat.serving = false;
    for (arrival, minute, body) in [(3001, 100, "above"), (3002, 1500, "inside"), (3003, 2900, "below")] {
        let late =
            Row { eff: row(minute, ANNA, "").eff + 1, arrival, late: true, ..row(arrival, ANNA, body) };
        chat.arrives(late);
    }
    let pages = chat.asked().into_iter().filter(|effect| matches!(effect, Effect::LoadPage { .. }));
    assert_eq!(pages.count(), 0, "nothing is read again");
    let room = chat.state.room().unwrap();
    assert!(room.has_older && room.has_newer);
    let mut expected = before.clone();
    expected.insert(before.iter().position(|known| *known == id(1500)).unwrap() + 1, id(3002));
    assert_eq!(room.rows.iter().map(|row| row.id).collect::<Vec<_>>(), expected);
    assert!(chat.screen().contains("│ inside ↥ late"), "{}", chat.screen());
    chat.serving = true;
    for text in ["above", "below"] {
        chat.write(&format!("/search {text}"));
        chat.press("enter enter");
        assert!(chat.screen().contains(&format!("│ {text} ↥ late")), "{}", chat.screen());
    }
}

#[test]
fn events_that_were_missed_are_read_around_what_one_reads() {
    let mut rows = talk(3000);
    let missed = rows.remove(1499);
    let mut chat = Chat::with(80, 24, rows);
    chat.write("/search message 1510");
    chat.press("enter enter shift-up");
    let bottom = history(&chat).last().unwrap().clone();
    chat.rows.get_mut(&name("rust")).unwrap().insert(1499, missed);
    chat.feed(What::Resync);
    assert_eq!(*history(&chat).last().unwrap(), bottom);
    assert!(numbers(&chat).contains(&1510));
    let room = chat.state.room().unwrap();
    assert!(room.index(&id(1500)).is_some());
    assert!(room.rows.windows(2).all(|pair| (pair[0].eff, pair[0].id) < (pair[1].eff, pair[1].id)));
}

#[test]
fn a_line_stands_where_unread_begins_until_one_leaves_the_group() {
    let mut chat = Chat::with(80, 14, talk(3));
    chat.add("go", talk(6));
    let group = chat.group("go");
    (group.read, group.unread) = (4, 2);
    chat.feed(What::Groups);
    assert!(chat.screen().contains("go") && chat.screen().contains(" 2│"), "{}", chat.screen());
    chat.press("alt-a");
    let screen = chat.screen();
    let lines: Vec<&str> = screen.lines().collect();
    let unread = lines.iter().position(|line| line.contains("── unread")).unwrap();
    assert!(lines[unread - 1].contains("message 4") && lines[unread + 1].contains("message 5"), "{screen}");
    chat.arrives(Row { group: name("go"), ..row(7, ANNA, "message 7") });
    assert_eq!(chat.screen().matches("── unread").count(), 1);
    chat.press("alt-1 alt-2");
    chat.press("alt-2 alt-1");
    assert!(!chat.screen().contains("── unread"), "{}", chat.screen());
}

#[test]
fn who_merely_joins_leaves_nothing_unread() {
    let mut rows = talk(6);
    rows[4] = of_kind("join", row(5, ANNA, ""));
    let mut chat = Chat::with(80, 14, talk(3));
    chat.add("go", rows);
    let group = chat.group("go");
    (group.read, group.unread) = (4, 1);
    chat.feed(What::Groups);
    chat.press("alt-a");
    let screen = chat.screen();
    let lines: Vec<&str> = screen.lines().collect();
    let unread = lines.iter().position(|line| line.contains("── unread")).unwrap();
    assert!(lines[unread - 1].contains("joined") && lines[unread + 1].contains("message 6"), "{screen}");
}

#[test]
fn a_search_leads_into_context() {
    let mut chat = Chat::with(80, 24, talk(2000));
    chat.write("/search message");
    chat.press("enter");
    assert!(chat.screen().contains("found for “message”"), "{}", chat.screen());
    chat.press("esc");
    chat.write("/search message 777");
    chat.press("enter enter");
    let seen = numbers(&chat);
    assert!(seen.contains(&776) && seen.contains(&777) && seen.contains(&778), "{seen:?}");
    assert_eq!(chat.state.room().unwrap().found, Some(id(777)));
    chat.press("pageup pageup pageup pageup pageup");
    let up = numbers(&chat);
    assert!(up[0] < 700 && up.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{up:?}");
    chat.press("esc");
    assert_eq!(numbers(&chat).last(), Some(&2000));
}

#[test]
fn the_beginning_and_the_end_are_one_key_away() {
    let mut chat = Chat::with(80, 24, talk(3000));
    chat.press("ctrl-home");
    assert_eq!(numbers(&chat)[0], 1);
    chat.press("ctrl-end");
    assert_eq!(numbers(&chat).last(), Some(&3000));
}

//! A row that arrives is shown where its order key says, without reading the history again.

use serde_json::{Value, json};

use crate::browser::{Driver, key};
use crate::members::{GROUP, Member};
use crate::preview::{FAKE, desk, row};
use crate::support::Desk;

/// A row with the order key `(eff, id)`; `id` is the digit that the whole id consists of.
fn at(eff: i64, id: char, body: &str) -> Value {
    let mut row = row(0, body);
    row["eff"] = eff.into();
    row["id"] = id.to_string().repeat(64).into();
    row
}

fn arrives(desk: &Desk, mut row: Value, late: bool) {
    row["late"] = late.into();
    desk.call("tell({ event: 'entry', row: arguments[0] })", &[row]);
}

/// The `eff` of the group's newest rows, oldest first.
fn effs(desk: &Desk) -> Vec<i64> {
    let effs = desk.run_async(
        "const answer = await (await fetch(`/v1/groups/${given[0]}/history?limit=3`)).json();
         return answer.entries.map((row) => row.eff);",
        &[json!(GROUP)],
    );
    effs.as_array().unwrap().iter().map(|eff| eff.as_i64().unwrap()).collect()
}

#[test]
fn a_row_that_arrives_is_inserted_in_its_place() {
    let Some(driver) = Driver::start() else { return };
    let anna = Member::in_group("anna", None);
    let desk = desk(&driver, &anna);
    let effs = effs(&desk);
    let pages = desk.run("return pages.length");

    arrives(&desk, at(effs[1], 'f', "below two"), false);
    arrives(&desk, at(effs[1], '0', "above two"), true);
    arrives(&desk, at(0, 'a', "first"), true);
    arrives(&desk, at(effs[2], 'e', "last"), false);
    desk.until("document.querySelectorAll('#history .message:not(.system) .body').length === 7");
    assert_eq!(desk.bodies(), ["first", "one", "above two", "two", "below two", "three", "last"]);
    // A row that is told of twice is shown once.
    arrives(&desk, at(effs[1], 'f', "below two"), false);
    arrives(&desk, at(effs[2] + 1, 'b', "after all"), false);
    desk.sees("after all");
    assert_eq!(desk.count("#history .message:not(.system)"), 8);
    assert_eq!(desk.run("return pages.length"), pages, "the history was read again");
    desk.is_sound();
}

#[test]
fn a_row_outside_of_the_window_is_not_inserted() {
    let Some(driver) = Driver::start() else { return };
    let anna = Member::in_group("anna", None);
    let lines: Vec<String> = (0..600).map(|number| format!("line {number}")).collect();
    anna.send_lines(&lines);
    let desk = Desk::new(&driver, &anna);
    desk.beforehand(FAKE);
    desk.reload();
    desk.sees("line 599");
    desk.until("document.getElementById('mesh').dataset.state === 'alone'");
    let effs = effs(&desk);

    arrives(&desk, at(0, 'a', "above the window"), true);
    arrives(&desk, at(effs[2] + 1, 'b', "at its end"), false);
    desk.sees("at its end");
    assert!(!desk.bodies().contains(&"above the window".to_owned()));
    assert_eq!(desk.text("#late-pill"), "1 late message ↑");

    desk.run("document.getElementById('scroller').focus()");
    desk.press(&[key::HOME]);
    desk.sees("line 0");
    arrives(&desk, at(effs[2] + 2, 'c', "below the window"), false);
    assert_eq!(desk.text("#new-pill"), "1 new ↓");
    arrives(&desk, at(0, 'd', "at its start"), true);
    desk.sees("at its start");
    assert_eq!(desk.bodies()[0], "at its start");
    assert!(!desk.bodies().contains(&"below the window".to_owned()));
    desk.is_sound();
}

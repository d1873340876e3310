//! A mesh is cut in two, both sides continue to write, and it merges again without help.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::support::{GROUP, Member, body, converged, full_mesh, id, said, until};

const ROUNDS: usize = 4;
const EACH: usize = 400;

#[test]
fn two_sides_that_wrote_apart_show_one_history() {
    let anna = Member::in_group("anna", None);
    let ben = Member::in_group("ben", Some(&anna.ticket()));
    full_mesh(&[&anna, &ben]);
    for member in [&anna, &ben] {
        member.proxy.keep_present();
    }
    let cleo = Member::in_group("cleo", Some(&anna.ticket()));
    let all = [&anna, &ben, &cleo];
    full_mesh(&all);
    anna.run(&["send", GROUP, "before the cut"]).ok();
    converged(&all);

    all.iter().for_each(|member| member.proxy.cut());
    until("cleo is alone", || cleo.links().is_empty() && anna.links().len() == 1 && ben.links().len() == 1);

    // Anna and Ben answer each other: each message follows those that its author had from the other.
    let mut ids = Vec::new();
    let mut dialogue = Vec::new();
    for round in 0..ROUNDS {
        for (member, name) in [(&anna, "anna"), (&ben, "ben"), (&cleo, "cleo")] {
            let prefix = if name == "cleo" { "there" } else { "here" };
            let lines: Vec<String> =
                (0..EACH).map(|number| format!("{prefix} {round} {name} {number}")).collect();
            ids.extend(member.send_lines(&lines));
            if name != "cleo" {
                dialogue.extend(lines);
                converged(&[&anna, &ben]);
            }
        }
    }
    assert_eq!(ids.len(), 3 * ROUNDS * EACH);
    let apart = all.map(|member| member.history());
    assert!(said(&apart[0], "there").is_empty() && said(&apart[2], "here").is_empty());
    assert!(cleo.links().is_empty(), "the cut holds");

    all.iter().for_each(|member| member.proxy.heal());
    full_mesh(&all);
    let rows = converged(&all);

    // All entries are there, each once.
    let places: HashMap<String, usize> =
        rows.iter().enumerate().map(|(place, row)| (id(row), place)).collect();
    assert_eq!(places.len(), rows.len());
    assert!(ids.iter().all(|id| places.contains_key(id)), "something acknowledged is missing");
    assert_eq!(said(&rows, "here").len() + said(&rows, "there").len(), ids.len());

    // Causal order: an author had seen everything that is shown above.
    assert_eq!(said(&rows, "here"), dialogue);
    for before in &apart {
        let shown: Vec<usize> = before.iter().map(|row| places[&id(row)]).collect();
        assert!(shown.is_sorted(), "what was shown has changed its order");
    }

    // The sides took turns, so their rounds alternate; and many messages share a millisecond.
    let first = |prefix: &str| rows.iter().position(|row| body(row).starts_with(prefix)).unwrap();
    assert!(first("here 0") < first("there 0") && first("there 0") < first("here 1"));
    let mut moments: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &rows {
        *moments.entry(row["at"].as_str().unwrap()).or_default() += 1;
    }
    let fullest = moments.values().max().unwrap();
    assert!(*fullest >= 100, "at most {fullest} messages share a millisecond");

    // An entry is late if it arrived above an entry that was there before.
    for (member, before) in all.iter().zip(&apart) {
        let after = member.history();
        let newest = before.iter().map(|row| places[&id(row)]).max().unwrap();
        let had: HashMap<String, bool> = before.iter().map(|row| (id(row), row["late"] == true)).collect();
        let late: Vec<&Value> = after.iter().filter(|row| row["late"] == true).collect();
        for row in &after {
            let expected = had.get(&id(row)).copied().unwrap_or(places[&id(row)] < newest);
            assert_eq!(row["late"], expected, "{row}");
        }
        assert!(late.len() >= EACH, "only {} late ones", late.len());
    }
    eprintln!("{} rows, up to {fullest} in one millisecond", rows.len());

    // The merged mesh continues to work.
    for member in all {
        member.sends_to_all("after the heal", 3);
    }
    let rows = converged(&all);
    assert_eq!(rows[rows.len() - 3..].iter().map(body).collect::<Vec<_>>(), ["after the heal"; 3]);
}

#[test]
fn every_cut_heals_however_often_it_comes() {
    let anna = Member::in_group("anna", None);
    let ben = Member::in_group("ben", Some(&anna.ticket()));
    full_mesh(&[&anna, &ben]);
    for round in 0..10 {
        let cut = || {
            for member in [&anna, &ben] {
                member.proxy.cut();
            }
        };
        // Cuts the wire at another point of the traffic each time.
        if round % 2 == 0 {
            cut();
        }
        for member in [&anna, &ben] {
            let lines: Vec<String> = (0..50).map(|number| format!("{round} {number}")).collect();
            member.send_lines(&lines);
        }
        cut();
        for member in [&anna, &ben] {
            member.run(&["send", GROUP, &format!("{round} apart")]).ok();
            member.proxy.heal();
        }
    }
    let rows = converged(&[&anna, &ben]);
    assert_eq!(rows.len(), 2 + 2 * 10 * 51);
    full_mesh(&[&anna, &ben]);
}

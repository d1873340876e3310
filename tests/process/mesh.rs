//! One ticket of any peer leads into the full mesh, which does not depend on any particular peer.

use std::time::{Duration, Instant};

use crate::support::{GROUP, Member, PATIENCE, converged, full_mesh, said};

#[test]
fn any_peer_lets_newcomers_in_and_any_peer_may_leave() {
    let mut members = vec![Member::in_group("peer0", None)];
    for index in 1..5 {
        // A ticket of another member each time.
        let ticket = members[index * 2 / 3].ticket();
        members.push(Member::in_group(&format!("peer{index}"), Some(&ticket)));
    }
    let mesh: Vec<&Member> = members.iter().collect();
    full_mesh(&mesh);

    stays(&mesh, Duration::from_secs(3));
    for (index, member) in mesh.iter().enumerate() {
        member.sends_to_all(&format!("from {index}"), 5);
    }
    let rows = converged(&mesh);
    assert_eq!(said(&rows, "from "), ["from 0", "from 1", "from 2", "from 3", "from 4"]);

    // The first member leaves for good, and another is killed.
    members.remove(0).stop();
    members.remove(1).kill();
    let rest: Vec<&Member> = members.iter().collect();
    full_mesh(&rest);
    let late = Member::in_group("late", Some(&members[2].ticket()));
    let mesh: Vec<&Member> = members.iter().chain([&late]).collect();
    full_mesh(&mesh);
    late.run(&["send", GROUP, "from the newcomer"]).ok();
    let rows = converged(&mesh);
    let all = ["from 0", "from 1", "from 2", "from 3", "from 4", "from the newcomer"];
    assert_eq!(said(&rows, "from "), all);
}

#[test]
fn peers_that_restart_find_each_other_again_without_a_ticket() {
    let mut anna = Member::in_group("anna", None);
    let mut ben = Member::in_group("ben", Some(&anna.ticket()));
    let mut cleo = Member::in_group("cleo", Some(&ben.ticket()));
    full_mesh(&[&anna, &ben, &cleo]);
    anna.stop();
    ben.kill();
    cleo.stop();
    // Each comes back at another port behind its proxy's address.
    cleo.start();
    anna.start();
    ben.start();
    full_mesh(&[&anna, &ben, &cleo]);
    ben.run(&["send", GROUP, "back"]).ok();
    assert_eq!(said(&converged(&[&anna, &ben, &cleo]), ""), ["back"]);
}

#[test]
fn peers_that_start_at_the_same_moment_keep_one_link_each() {
    let first = Member::in_group("peer0", None);
    let ticket = first.ticket();
    let mut members: Vec<Member> =
        at_once(1..5, |index| Member::started(&format!("peer{index}"), Some(&ticket)));
    members.push(first);
    // All of them know all others, so each pair dials each other at the same time.
    for _ in 0..4 {
        let mesh: Vec<&Member> = members.iter().collect();
        full_mesh(&mesh);
        stays(&mesh, Duration::from_millis(500));
        members = at_once(members, |mut member| {
            member.stop();
            member.start();
            member
        });
    }
    full_mesh(&members.iter().collect::<Vec<_>>());
}

fn at_once<T: Send>(items: impl IntoIterator<Item = T>, act: impl Fn(T) -> Member + Sync) -> Vec<Member> {
    std::thread::scope(|scope| {
        let act = &act;
        let running: Vec<_> = items.into_iter().map(|item| scope.spawn(move || act(item))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Asserts that no link comes or goes for this time, once links in progress are done.
#[track_caller]
fn stays(mesh: &[&Member], how_long: Duration) {
    let links = |member: &Member| {
        let status = member.status();
        let link = |link: &serde_json::Value| (link["peer"].to_string(), link["address"].to_string());
        let mut links: Vec<_> = status["links"].as_array().unwrap().iter().map(link).collect();
        links.sort();
        links
    };
    let all = || -> Vec<_> { mesh.iter().map(|member| links(member)).collect() };
    let (started, mut since, mut before) = (Instant::now(), Instant::now(), all());
    while since.elapsed() < how_long {
        let now = all();
        if now != before {
            assert!(started.elapsed() < PATIENCE, "they come and go: {before:?} {now:?}");
            (since, before) = (Instant::now(), now);
        }
    }
}

#[test]
fn a_link_that_falls_silent_is_dropped_and_made_again() {
    let anna = Member::in_group("anna", None);
    let ben = Member::in_group("ben", Some(&anna.ticket()));
    full_mesh(&[&anna, &ben]);
    let silence = [anna.proxy.freeze(), ben.proxy.freeze()];
    // Neither side gets an error; both continue to write.
    for member in [&anna, &ben] {
        let sent = member.json(&["send", GROUP, "into the silence"]);
        assert_eq!(sent[0]["stored_on"], 1);
    }
    // Waits until each side takes the link for lost and makes a new one.
    let rows = converged(&[&anna, &ben]);
    assert_eq!(said(&rows, ""), ["into the silence", "into the silence"]);
    drop(silence);
    full_mesh(&[&anna, &ben]);
}

//! Imports among the files of a crate form no circle: every file can be read after those that it uses.

use std::collections::{BTreeMap, BTreeSet};

use crate::sources::{CRATES, Definitions, sources, used};

type Imports = BTreeMap<String, BTreeSet<String>>;

/// Which files each file uses. What a module only hands on counts for those who use it, not for the module.
fn imports(name: &str) -> Imports {
    let sources = sources(name);
    let definitions = Definitions::of(&sources);
    let mut imports = Imports::new();
    for source in &sources {
        let names = used(source).into_iter().filter(|used| !used.handed_on && used.path[0] == name);
        let files = names.filter_map(|used| definitions.file(&used.path).map(str::to_owned));
        imports.insert(source.path.clone(), files.filter(|file| *file != source.path).collect());
    }
    imports
}

/// Every set of files of which each reaches all others.
fn circles(imports: &Imports) -> BTreeSet<BTreeSet<&str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        imports.keys().map(|file| (file.as_str(), reached(imports, file))).collect();
    let circle = |file: &str| {
        let mutual = reached[file].iter().filter(|other| reached[**other].contains(file));
        mutual.copied().collect::<BTreeSet<&str>>()
    };
    reached.keys().map(|file| circle(file)).filter(|circle| !circle.is_empty()).collect()
}

/// What a file uses, what that uses, and so on.
fn reached<'a>(imports: &'a Imports, file: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![file];
    while let Some(next) = open.pop() {
        for used in imports.get(next).into_iter().flatten() {
            if reached.insert(used.as_str()) {
                open.push(used);
            }
        }
    }
    reached
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut all = Vec::new();
    for (name, _) in CRATES {
        let imports = imports(name);
        assert!(
            imports.values().map(BTreeSet::len).sum::<usize>() > imports.len(),
            "{name}: too few imports found"
        );
        let found = circles(&imports);
        all.extend(found.into_iter().map(|circle| circle.into_iter().map(str::to_owned).collect::<Vec<_>>()));
    }
    assert!(all.is_empty(), "{all:#?}");
}

#[test]
fn a_circle_is_found_and_a_tree_is_not() {
    let graph = |edges: &[(&str, &str)]| {
        let mut imports = Imports::new();
        for (from, to) in edges {
            imports.entry((*from).to_owned()).or_default().insert((*to).to_owned());
            imports.entry((*to).to_owned()).or_default();
        }
        imports
    };
    assert!(circles(&graph(&[("a", "b"), ("b", "c"), ("a", "c")])).is_empty());
    let imports = graph(&[("top", "a"), ("a", "b"), ("b", "c"), ("c", "a"), ("b", "leaf")]);
    assert_eq!(circles(&imports), BTreeSet::from([BTreeSet::from(["a", "b", "c"])]));
}

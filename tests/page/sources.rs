//! The sources of the page never turn text into markup or code, load nothing from elsewhere and are all in the binary.
//! Functions fit a screen, and imports form no circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const FORBIDDEN: &[&str] = &[
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "document.write",
    "DOMParser",
    "createContextualFragment",
    "parseFromString",
    "setHTML",
    "eval(",
    "Function(",
    "setAttribute(\"style",
    "setAttribute(\"on",
    "srcdoc",
    "postMessage",
];

fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/page")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    assert!(files.len() > 20, "found {}", files.len());
    files
}

/// The source of each script, by its file name.
fn scripts() -> BTreeMap<String, String> {
    let files =
        files().into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "js"));
    let name = |file: &Path| file.file_name().unwrap().to_str().unwrap().to_owned();
    files.map(|file| (name(&file), fs::read_to_string(&file).unwrap())).collect()
}

#[test]
fn text_never_becomes_markup_or_code() {
    for (name, source) in scripts() {
        for word in FORBIDDEN {
            assert!(!source.contains(word), "{name}: {word}");
        }
    }
}

#[test]
fn no_function_is_longer_than_a_screen() {
    const LINES_MAX: usize = 70;
    for (name, source) in scripts() {
        let lines: Vec<&str> = source.lines().collect();
        let indent = |line: &str| line.len() - line.trim_start().len();
        for (start, line) in lines.iter().enumerate() {
            if !(line.ends_with('{') && line.contains('(')) {
                continue;
            }
            let closes = |end: &&str| end.trim_start().starts_with('}') && indent(end) == indent(line);
            let length = lines[start..].iter().position(closes).unwrap() + 1;
            assert!(length <= LINES_MAX, "{name}:{}: {length} lines", start + 1);
        }
    }
}

#[test]
fn no_scripts_import_each_other_in_a_circle() {
    let imported = |line: &str| {
        let (_, from) = line.split_once("from \"./").or_else(|| line.split_once("import \"./"))?;
        Some(from.trim_end_matches("\";").to_owned())
    };
    let scripts = scripts();
    let mut left: BTreeMap<&str, BTreeSet<String>> = scripts
        .iter()
        .map(|(name, source)| (name.as_str(), source.lines().filter_map(imported).collect()))
        .collect();
    assert!(left.values().map(BTreeSet::len).sum::<usize>() > left.len(), "too few imports found");
    // Scripts whose imports have all been removed are removed, until only circles are left.
    while let Some(name) = left.iter().find(|(_, imports)| imports.is_empty()).map(|(name, _)| *name) {
        left.remove(name);
        for imports in left.values_mut() {
            imports.remove(name);
        }
    }
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn the_document_has_no_inline_script_style_or_handler() {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/page/index.html")).unwrap();
    assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains("javascript:"));
    assert_eq!(
        page.matches("<script").count(),
        page.matches("<script src=\"/js/").count()
            + page.matches("<script type=\"module\" src=\"/js/").count()
    );
    assert!(!page.split_whitespace().any(|word| word.starts_with("on") && word.contains('=')));
}

#[test]
fn nothing_comes_from_elsewhere() {
    for file in files() {
        let source = fs::read_to_string(&file).unwrap();
        for place in ["http://", "https://", "//cdn", "@import"] {
            let found = source.matches(place).count()
                - source.matches("http://www.w3.org/2000/svg").count().min(usize::from(place == "http://"));
            assert_eq!(found, 0, "{}: {place}", file.display());
        }
    }
}

#[test]
fn every_file_is_in_the_binary() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/page");
    let mut on_disk: Vec<String> = files()
        .iter()
        .map(|file| format!("/{}", file.strip_prefix(&root).unwrap().to_str().unwrap()))
        .collect();
    on_disk.iter_mut().filter(|path| *path == "/index.html").for_each(|path| "/".clone_into(path));
    on_disk.sort();
    let mut embedded: Vec<String> = peer::web::ASSETS.iter().map(|asset| asset.path.to_owned()).collect();
    embedded.sort();
    assert_eq!(embedded, on_disk);
}

//! What the page is made of: no way to turn text into markup or code, nothing from elsewhere, and no file left out.

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

#[test]
fn text_never_becomes_markup_or_code() {
    for file in files().iter().filter(|file| file.extension().is_some_and(|extension| extension == "js")) {
        let source = fs::read_to_string(file).unwrap();
        for word in FORBIDDEN {
            assert!(!source.contains(word), "{}: {word}", file.display());
        }
    }
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

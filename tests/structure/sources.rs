//! The source files of the workspace, and which file each name that they import is defined in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, Macro, UseTree};

pub const CRATES: [(&str, &str); 2] = [("peer", "src"), ("peer_engine", "crates/engine/src")];

/// A module: the names that lead to it, its crate's first.
pub type ModulePath = Vec<String>;

pub struct Source {
    /// Below the root of the repository, with forward slashes.
    pub path: String,
    pub module: ModulePath,
    pub syntax: syn::File,
}

/// Every source file of one crate, but for its tests.
pub fn sources(name: &str) -> Vec<Source> {
    let folder = CRATES.iter().find(|(listed, _)| *listed == name).unwrap().1;
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(read(name, &root.join(folder), &root, &path));
            }
        }
    }
    found.retain(|source| !source.path.ends_with("/tests.rs"));
    found.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(found.len() > 30, "{name} has {} files", found.len());
    found
}

fn read(name: &str, folder: &Path, root: &Path, path: &Path) -> Source {
    let below = |base| path.strip_prefix(base).unwrap().to_str().unwrap().replace('\\', "/");
    let inside = below(folder);
    let mut module = vec![name.to_owned()];
    module.extend(inside.trim_end_matches(".rs").split('/').map(str::to_owned));
    if inside != "main.rs" {
        module.retain(|part| !["mod", "lib"].contains(&part.as_str()));
    }
    let mut syntax = syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap();
    syntax.items.retain(|item| !attributes(item).iter().any(is_of_tests));
    Source { path: below(root), module, syntax }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Mod(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        _ => &[],
    }
}

fn is_of_tests(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|flag| flag == "test")
}

/// A name that a file takes from elsewhere.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Used {
    /// From the crate on: `peer`, `peer_engine`, `std`, or a library.
    pub path: Vec<String>,
    pub line: usize,
    /// Made a name of the module for others (`pub use`).
    pub handed_on: bool,
}

/// All that a file names of other files and libraries, in imports and in paths.
pub fn used(source: &Source) -> BTreeSet<Used> {
    let mut children = BTreeSet::new();
    for item in &source.syntax.items {
        if let Item::Mod(ItemMod { ident, .. }) = item {
            children.insert(ident.to_string());
        }
    }
    let mut finder = Finder { source, children, used: BTreeSet::new() };
    finder.visit_file(&source.syntax);
    finder.used
}

struct Finder<'a> {
    source: &'a Source,
    children: BTreeSet<String>,
    used: BTreeSet<Used>,
}

impl Finder<'_> {
    fn note(&mut self, names: Vec<String>, line: usize, handed_on: bool) {
        let (first, rest) = names.split_first().expect("a path has a name");
        let mut path = match first.as_str() {
            "crate" => self.source.module[..1].to_vec(),
            "self" => self.source.module.clone(),
            "super" => self.source.module[..self.source.module.len() - 1].to_vec(),
            child if self.children.contains(child) => {
                [self.source.module.clone(), vec![child.to_owned()]].concat()
            }
            library => vec![library.to_owned()],
        };
        for name in rest {
            match name.as_str() {
                "super" => drop(path.pop()),
                name => path.push(name.to_owned()),
            }
        }
        self.used.insert(Used { path, line, handed_on });
    }

    fn note_tree(&mut self, tree: &UseTree, before: &[String], line: usize, handed_on: bool) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.note_tree(&path.tree, &with(&path.ident), line, handed_on),
            UseTree::Name(name) if name.ident == "self" => self.note(before.to_vec(), line, handed_on),
            UseTree::Name(name) => self.note(with(&name.ident), line, handed_on),
            UseTree::Rename(name) => self.note(with(&name.ident), line, handed_on),
            UseTree::Glob(_) => self.note([before, &["*".to_owned()]].concat(), line, handed_on),
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.note_tree(tree, before, line, handed_on));
            }
        }
    }
}

impl<'a> Visit<'a> for Finder<'_> {
    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        let handed_on = !matches!(item.vis, syn::Visibility::Inherited);
        self.note_tree(&item.tree, &[], item.use_token.span.start().line, handed_on);
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        if path.segments.len() > 1 {
            let names: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
            self.note(names, path.segments[0].ident.span().start().line, false);
        }
        visit::visit_path(self, path);
    }

    /// What a macro is given is mostly a list of expressions.
    fn visit_macro(&mut self, called: &'a Macro) {
        let parser = syn::punctuated::Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated;
        if let Ok(expressions) = called.parse_body_with(parser) {
            for expression in &expressions {
                // The tree lives as long as this call only: what it names is copied.
                let mut inner =
                    Finder { source: self.source, children: self.children.clone(), used: BTreeSet::new() };
                inner.visit_expr(expression);
                self.used.append(&mut inner.used);
            }
        }
    }
}

/// Where the names of a crate are defined: modules, and what they hand on.
pub struct Definitions {
    files: BTreeMap<ModulePath, String>,
    handed_on: BTreeMap<ModulePath, Vec<Vec<String>>>,
}

impl Definitions {
    pub fn of(sources: &[Source]) -> Self {
        let files = sources.iter().map(|source| (source.module.clone(), source.path.clone())).collect();
        let mut handed_on: BTreeMap<ModulePath, Vec<Vec<String>>> = BTreeMap::new();
        for source in sources {
            let paths = used(source).into_iter().filter(|used| used.handed_on).map(|used| used.path);
            handed_on.entry(source.module.clone()).or_default().extend(paths);
        }
        Self { files, handed_on }
    }

    /// The file that defines what `path` leads to; `None` outside of the crate.
    pub fn file(&self, path: &[String]) -> Option<&str> {
        let (module, rest) = (0..=path.len()).rev().find_map(|at| {
            let (module, rest) = path.split_at(at);
            self.files.contains_key(module).then_some((module, rest))
        })?;
        let Some(name) = rest.first() else { return Some(&self.files[module]) };
        let passed = self.handed_on[module].iter().find(|handed| handed.last() == Some(name));
        match passed {
            Some(handed) if handed[..] != path[..=module.len()] => {
                self.file(&[&handed[..], &rest[1..]].concat())
            }
            _ => Some(&self.files[module]),
        }
    }
}

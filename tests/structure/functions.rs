//! A function fits a screen.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::sources::{CRATES, sources};

const LINES_MAX: usize = 70;

/// Tables in the form of a function: one line for each entry, nothing between them.
const TABLES: &[&str] = &["src/api/routes.rs: table"];

struct Lengths(Vec<(String, usize)>);

impl Lengths {
    fn note(&mut self, name: &syn::Ident, span: proc_macro2::Span) {
        self.0.push((name.to_string(), span.end().line - span.start().line + 1));
    }
}

impl<'a> Visit<'a> for Lengths {
    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.note(&item.sig.ident, item.sig.span().join(item.block.span()).unwrap_or(item.block.span()));
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.note(&item.sig.ident, item.sig.span().join(item.block.span()).unwrap_or(item.block.span()));
        visit::visit_impl_item_fn(self, item);
    }
}

#[test]
fn no_function_is_longer_than_a_screen() {
    let mut long = Vec::new();
    let mut tables = TABLES.to_vec();
    for source in CRATES.iter().flat_map(|(name, _)| sources(name)) {
        let mut lengths = Lengths(Vec::new());
        lengths.visit_file(&source.syntax);
        for (name, lines) in lengths.0.into_iter().filter(|(_, lines)| *lines > LINES_MAX) {
            let place = format!("{}: {name}", source.path);
            match tables.iter().position(|table| *table == place) {
                Some(at) => drop(tables.remove(at)),
                None => long.push(format!("{place} has {lines} lines")),
            }
        }
    }
    assert!(long.is_empty(), "\n{}", long.join("\n"));
    assert!(tables.is_empty(), "shorter by now, take it out of the list: {tables:?}");
}

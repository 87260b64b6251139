//! For tests: what uses what in a crate. Folders should use only those below them, and no files one another in a circle.
//!
//! It reads the source as text: `crate::`, `super::` and names of child modules, in `use` and elsewhere. Tests are left out.

// What can't be read fails the test that asks.
#![expect(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A module by its path, without `crate`; the root is `main` or `lib`.
type Module = Vec<String>;

/// Folders and files at the top of a crate, from the top: what stands in one line uses what stands in the lines below
/// it, or in the same group.
pub type Layers<'a> = &'a [&'a [&'a [&'a str]]];

/// The modules of a crate, without those of tests, and what each uses.
pub struct Source {
    graph: BTreeMap<Module, BTreeSet<Module>>,
}

impl Source {
    /// Reads the source of a crate: `of(env!("CARGO_MANIFEST_DIR"))`.
    ///
    /// # Panics
    /// When it can't be read.
    #[must_use]
    pub fn of(directory: &str) -> Self {
        let mut modules = BTreeMap::new();
        let source = Path::new(directory).join("src");
        add_folder(&source, &source, &mut modules);
        let uses =
            |(module, text): (&Module, &String)| (module.clone(), used(module, text, &modules));
        let graph = modules.iter().map(uses).collect();
        Self { graph }
    }

    /// Folders use only those below them.
    ///
    /// # Panics
    /// Names what uses what, otherwise; or what has no place in `layers`.
    pub fn check_layers(&self, layers: Layers<'_>) {
        for (module, used) in &self.graph {
            for other in used {
                let (above, below) = (place(module, layers), place(other, layers));
                assert!(
                    above == below || above.0 < below.0,
                    "{} uses {}, which is not below it",
                    module.join("::"),
                    other.join("::")
                );
            }
        }
    }

    /// Files use each other in no circle. But for a file that is a part of another, in the folder of the same name: it
    /// may use what it is a part of.
    ///
    /// # Panics
    /// Names the circle, otherwise.
    pub fn check_circles(&self) {
        let (mut done, mut way) = (BTreeSet::new(), Vec::new());
        for module in self.graph.keys() {
            walk(module, &self.graph, &mut way, &mut done);
        }
    }
}

fn add_folder(source: &Path, folder: &Path, modules: &mut BTreeMap<Module, String>) {
    for entry in folder.read_dir().unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        if file.is_dir() {
            add_folder(source, &file, modules);
        } else if file.extension().is_some_and(|end| end == "rs")
            && !["tests", "layers"].contains(&name.as_str())
        {
            let parents = folder.strip_prefix(source).unwrap().iter();
            let mut module: Module = parents.map(|p| p.to_str().unwrap().to_owned()).collect();
            if name != "mod" {
                module.push(name);
            }
            let text = std::fs::read_to_string(&file).unwrap();
            let product = text.split("#[cfg(test)]\nmod ").next().unwrap();
            modules.insert(module, product.to_owned());
        }
    }
}

/// Words and signs of Rust source, without comments and texts.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or_default();
        for (n, part) in line.split('"').enumerate() {
            // Every second part is within quotes.
            if n % 2 == 1 {
                continue;
            }
            let mut was_word = false;
            for letter in part.replace("::", ":").chars() {
                let is_word = letter.is_alphanumeric() || letter == '_';
                match tokens.last_mut() {
                    Some(word) if is_word && was_word => word.push(letter),
                    _ if letter.is_whitespace() => {}
                    _ => tokens.push(letter.to_string()),
                }
                was_word = is_word;
            }
        }
    }
    tokens
}

/// The paths that begin at a token: more than one where braces are. Returns the place behind them.
fn paths(tokens: &[String], mut at: usize, prefix: &[String], found: &mut Vec<Module>) -> usize {
    let mut path = prefix.to_vec();
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    at = paths(tokens, at, &path, found);
                    while tokens
                        .get(at)
                        .is_some_and(|token| token != "}" && token != ",")
                    {
                        at += 1;
                    }
                    at += usize::from(tokens.get(at).is_some_and(|token| token == ","));
                }
                return at + 1;
            }
            Some(word) if word.chars().all(|c| c.is_alphanumeric() || c == '_') => {
                path.push(word.to_owned());
                at += 1;
                if tokens.get(at).is_none_or(|token| token != ":") {
                    found.push(path);
                    return at;
                }
                at += 1;
            }
            _ => {
                found.push(path);
                return at;
            }
        }
    }
}

/// The modules that a module uses.
fn used(module: &Module, text: &str, modules: &BTreeMap<Module, String>) -> BTreeSet<Module> {
    let tokens = tokens(text);
    let is_child = |name: &String| {
        let mut child = module.clone();
        child.push(name.clone());
        modules.contains_key(&child)
    };
    let mut used = BTreeSet::new();
    for at in 0..tokens.len() {
        let is_path = tokens.get(at + 1).is_some_and(|next| next == ":");
        let is_begin = at == 0 || tokens[at - 1] != ":";
        let base = match tokens[at].as_str() {
            "crate" => Vec::new(),
            "super" => module[..module.len().saturating_sub(1)].to_vec(),
            _ if is_child(&tokens[at]) => module.clone(),
            _ => continue,
        };
        if !is_path || !is_begin {
            continue;
        }
        let from = match tokens[at].as_str() {
            "crate" | "super" => at + 2,
            _ => at,
        };
        let mut found = Vec::new();
        paths(&tokens, from, &[], &mut found);
        for path in found {
            let mut target = base.clone();
            for word in path {
                match word.as_str() {
                    "super" => drop(target.pop()),
                    _ => target.push(word),
                }
            }
            while !target.is_empty() && !modules.contains_key(&target) {
                target.pop();
            }
            if !target.is_empty() && target != *module {
                used.insert(target);
            }
        }
    }
    used
}

/// The layer and the group of a module.
fn place(module: &Module, layers: Layers<'_>) -> (usize, usize) {
    let is_in = |group: &&[&str]| group.contains(&module[0].as_str());
    let mut layers = layers.iter().enumerate();
    layers
        .find_map(|(layer, groups)| Some((layer, groups.iter().position(&is_in)?)))
        .unwrap_or_else(|| panic!("{module:?} has no place among the layers"))
}

fn walk(
    module: &Module,
    graph: &BTreeMap<Module, BTreeSet<Module>>,
    way: &mut Vec<Module>,
    done: &mut BTreeSet<Module>,
) {
    assert!(
        !way.contains(module),
        "{module:?} uses itself by way of {way:?}"
    );
    if done.contains(module) {
        return;
    }
    way.push(module.clone());
    let is_whole = |other: &&Module| {
        module
            .split_last()
            .is_some_and(|(_, whole)| whole == *other)
    };
    for other in graph[module].iter().filter(|other| !is_whole(other)) {
        walk(other, graph, way, done);
    }
    way.pop();
    done.insert(module.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules(all: &[(&str, &str)]) -> Source {
        let modules: BTreeMap<Module, String> = all
            .iter()
            .map(|(path, text)| (module(path), (*text).to_owned()))
            .collect();
        let graph = modules
            .iter()
            .map(|(module, text)| (module.clone(), used(module, text, &modules)));
        Source {
            graph: graph.collect(),
        }
    }

    fn module(path: &str) -> Module {
        path.split("::").map(str::to_owned).collect()
    }

    #[test]
    fn paths_are_found_wherever_they_stand() {
        let text = r#"
            mod c;
            // crate::e::comment
            use crate::{a::{One, Two}, e};
            pub use c::Three;
            fn f() { super::a::g("crate::e::text"); d::h(); }
        "#;
        let source = modules(&[
            ("a", ""),
            ("b", text),
            ("b::c", ""),
            ("b::d", ""),
            ("e", ""),
        ]);
        let found = source.graph[&module("b")].iter();
        let found: Vec<String> = found.map(|module| module.join("::")).collect();
        assert_eq!(found, ["a", "b::c", "b::d", "e"]);
    }

    const LAYERS: Layers<'_> = &[&[&["a"]], &[&["b"], &["c"]]];

    #[test]
    fn below_is_allowed() {
        let source = modules(&[("a", "use crate::b::B;"), ("b", ""), ("c", "")]);
        source.check_layers(LAYERS);
        source.check_circles();
    }

    #[test]
    #[should_panic(expected = "b uses a")]
    fn above_is_not() {
        modules(&[("a", ""), ("b", "use crate::a::A;")]).check_layers(LAYERS);
    }

    #[test]
    #[should_panic(expected = "b uses c")]
    fn beside_is_not() {
        modules(&[("b", "use crate::c::C;"), ("c", "")]).check_layers(LAYERS);
    }

    #[test]
    #[should_panic(expected = "no place among the layers")]
    fn what_is_new_needs_a_place() {
        modules(&[("a", "use crate::d::D;"), ("d", "")]).check_layers(LAYERS);
    }

    #[test]
    #[should_panic(expected = "uses itself")]
    fn a_circle_is_found() {
        let text = ["use super::y::Y;", "use super::z::Z;", "use super::x::X;"];
        let names = ["a::x", "a::y", "a::z"];
        let all: Vec<_> = names.into_iter().zip(text).collect();
        modules(&all).check_circles();
    }
}

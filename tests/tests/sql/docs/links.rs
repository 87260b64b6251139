//! Links between documents of this repository.

use std::fs;
use std::path::Path;

use super::{documents, files, repository};
use crate::reference::markdown::anchor;

#[test]
fn links_lead_to_files_and_headings_that_exist() {
    let mut broken = Vec::new();
    for document in documents(&repository()) {
        let prose = prose(&document);
        let links = inline_links(&prose).chain(prose.lines().filter_map(reference_link));
        broken.extend(
            links
                .filter(|link| !leads_somewhere(&document, link))
                .map(|link| format!("{}: {link}", document.display())),
        );
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_index_has_every_document() {
    let docs = repository().join("docs");
    let index = docs.join("README.md");
    let prose = prose(&index);
    let listed: Vec<_> = inline_links(&prose).map(|link| docs.join(link)).collect();
    let missing: Vec<_> = documents(&docs)
        .into_iter()
        .filter(|document| *document != index)
        .filter(|document| !listed.iter().any(|listed| document.starts_with(listed)))
        .collect();
    assert!(missing.is_empty(), "docs/README.md lacks {missing:?}");
}

/// Hints of errors name documents, and so do comments.
#[test]
fn documents_that_the_code_names_exist() {
    let docs = repository().join("docs");
    let mut missing = Vec::new();
    for file in ["rs", "sql"]
        .map(|extension| files(&repository(), extension))
        .concat()
    {
        let text = fs::read_to_string(&file).unwrap();
        for named in text.split("docs/").skip(1).filter_map(markdown_path) {
            if !docs.join(named).is_file() {
                missing.push(format!("{}: docs/{named}", file.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// The path that a text begins with, if it is that of a document.
fn markdown_path(text: &str) -> Option<&str> {
    let path = &text[..text.find(".md")? + ".md".len()];
    let is_path = |c: char| c.is_ascii_alphanumeric() || "/-_".contains(c);
    path.trim_end_matches(".md")
        .chars()
        .all(is_path)
        .then_some(path)
}

/// A document without its fenced blocks.
fn prose(document: &Path) -> String {
    let text = fs::read_to_string(document).unwrap();
    let parts = text.split("\n```");
    parts.step_by(2).collect::<Vec<_>>().join("\n")
}

/// The targets of `[text](target)`.
fn inline_links(prose: &str) -> impl Iterator<Item = &str> {
    let targets = prose.split("](").skip(1);
    targets.filter_map(|rest| rest.split(')').next())
}

/// The target of a line `[text]: target`.
fn reference_link(line: &str) -> Option<&str> {
    line.strip_prefix('[')?
        .split_once("]: ")
        .map(|(_, target)| target)
}

fn leads_somewhere(document: &Path, link: &str) -> bool {
    if link.contains("://") || link.starts_with("mailto:") {
        return true;
    }
    let (file, heading) = link.split_once('#').unwrap_or((link, ""));
    let target = match file {
        "" => document.to_path_buf(),
        _ => document.parent().unwrap().join(file),
    };
    if heading.is_empty() {
        return target.exists();
    }
    target.is_file()
        && prose(&target).lines().any(|line| {
            let title = line.trim_start_matches('#');
            title.len() < line.len() && anchor(title.trim()) == heading
        })
}

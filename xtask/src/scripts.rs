//! The SQL scripts of the extension: the install script, put together from the files of `sql/`, and the upgrade
//! scripts.
//!
//! Of a released version both are frozen in `sql/releases`. The upgrade script to the version of the workspace is
//! assembled from its draft in `sql/upgrade`, in which two comments stand for something else:
//!
//! - `-- install changes`: what the install script has and the frozen one has not, see [`changes`];
//! - `-- include FILE`: the whole file of `sql/`; `-- include FILE $TAG$`: its DO block that is quoted so.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::statements::{split, without_comments};

const CHANGES: &str = "-- install changes";
const INCLUDE: &str = "-- include ";

/// What `create or replace` exists for, of all that the install script creates.
const REPLACEABLE: [&str; 4] = ["function", "view", "aggregate", "trigger"];

/// A script by its name.
#[derive(Debug)]
pub struct Script {
    /// Its name, as in `sharedir/extension`.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// The scripts of a version: install script, and the upgrade scripts of all versions since the first.
pub fn delivered(root: &Path, version: &str) -> Result<Vec<Script>> {
    let mut scripts = vec![Script {
        name: format!("webhooks--{version}.sql"),
        text: install_script(root)?,
    }];
    scripts.extend(released(root)?.into_iter().filter(|s| is_upgrade(&s.name)));
    for path in drafts(root)? {
        let name = file_name(&path);
        let text = assemble(root, &name, &read(&path)?)?;
        scripts.push(Script { name, text });
    }
    Ok(scripts)
}

/// Drafts of upgrade scripts: none between a release and the next change.
fn drafts(root: &Path) -> Result<Vec<PathBuf>> {
    let directory = root.join("sql/upgrade");
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    sql_in(&directory)
}

/// The install scripts of released versions, for tests.
pub fn former(root: &Path) -> Result<Vec<Script>> {
    let mut scripts = released(root)?;
    scripts.retain(|script| !is_upgrade(&script.name));
    Ok(scripts)
}

fn released(root: &Path) -> Result<Vec<Script>> {
    let paths = sql_in(&root.join("sql/releases"))?;
    let scripts = paths.iter().map(|path| {
        Ok(Script {
            name: file_name(path),
            text: read(path)?,
        })
    });
    scripts.collect()
}

/// `webhooks--1--2.sql`, as opposed to `webhooks--1.sql`.
fn is_upgrade(name: &str) -> bool {
    name.matches("--").count() == 2
}

/// The files that `sql/install.order` lists, one after the other.
fn install_script(root: &Path) -> Result<String> {
    let mut text =
        "\\echo Use \"CREATE EXTENSION webhooks\" to load this file. \\quit\n".to_owned();
    let directory = root.join("sql");
    for name in install_order(&directory)? {
        text.push_str(&format!("\n-- sql/{name}\n\n"));
        text.push_str(&read(&directory.join(name))?);
    }
    Ok(text)
}

/// The files of the install script in the order in which they run, relative to `sql/`.
fn install_order(directory: &Path) -> Result<Vec<String>> {
    let text = read(&directory.join("install.order"))?;
    let lines = text.lines().map(str::trim);
    let names = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(names.map(str::to_owned).collect())
}

/// The upgrade script of this name, from its draft.
fn assemble(root: &Path, name: &str, draft: &str) -> Result<String> {
    let mut text = String::new();
    for line in draft.lines() {
        if line == CHANGES {
            let versions = name.strip_prefix("webhooks--");
            let from = versions.and_then(|versions| versions.split("--").next());
            let from = from.with_context(|| {
                format!("sql/upgrade/{name} is not named webhooks--FROM--TO.sql")
            })?;
            let frozen = read(&root.join(format!("sql/releases/webhooks--{from}.sql")))?;
            for file in install_order(&root.join("sql"))? {
                let changes = changes(&frozen, &file, &read(&root.join("sql").join(&file))?);
                if !changes.is_empty() {
                    text.push_str(&format!("-- sql/{file}\n\n{changes}"));
                }
            }
        } else if let Some(part) = line.strip_prefix(INCLUDE) {
            text.push_str(&included(&root.join("sql"), part)?);
        } else {
            if line.starts_with("-- install") {
                bail!("sql/upgrade/{name}: `{line}` is not `{CHANGES}`");
            }
            text.push_str(line);
            text.push('\n');
        }
    }
    Ok(text)
}

/// A file, or a DO block in it.
fn included(directory: &Path, part: &str) -> Result<String> {
    let Some((file, tag)) = part.split_once(' ') else {
        return read(&directory.join(part));
    };
    let text = read(&directory.join(file))?;
    let start = format!("do {tag}");
    let mut statements = split(&text).into_iter().map(without_comments);
    let block = statements.find(|s| s.starts_with(&start));
    let block = block.with_context(|| format!("sql/{file} has no block `{start}`"))?;
    Ok(format!("{block}\n"))
}

/// What of a file the upgrade script takes over as it stands: statements that the frozen script has not, in these
/// words, and that
///
/// - create something new,
/// - create something anew that can be replaced: functions, views, aggregates, triggers,
/// - or that may run again: comments, grants.
///
/// A table, type, index or policy that has changed, rows and DO blocks are left out: how they change is for the draft
/// to say. A test compares the result with a new installation (`tests/tests/sql/upgrade`).
fn changes(frozen: &str, name: &str, file: &str) -> String {
    let had_file = frozen.contains(&format!("\n-- sql/{name}\n"));
    let frozen: Vec<&str> = split(frozen).into_iter().map(without_comments).collect();
    let unchanged: HashSet<&str> = frozen.iter().copied().collect();
    let known: HashSet<String> = frozen
        .iter()
        .filter_map(|s| created(s))
        .map(|c| c.name)
        .collect();
    let statements = split(file);
    let is_known = |statement: &&str| {
        let statement = without_comments(statement);
        unchanged.contains(statement) || created(statement).is_some_and(|c| known.contains(&c.name))
    };
    // Of a new file everything is new, unless parts of another one have moved there.
    if !had_file && !statements.iter().any(is_known) {
        return format!("{}\n\n", file.trim_end());
    }
    let mut text = String::new();
    for statement in statements {
        let bare = without_comments(statement);
        if unchanged.contains(bare) {
            continue;
        }
        let taken = match created(bare) {
            Some(created) if created.is_replaceable => {
                statement.replacen("create ", "create or replace ", 1)
            }
            Some(created) if known.contains(&created.name) => continue,
            None if bare.starts_with("do ") || bare.starts_with("insert ") => continue,
            _ => statement.to_owned(),
        };
        text.push_str(&taken);
        text.push_str("\n\n");
    }
    text
}

/// What a statement creates.
struct Created {
    /// What kind of object and its name, with the table if its name is unique there alone.
    name: String,
    is_replaceable: bool,
}

/// What a statement creates; none if it creates nothing.
fn created(statement: &str) -> Option<Created> {
    let rest = statement.strip_prefix("create ")?;
    let words: Vec<&str> = rest.split_whitespace().collect();
    let kind = *words.first()?;
    let name = match kind {
        "trigger" | "policy" => {
            let table = words.iter().position(|word| *word == "on")? + 1;
            format!("{} {} on {}", kind, words.get(1)?, words.get(table)?)
        }
        "index" => words.get(..2)?.join(" "),
        _ => rest.split(['(', '\n', ';']).next()?.trim().to_owned(),
    };
    Some(Created {
        name,
        is_replaceable: REPLACEABLE.contains(&kind),
    })
}

/// The `.sql` files of a directory in the order of their names.
fn sql_in(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    let entries =
        fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The last part of a path.
fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The text of a file.
pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::repository;
    use std::process::Command;

    #[test]
    fn the_script_holds_every_file_in_order() {
        let scripts = delivered(&repository(), "1.2.3").unwrap();
        assert_eq!(scripts[0].name, "webhooks--1.2.3.sql");
        let text = &scripts[0].text;
        assert!(text.starts_with("\\echo Use \"CREATE EXTENSION webhooks\""));
        let headers: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("-- sql/"))
            .collect();
        assert_eq!(headers, install_order(&repository().join("sql")).unwrap());
    }

    /// Examples are not part of the extension, and releases and upgrade scripts are scripts of their own.
    #[test]
    fn every_sql_file_is_in_the_install_order_once() {
        let directory = repository().join("sql");
        let mut listed = install_order(&directory).unwrap();
        let mut found = Vec::new();
        for area in fs::read_dir(&directory).unwrap() {
            let area = area.unwrap().path();
            let others = ["examples", "releases", "upgrade"];
            if !area.is_dir() || others.contains(&file_name(&area).as_str()) {
                continue;
            }
            let files = sql_in(&area).unwrap();
            found.extend(
                files
                    .iter()
                    .map(|file| format!("{}/{}", file_name(&area), file_name(file))),
            );
        }
        listed.sort();
        found.sort();
        assert_eq!(listed, found);
    }

    /// From every release there is a way to this version, and no release is changed afterwards.
    #[test]
    fn releases_are_frozen_and_lead_here() {
        let directory = repository().join("sql/releases");
        let mut check = Command::new("sha256sum");
        check.args(["--check", "--strict", "--quiet", "SHA256SUMS"]);
        let checked = check.current_dir(&directory).output().unwrap();
        assert!(
            checked.status.success(),
            "a released script was changed: {checked:?}"
        );
        let sums = read(&directory.join("SHA256SUMS")).unwrap();
        for path in sql_in(&directory).unwrap() {
            let name = file_name(&path);
            assert!(sums.contains(&name), "{name} is not in SHA256SUMS");
        }
        let version = env!("CARGO_PKG_VERSION");
        let upgrades: Vec<String> = delivered(&repository(), version)
            .unwrap()
            .into_iter()
            .map(|script| script.name)
            .collect();
        for script in former(&repository()).unwrap() {
            let from = script.name.trim_end_matches(".sql");
            if from == format!("webhooks--{version}") {
                continue;
            }
            let leads_on = |name: &String| name.starts_with(&format!("{from}--"));
            assert!(
                upgrades.iter().any(leads_on),
                "no upgrade script from {from}"
            );
        }
        let ends_here = |name: &String| name.ends_with(&format!("--{version}.sql"));
        let ending = upgrades.iter().filter(|name| ends_here(name));
        assert_eq!(ending.count(), 2, "{upgrades:?}");
    }

    #[test]
    fn an_upgrade_takes_over_what_can_run_again_and_what_is_new() {
        let frozen = "
-- sql/a.sql

            create table w.t (a int);
            create function w.f() returns int language sql as 'select 1; select 2';
            create trigger a before insert on w.t for each row execute function w.f();
            create policy p on w.t using (true);
            insert into w.t values (1);
            comment on table w.t is 'x';";
        assert_eq!(changes(frozen, "a.sql", frozen), "");
        let now = "
            create table w.t (a int, b int);
            -- Why.
            create function w.f() returns int language sql as 'select 3';
            create trigger a before update on w.t for each row execute function w.f();
            create policy p on w.t using (false);
            create policy q on w.t using (false);
            insert into w.t values (2);
            create table w.new (a int);
            comment on table w.t is 'y';";
        let found = changes(frozen, "a.sql", now);
        let lines: Vec<&str> = found
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty())
            .collect();
        assert_eq!(
            lines,
            [
                "-- Why.",
                "create or replace function w.f() returns int language sql as 'select 3';",
                "create or replace trigger a before update on w.t for each row execute function w.f();",
                "create policy q on w.t using (false);",
                "create table w.new (a int);",
                "comment on table w.t is 'y';",
            ]
        );
        let file = "do $$ begin end $$;\ninsert into w.n values (1);";
        assert_eq!(changes(frozen, "b.sql", file), format!("{file}\n\n"));
        assert_eq!(changes(frozen, "a.sql", file), "");
    }
}

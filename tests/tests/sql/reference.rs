//! References under `docs/reference` that are made from the product: `sql.md` from the catalogues (signatures, columns,
//! comments, and the rights of roles), `settings.md` from `webhooks.settings`, `cli.md` from the sidecar's help, `metrics.md` from
//! its metrics, `openapi.json` from the console.
//! `cargo xtask docs` writes them, `cargo xtask docs --check` compares them.

mod cli;
mod groups;
pub mod markdown;
mod metrics;
mod openapi;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;
use webhooks_tests::database::Database;

use crate::golden::assert_golden;
use groups::GROUPS;
use markdown::{anchor, head, line, prose};

/// The schema that the SQL reference describes.
const SCHEMA: &str = "webhooks";

const INTRODUCTION: &str = "\
# SQL reference

<!-- Made from the comments in the schema: `cargo xtask docs` renews it. -->

This page lists every table, view and function of the schema `webhooks`, as `\\d+ webhooks.*` and `\\df+ webhooks.*` show
them in psql. Objects that only the extension itself and its sidecar use are in the schema `webhooks_private`, with
comments of their own.

Each entry says which [group roles](#tenants-and-roles) may use the object, and how. The extension's owner may use all of
them. Managers and publishers see and write rows of the tenant that is set. Monitors and auditors see rows of all tenants.
";

const RELATIONS: &str = "
    select c.relname as name, obj_description(c.oid, 'pg_class') as comment,
        case c.relkind when 'v' then 'View' when 'S' then 'Sequence' else 'Table' end
            || coalesce(', partitioned by ' || lower(pg_get_partkeydef(c.oid)), '') as kind,
        (select coalesce(json_agg(json_build_object(
            'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'comment', col_description(c.oid, a.attnum),
            'default', coalesce(pg_get_expr(d.adbin, d.adrelid), case when a.attnotnull then 'required' end),
            'readers', (select string_agg(r.rolname, ', ' order by r.rolname) from aclexplode(a.attacl) x join pg_roles r on r.oid = x.grantee
                        where x.privilege_type = 'SELECT')) order by a.attnum), '[]')
         from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
         where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
        (select coalesce(json_object_agg(p.rolname, p.privileges order by p.rolname), '{}')
         from (select r.rolname, string_agg(distinct g.privilege, ', ' order by g.privilege) as privileges
               from (select x.grantee, lower(x.privilege_type) as privilege from aclexplode(c.relacl) x
                     union all
                     select x.grantee, lower(x.privilege_type) || ' of some columns'
                     from pg_attribute a, aclexplode(a.attacl) x where a.attrelid = c.oid) g
               join pg_roles r on r.oid = g.grantee and r.oid <> c.relowner
               group by r.rolname) p) as rights
    from pg_class c
    where c.relnamespace = 'SCHEMA'::regnamespace and c.relkind not in ('i', 'I', 't', 'c')";

const FUNCTIONS: &str = "
    select p.proname || '()' as name, obj_description(p.oid, 'pg_proc') as comment,
        (select coalesce(json_agg(json_build_object(
            'name', p.proargnames[t.n], 'type', format_type(t.type, null), 'is_result', coalesce(p.proargmodes[t.n] = 't', false),
            'default', pg_get_function_arg_default(p.oid, t.n::integer)) order by t.n), '[]')
         from unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) with ordinality t (type, n)) as arguments,
        case when p.proretset then 'setof ' else '' end || format_type(p.prorettype, null) as result,
        (select coalesce(json_object_agg(r.rolname, '' order by r.rolname), '{}')
         from aclexplode(p.proacl) x join pg_roles r on r.oid = x.grantee and r.oid <> p.proowner) as rights
    from pg_proc p where p.pronamespace = 'SCHEMA'::regnamespace";

struct Reference {
    /// Functions of one name together.
    objects: BTreeMap<String, Vec<Value>>,
    linked: BTreeSet<String>,
}

#[tokio::test]
async fn the_sql_reference_is_the_golden_one() {
    let db = Database::fresh("reference").await.unwrap();
    assert_golden(&file("sql.md"), &reference(&db).await);
}

/// A file of `docs/reference`.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs/reference")
        .join(name)
}

/// The whole document.
async fn reference(db: &Database) -> String {
    let reference = Reference::read(db).await;
    let mut document = INTRODUCTION.to_owned();
    document.push('\n');
    for title in GROUPS.iter().map(|group| group.title) {
        writeln!(document, "- [{title}](#{})", anchor(title)).unwrap();
    }
    for group in GROUPS {
        writeln!(document, "\n## {}\n\n{}", group.title, group.about).unwrap();
        match group.title {
            "Event types" => document.push_str(&event_types(db).await),
            "Tenants and roles" => document.push_str(&roles(db).await),
            _ => {}
        }
        for object in group.objects {
            document.push_str(&reference.entry(object));
        }
    }
    let mut anchors = BTreeSet::new();
    for heading in document.lines().filter_map(|l| l.strip_prefix('#')) {
        let heading = anchor(heading.trim_start_matches('#').trim());
        assert!(
            anchors.insert(heading.clone()),
            "two headings are #{heading}"
        );
    }
    document
}

impl Reference {
    async fn read(db: &Database) -> Self {
        let mut rows = Vec::new();
        for query in [RELATIONS, FUNCTIONS] {
            rows.extend(db.rows(&query.replace("SCHEMA", SCHEMA)).await.unwrap());
        }
        rows.sort_by_cached_key(|row| row["arguments"].to_string());
        let mut objects: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for row in rows {
            let same = objects.entry(text(&row, "name").to_owned()).or_default();
            same.push(row);
        }

        let shown = GROUPS.iter().flat_map(|group| group.objects);
        let all: Vec<_> = shown.clone().map(|name| (*name).to_owned()).collect();
        let placed: BTreeSet<_> = all.iter().cloned().collect();
        assert_eq!(
            placed.len(),
            all.len(),
            "reference/groups.rs has an object twice"
        );
        let found: BTreeSet<_> = objects.keys().cloned().collect();
        assert!(
            placed == found,
            "give each object a place in tests/tests/sql/reference/groups.rs: it lacks {:?}, and there are no {:?}",
            found.difference(&placed).collect::<Vec<_>>(),
            placed.difference(&found).collect::<Vec<_>>()
        );
        Self {
            objects,
            linked: shown.map(|name| (*name).to_owned()).collect(),
        }
    }

    /// An object with a heading of its own.
    fn entry(&self, name: &str) -> String {
        let mut entry = format!("\n### {name}\n");
        for object in &self.objects[name] {
            let comment = prose(text(object, "comment"), &self.linked, name);
            write!(entry, "\n{comment}\n\n").unwrap();
            if name.ends_with(')') {
                write!(
                    entry,
                    "```plpgsql\n{}\n```\n\nFor {}.\n",
                    signature(object),
                    callers(object)
                )
                .unwrap();
            } else {
                write!(
                    entry,
                    "{}. {}.\n\n{}",
                    text(object, "kind"),
                    rights(object),
                    self.columns(object, name)
                )
                .unwrap();
            }
        }
        entry
    }

    fn columns(&self, relation: &Value, name: &str) -> String {
        let columns = list(relation, "columns");
        // A default tells who inserts something, and which columns one may read matters where one may not read all.
        let has_defaults = rights(relation).contains("insert");
        let has_readers = columns.iter().any(|column| column["readers"].is_string());
        let mut heads = vec!["column", "type"];
        heads.extend(has_defaults.then_some("default"));
        heads.extend(has_readers.then_some("read by"));
        heads.push("meaning");
        let mut table = head(&heads);
        let whole = whole_readers(relation);
        for column in columns {
            let mut cells = vec![code(text(column, "name")), text(column, "type").to_owned()];
            if has_defaults {
                cells.push(match column["default"].as_str() {
                    None => String::new(),
                    Some("required") => "required".to_owned(),
                    // Over several lines: the column's meaning says it in words.
                    Some(default) if default.contains('\n') => "computed".to_owned(),
                    Some(default) => code(&plain_default(default)),
                });
            }
            if has_readers {
                let readers = column["readers"].as_str().unwrap_or_default();
                let readers = readers.split(", ").chain(whole.iter().map(String::as_str));
                let readers: BTreeSet<_> = readers
                    .filter_map(|role| role.strip_prefix("webhooks_"))
                    .collect();
                cells.push(readers.into_iter().collect::<Vec<_>>().join(", "));
            }
            cells.push(prose(text(column, "comment"), &self.linked, name));
            table.push_str(&line(&cells));
        }
        table
    }
}

/// As psql would take it: on one line if that is short, else a parameter a line.
fn signature(function: &Value) -> String {
    let (results, parameters): (Vec<_>, Vec<_>) = list(function, "arguments")
        .iter()
        .partition(|argument| argument["is_result"] == true);
    let show = |argument: &&Value| {
        let default = argument["default"].as_str().map(plain_default);
        let default = default.map_or(String::new(), |default| format!(" default {default}"));
        format!(
            "{} {}{default}",
            text(argument, "name"),
            text(argument, "type")
        )
    };
    let list = |items: Vec<String>| {
        let line = items.join(", ");
        if line.len() > 80 {
            format!("(\n    {}\n)", items.join(",\n    "))
        } else {
            format!("({line})")
        }
    };
    let name = text(function, "name").trim_end_matches("()");
    let parameters = list(parameters.iter().map(show).collect());
    let result = if results.is_empty() {
        text(function, "result").to_owned()
    } else {
        format!("table {}", list(results.iter().map(show).collect()))
    };
    let break_ = if parameters.len() + result.len() > 90 && !parameters.contains('\n') {
        "\n"
    } else {
        " "
    };
    format!("{SCHEMA}.{name}{parameters}{break_}returns {result}")
}

/// Without the cast that PostgreSQL adds to constants.
fn plain_default(default: &str) -> String {
    match default.split_once("::") {
        Some(("NULL", _)) => "null".to_owned(),
        Some((constant, _)) if !constant.contains('(') => constant.to_owned(),
        _ => default.to_owned(),
    }
}

fn callers(function: &Value) -> String {
    let roles: Vec<_> = object(function, "rights")
        .map(|(role, _)| code(role))
        .collect();
    if roles.is_empty() {
        "the owner alone".to_owned()
    } else {
        roles.join(", ")
    }
}

fn rights(relation: &Value) -> String {
    let mut rights: Vec<(&str, String)> = Vec::new();
    for (role, privileges) in object(relation, "rights") {
        match rights.iter_mut().find(|right| right.0 == privileges) {
            Some(right) => right.1 += &format!(", {}", code(role)),
            None => rights.push((privileges, code(role))),
        }
    }
    if rights.is_empty() {
        return "For the owner alone".to_owned();
    }
    let rights = rights
        .into_iter()
        .map(|(privileges, roles)| format!("{roles}: {privileges}"));
    rights.collect::<Vec<_>>().join(". ")
}

/// Roles that may read every column.
fn whole_readers(relation: &Value) -> Vec<String> {
    object(relation, "rights")
        .filter(|(_, privileges)| {
            privileges
                .split(", ")
                .any(|privilege| privilege == "select")
        })
        .map(|(role, _)| role.to_owned())
        .collect()
}

async fn event_types(db: &Database) -> String {
    let query = "select name, description from webhooks.event_types where is_builtin order by category, created_at, name";
    let mut table = "\n".to_owned() + &head(&["event type", ""]);
    for row in db.rows(query).await.unwrap() {
        table.push_str(&line(&[
            code(text(&row, "name")).as_str(),
            text(&row, "description"),
        ]));
    }
    table
}

async fn roles(db: &Database) -> String {
    let query = "select rolname as name, shobj_description(oid, 'pg_authid') as comment from pg_roles where rolname ~ '^webhooks_' order by 1";
    let mut table = "\n".to_owned() + &head(&["group role", "its members"]);
    for row in db.rows(query).await.unwrap() {
        let comment = prose(text(&row, "comment"), &BTreeSet::new(), "");
        table.push_str(&line(&[code(text(&row, "name")), comment]));
    }
    table
}

fn code(name: &str) -> String {
    format!("`{name}`")
}

fn text<'a>(row: &'a Value, column: &str) -> &'a str {
    row[column]
        .as_str()
        .unwrap_or_else(|| panic!("{column} of {row}"))
}

fn list<'a>(row: &'a Value, column: &str) -> &'a [Value] {
    row[column]
        .as_array()
        .unwrap_or_else(|| panic!("{column} of {row}"))
}

fn object<'a>(row: &'a Value, column: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let object = row[column]
        .as_object()
        .unwrap_or_else(|| panic!("{column} of {row}"));
    object
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
}

//! The SQL of the documents is executed as it stands, so that the manual cannot lie. What only the tests need to see, to begin
//! with and to check in the end, is in HTML comments.

use std::path::{Path, PathBuf};

use webhooks_tests::cluster::{Cluster, Options};
use webhooks_tests::database::Database;

use crate::reference::markdown::anchor;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The fenced blocks of a language, one after the other.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut block: Option<String> = None;
    for line in document.lines() {
        match block.as_mut() {
            None if line == format!("```{language}") => block = Some(String::new()),
            None => {}
            Some(_) if line == "```" => found.extend(block.take()),
            Some(text) => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    assert!(block.is_none(), "a block is not closed");
    found
}

async fn executes(document: &Path) {
    let text = std::fs::read_to_string(document).unwrap();
    let blocks = blocks(&text, "sql");
    if blocks.is_empty() {
        return;
    }
    // A cluster of its own: documents create roles, which belong to the cluster.
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let db = Database::create_empty(&cluster, "docs").await.unwrap();
    // A how-to is one session from beginning to end.
    let scripts = if document.parent().is_some_and(|d| d.ends_with("how-to")) {
        vec![blocks.join("\n")]
    } else {
        blocks
    };
    for block in scripts {
        db.cluster()
            .psql(db.name(), &block)
            .await
            .unwrap_or_else(|error| panic!("{}:\n{block}\n{error:#}", document.display()));
    }
}

#[tokio::test]
async fn readme() {
    let readme = repository().join("README.md");
    let text = std::fs::read_to_string(&readme).unwrap();
    assert!(
        blocks(&text, "sql").len() >= 10,
        "the tour is gone from the README"
    );
    executes(&readme).await;
}

#[tokio::test]
async fn docs() {
    for directory in ["docs", "docs/how-to", "docs/reference"] {
        for entry in std::fs::read_dir(repository().join(directory)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                executes(&path).await;
            }
        }
    }
}

/// What links to another document of ours finds it, and the heading in it.
#[test]
fn links_lead_somewhere() {
    let mut documents = vec![repository().join("README.md")];
    for directory in ["docs", "docs/how-to", "docs/reference"] {
        let entries = std::fs::read_dir(repository().join(directory)).unwrap();
        documents.extend(entries.map(|entry| entry.unwrap().path()));
    }
    documents.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    for document in documents {
        let text = std::fs::read_to_string(&document).unwrap();
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            if link.contains("://") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                document.clone()
            } else {
                document.parent().unwrap().join(file)
            };
            assert!(target.exists(), "{}: {link}", document.display());
            if !heading.is_empty() {
                let text = std::fs::read_to_string(&target).unwrap();
                let found = text.lines().any(|line| {
                    line.starts_with('#') && anchor(line.trim_start_matches('#').trim()) == heading
                });
                assert!(found, "{}: {link}", document.display());
            }
        }
    }
}

/// What the README's table says of the settings is what `webhooks.settings` says.
#[tokio::test]
async fn the_readme_lists_every_setting() {
    let text = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let db = Database::fresh("docs_settings").await.unwrap();
    for setting in db
        .rows("select name, coalesce(default_value::text, default_text, 'not set') as default_value from webhooks.settings")
        .await
        .unwrap()
    {
        let row = format!(
            "| `{}` | {} |",
            setting["name"].as_str().unwrap(),
            setting["default_value"].as_str().unwrap()
        );
        assert!(text.contains(&row), "README.md lacks: {row}");
    }
}

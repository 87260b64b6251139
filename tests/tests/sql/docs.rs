//! The SQL of the documents is executed as it stands, so that the manual cannot lie.

use std::path::{Path, PathBuf};

use webhooks_tests::cluster::{Cluster, Options};
use webhooks_tests::database::Database;

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
    // A cluster of its own: documents create roles, which belong to the cluster.
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let db = Database::create_empty(&cluster, "docs").await.unwrap();
    for block in blocks(&text, "sql") {
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
    let Ok(directory) = std::fs::read_dir(repository().join("docs")) else {
        return;
    };
    for entry in directory {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            executes(&path).await;
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

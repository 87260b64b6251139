//! Fenced blocks of Markdown.

use std::ops::Range;

/// SQL that a document shows, or has in a comment.
pub struct SqlBlock {
    /// Line of the document with its first statement, from 1.
    pub line: usize,
    pub sql: String,
    /// The lines of the document, from 0, that show what it prints.
    pub output: Option<Range<usize>>,
    /// Whether the document shows that it fails.
    pub fails: bool,
}

/// The SQL of a document with the output that follows it.
///
/// # Panics
/// When a block is not closed, or output does not follow SQL.
pub fn sql_blocks(document: &str) -> Vec<SqlBlock> {
    let mut blocks: Vec<SqlBlock> = Vec::new();
    let mut follows_sql = false;
    let mut lines = document.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            follows_sql &= line.trim().is_empty();
            continue;
        };
        let begin = at + 1;
        let mut text = Vec::new();
        loop {
            match lines.next() {
                Some((_, "```")) => break,
                Some((_, line)) => text.push(line),
                None => panic!("the block of line {begin} is not closed"),
            }
        }
        match language {
            "sql" => blocks.push(SqlBlock {
                line: begin + 1,
                sql: text.iter().map(|line| format!("{line}\n")).collect(),
                output: None,
                fails: false,
            }),
            "output" => {
                let block = blocks.last_mut().filter(|_| follows_sql);
                let block =
                    block.unwrap_or_else(|| panic!("the output of line {begin} follows no SQL"));
                block.output = Some(begin..begin + text.len());
                block.fails = text.iter().any(|line| line.starts_with("ERROR:"));
            }
            _ => {}
        }
        follows_sql = language == "sql";
    }
    blocks
}

#[test]
fn output_belongs_to_the_sql_before_it() {
    let document =
        "```sql\nselect 1;\n```\n\n```output\n1\n```\n```sql\nx;\n```\ntext\n```text\n1\n```\n";
    let blocks = sql_blocks(document);
    let outputs: Vec<_> = blocks.iter().map(|block| block.output.clone()).collect();
    assert_eq!(outputs, [Some(5..6), None]);
    assert_eq!(blocks[1].sql, "x;\n");
}

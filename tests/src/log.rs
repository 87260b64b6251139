//! The log of a program: JSON or text, one event a line.

use std::io::{BufRead, BufReader, Read};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use crate::progress::Progress;

/// One line.
#[derive(Debug, Clone)]
pub struct LogLine {
    /// As written.
    pub raw: String,
    json: Option<Value>,
}

impl LogLine {
    fn parse(raw: String) -> Self {
        let json = raw
            .starts_with('{')
            .then(|| serde_json::from_str(&raw).ok())
            .flatten();
        Self { raw, json }
    }

    /// The event's message: of JSON the field `message`, of text what follows level and target.
    #[must_use]
    pub fn message(&self) -> &str {
        match &self.json {
            Some(_) => self.field("message").and_then(Value::as_str).unwrap_or(""),
            None => self
                .raw
                .split_once(": ")
                .map_or(self.raw.as_str(), |(_, message)| message),
        }
    }

    /// A field of a JSON line, at the top or among tracing's `fields`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Value> {
        let json = self.json.as_ref()?;
        json.get(name).or_else(|| json.get("fields")?.get(name))
    }

    /// Whether the line as written contains a text.
    #[must_use]
    pub fn contains(&self, text: &str) -> bool {
        self.raw.contains(text)
    }
}

#[derive(Debug)]
pub(crate) struct Log {
    lines: Mutex<Vec<LogLine>>,
    /// Streams that have not ended.
    open: AtomicUsize,
    progress: Progress,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self {
            lines: Mutex::default(),
            open: AtomicUsize::new(0),
            progress: Progress::new(),
        }
    }

    pub(crate) fn lines(&self) -> Vec<LogLine> {
        self.locked().clone()
    }

    pub(crate) async fn wait(
        &self,
        timeout: Duration,
        mut condition: impl FnMut(&LogLine) -> bool,
    ) -> Result<LogLine> {
        let mut seen = 0;
        let check = || {
            let lines = self.locked();
            let found = lines[seen..].iter().find(|line| condition(line)).cloned();
            seen = lines.len();
            found
        };
        self.progress
            .wait(timeout, check, |n| n + 1, || "no such log line".into())
            .await
    }

    /// Waits until all streams have ended: the last lines of a process may be read after its exit.
    pub(crate) async fn wait_end(&self, timeout: Duration) -> Result<()> {
        let ended = || (self.open.load(SeqCst) == 0).then_some(());
        self.progress
            .wait(timeout, ended, |n| n + 1, || "the end of the log".into())
            .await
    }

    fn push(&self, line: String) {
        self.locked().push(LogLine::parse(line));
        self.progress.advance();
    }

    fn locked(&self) -> MutexGuard<'_, Vec<LogLine>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a stream into the log until it ends, on a thread.
pub(crate) fn capture(log: &Arc<Log>, stream: impl Read + Send + 'static) -> Result<()> {
    log.open.fetch_add(1, SeqCst);
    let log = Arc::clone(log);
    std::thread::Builder::new()
        .name("sidecar log".into())
        .spawn(move || {
            let lines = BufReader::new(stream).split(b'\n');
            for line in lines.map_while(Result::ok) {
                log.push(String::from_utf8_lossy(&line).into_owned());
            }
            log.open.fetch_sub(1, SeqCst);
            log.progress.advance();
        })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_of_both_formats() {
        let json =
            LogLine::parse(r#"{"level":"INFO","fields":{"message":"ready","shards":16}}"#.into());
        assert_eq!(json.message(), "ready");
        assert_eq!(json.field("shards").and_then(Value::as_u64), Some(16));
        let text = LogLine::parse("2026-01-01T00:00:00Z  INFO webhooks_sidecar: ready".into());
        assert_eq!(text.message(), "ready");
        assert_eq!(LogLine::parse("oops".into()).message(), "oops");
    }

    #[tokio::test]
    async fn finds_lines_before_and_after_the_wait() {
        let log = Arc::new(Log::new());
        let (reader, mut writer) = std::io::pipe().unwrap();
        capture(&log, reader).unwrap();
        let second = Duration::from_secs(10);
        std::io::Write::write_all(&mut writer, b"a: one\na: two\n").unwrap();
        log.wait(second, |line| line.message() == "two")
            .await
            .unwrap();
        log.wait(second, |line| line.message() == "one")
            .await
            .unwrap();
        let writing = std::thread::spawn(move || std::io::Write::write_all(&mut writer, b"three"));
        log.wait(second, |line| line.contains("three"))
            .await
            .unwrap();
        writing.join().unwrap().unwrap();
        log.wait_end(second).await.unwrap();
    }
}

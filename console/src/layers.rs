//! What uses what: folders only those below them, and no files one another in a circle.

use webhooks_layers::{Layers, Source};

/// From the top. What stands in one line uses what stands in the lines below it, or in the same group.
const LAYERS: Layers<'_> = &[
    &[&["main"]],
    &[&["run"], &["developer"]],
    &[&["router"]],
    &[&["api"], &["pages"]],
    &[&["http"]],
    &[&["telemetry"]],
    &[&["database"]],
    &[&["config"]],
    &[&["log", "scope", "shutdown"]],
];

#[test]
fn folders_use_only_those_below_them() {
    Source::of(env!("CARGO_MANIFEST_DIR")).check_layers(LAYERS);
}

#[test]
fn files_use_each_other_in_no_circle() {
    Source::of(env!("CARGO_MANIFEST_DIR")).check_circles();
}

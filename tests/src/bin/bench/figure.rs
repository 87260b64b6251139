//! Figures: printed as a table, written as JSON.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// The bound that a figure must keep.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// The ratio to the baseline must be at least this.
    RatioAtLeast(f64),
    /// The ratio to the baseline must be at most this.
    RatioAtMost(f64),
    /// The value must be at most this.
    AtMost(f64),
}

/// One measured number.
#[derive(Debug, Clone)]
pub struct Figure {
    pub name: String,
    pub value: f64,
    pub unit: &'static str,
    pub baseline: Option<f64>,
    pub target: Option<Target>,
}

impl Figure {
    pub fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            name: name.into(),
            value,
            unit,
            baseline: None,
            target: None,
        }
    }

    pub fn against(mut self, baseline: f64) -> Self {
        self.baseline = Some(baseline);
        self
    }

    pub fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    pub fn ratio(&self) -> Option<f64> {
        self.baseline.map(|baseline| self.value / baseline)
    }

    /// Whether the target is met; `None`: there is none.
    pub fn met(&self) -> Option<bool> {
        Some(match self.target? {
            Target::RatioAtLeast(least) => self.ratio()? >= least,
            Target::RatioAtMost(most) => self.ratio()? <= most,
            Target::AtMost(most) => self.value <= most,
        })
    }

    pub fn line(&self) -> String {
        let [name, value, baseline, ratio, target, met] = self.cells();
        format!("{name:<58} {value:>16} {baseline:>12} {ratio:>7} {target:>9} {met}")
    }

    fn cells(&self) -> [String; 6] {
        [
            self.name.clone(),
            format!("{} {}", number(self.value), self.unit),
            self.baseline.map_or(String::new(), number),
            self.ratio()
                .map_or(String::new(), |ratio| format!("{ratio:.2}×")),
            match self.target {
                Some(Target::RatioAtLeast(least)) => format!("≥ {least:.2}×"),
                Some(Target::RatioAtMost(most)) => format!("≤ {most:.2}×"),
                Some(Target::AtMost(most)) => format!("≤ {}", number(most)),
                None => String::new(),
            },
            self.met()
                .map_or("", |met| if met { "met" } else { "MISSED" })
                .to_owned(),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "baseline": self.baseline,
            "ratio": self.ratio(),
            "target": match self.target {
                Some(Target::RatioAtLeast(least)) => json!({"ratio_at_least": least}),
                Some(Target::RatioAtMost(most)) => json!({"ratio_at_most": most}),
                Some(Target::AtMost(most)) => json!({"at_most": most}),
                None => Value::Null,
            },
            "met": self.met(),
        })
    }
}

/// As many digits as mean something.
fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// All figures of a run.
#[derive(Debug, Default)]
pub struct Report {
    pub figures: Vec<Figure>,
}

impl Report {
    pub fn missed(&self) -> usize {
        self.figures
            .iter()
            .filter(|figure| figure.met() == Some(false))
            .count()
    }

    pub fn print(&self) {
        println!(
            "{:<58} {:>16} {:>12} {:>7} {:>9}",
            "figure", "value", "baseline", "ratio", "target"
        );
        for figure in &self.figures {
            println!("{}", figure.line());
        }
    }

    pub fn write(&self, path: &Path) -> Result<()> {
        let figures: Vec<Value> = self.figures.iter().map(Figure::json).collect();
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)
                .with_context(|| format!("making {}", directory.display()))?;
        }
        let text = serde_json::to_string_pretty(&figures)?;
        std::fs::write(path, text + "\n").with_context(|| format!("writing {}", path.display()))
    }
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

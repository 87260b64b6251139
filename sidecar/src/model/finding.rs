//! What `webhooks-sidecar doctor` finds.

/// How bad it is, as `webhooks.doctor()` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Info,
    /// It may not work for long, or not as meant.
    Warning,
    /// Something does not work.
    Error,
}

/// Something that was found, and what to do about it.
#[derive(Clone, Debug)]
pub struct Finding {
    pub severity: Severity,
    /// What was looked at.
    pub check: String,
    pub finding: String,
    /// What follows; may be empty.
    pub meaning: String,
    /// What to do; may be empty.
    pub advice: String,
}

impl Severity {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// By its name; what is not known is taken for bad.
    pub fn of(name: &str) -> Self {
        match name {
            "info" => Self::Info,
            "warning" => Self::Warning,
            _ => Self::Error,
        }
    }
}

impl Finding {
    pub fn new(severity: Severity, check: &str, finding: impl Into<String>) -> Self {
        Self {
            severity,
            check: check.to_owned(),
            finding: finding.into(),
            meaning: String::new(),
            advice: String::new(),
        }
    }

    #[must_use]
    pub fn meaning(mut self, meaning: impl Into<String>) -> Self {
        self.meaning = meaning.into();
        self
    }

    #[must_use]
    pub fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }
}

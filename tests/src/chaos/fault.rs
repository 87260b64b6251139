//! The faults.

use std::fmt;
use std::time::Duration;

/// A fault. `which` chooses among those there are when it happens (modulo their number).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL of a sidecar, which is started again.
    KillSidecar { which: usize, away: Duration },
    /// SIGSTOP of a sidecar, then SIGCONT: longer than its lease, perhaps.
    FreezeSidecar { which: usize, lasts: Duration },
    /// Nothing passes between a sidecar and the server, and nobody is told.
    StallNetwork { which: usize, lasts: Duration },
    /// The connections between a sidecar and the server are closed.
    CutNetwork { which: usize },
    /// A sidecar's wall clock is wrong for a while.
    JumpClock {
        which: usize,
        seconds: i64,
        lasts: Duration,
    },
    /// `pg_terminate_backend` of one of the sidecars' sessions.
    TerminateSession { which: usize },
    /// SIGKILL of the backend of one of the sidecars' sessions: the server restarts all of them.
    KillSession { which: usize },
    /// SIGKILL of any process of the server but the postmaster.
    KillBackend { which: usize },
    /// SIGKILL of the postmaster, then a start.
    KillPostmaster { away: Duration },
    /// `pg_ctl stop -m immediate`, then a start.
    StopImmediately { away: Duration },
    /// `default_transaction_read_only = on`, as after a failover to a standby.
    ReadOnly { lasts: Duration },
    /// A manager's transaction has locked all that a tenant has: its subscriptions, and what is outstanding. It is rolled
    /// back, so that it changes nothing.
    HoldRows { which: usize, lasts: Duration },
    /// Tables and indexes can't grow, but the write-ahead log can.
    FullDataDisk { lasts: Duration },
    /// Nothing can be written at all: the server panics and, most often, gives up; it is started again.
    FullLogDisk { lasts: Duration },
    /// A second sidecar comes.
    Join,
    /// The second sidecar goes: killed, or asked to with SIGTERM.
    Leave { killed: bool },
}

impl Fault {
    /// How long it is meant to take.
    #[must_use]
    pub fn lasts(&self) -> Duration {
        match self {
            Self::KillSidecar { away: lasts, .. }
            | Self::FreezeSidecar { lasts, .. }
            | Self::StallNetwork { lasts, .. }
            | Self::JumpClock { lasts, .. }
            | Self::KillPostmaster { away: lasts }
            | Self::StopImmediately { away: lasts }
            | Self::ReadOnly { lasts }
            | Self::HoldRows { lasts, .. }
            | Self::FullDataDisk { lasts }
            | Self::FullLogDisk { lasts } => *lasts,
            Self::CutNetwork { .. }
            | Self::TerminateSession { .. }
            | Self::KillSession { .. }
            | Self::KillBackend { .. }
            | Self::Join
            | Self::Leave { .. } => Duration::ZERO,
        }
    }

    /// Whether results of requests may be lost, or come too late, so that those requests are made again.
    #[must_use]
    pub fn may_repeat(&self) -> bool {
        !matches!(
            self,
            Self::JumpClock { .. } | Self::Join | Self::Leave { killed: false }
        )
    }

    /// Its name, without its particulars.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::KillSidecar { .. } => "kill -9 of a sidecar",
            Self::FreezeSidecar { .. } => "SIGSTOP of a sidecar",
            Self::StallNetwork { .. } => "network stalled",
            Self::CutNetwork { .. } => "network cut",
            Self::JumpClock { .. } => "clock jump",
            Self::TerminateSession { .. } => "session terminated",
            Self::KillSession { .. } => "kill -9 of a sidecar's backend",
            Self::KillBackend { .. } => "kill -9 of any backend",
            Self::KillPostmaster { .. } => "kill -9 of the postmaster",
            Self::StopImmediately { .. } => "stop -m immediate",
            Self::ReadOnly { .. } => "server read-only",
            Self::HoldRows { .. } => "a tenant's rows locked",
            Self::FullDataDisk { .. } => "disk of the data full",
            Self::FullLogDisk { .. } => "disk of the log full",
            Self::Join => "second sidecar joins",
            Self::Leave { killed: true } => "second sidecar killed",
            Self::Leave { killed: false } => "second sidecar stopped",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        if let Self::JumpClock { seconds, .. } = self {
            write!(f, " by {seconds:+} s")?;
        }
        if !self.lasts().is_zero() {
            write!(f, ", {:.1} s", self.lasts().as_secs_f64())?;
        }
        Ok(())
    }
}

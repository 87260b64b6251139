//! Why a name can't be looked up, and for how long that is remembered.

use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use std::time::Duration;
use thiserror::Error;

/// How long it is remembered that no server told anything: an attempt that does not ask is spent for nothing.
const FAILURE: Duration = Duration::from_secs(1);
/// How long an absence is remembered for which the DNS server says nothing.
const ABSENCE: Duration = Duration::from_secs(5);
/// The longest time that an absence is remembered, whatever the DNS server says: a name that was just made is used
/// soon.
const LONGEST_ABSENCE: Duration = Duration::from_secs(30);

/// Why a name has no addresses.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LookupFailure {
    #[error("this is not a name that DNS can hold")]
    NotAName,
    #[error("the name does not exist")]
    NoSuchName,
    #[error("the name has no address")]
    NoAddress,
    #[error("the DNS server failed ({0})")]
    ServerFailed(String),
    #[error("no DNS server can be asked ({0})")]
    Unreachable(String),
    #[error("no DNS server answered")]
    NoAnswer,
    /// No fault of the name, nor of any server.
    #[error("this machine has no socket left to ask with")]
    NoSocket,
}

impl LookupFailure {
    /// Whether that is an answer, and no failure to get one.
    pub fn tells_of_the_name(&self) -> bool {
        matches!(self, Self::NotAName | Self::NoSuchName | Self::NoAddress)
    }

    /// Whether the other names of a search list are to be tried: as libc, not when no server answers.
    pub fn lets_search_go_on(&self) -> bool {
        !matches!(self, Self::NoAnswer | Self::Unreachable(_) | Self::NoSocket)
    }

    /// Of two failures the graver one is told: a name may exist after all while a server fails.
    fn gravity(&self) -> u8 {
        match self {
            Self::NotAName => 0,
            Self::NoSuchName => 1,
            Self::NoAddress => 2,
            Self::ServerFailed(_) => 3,
            Self::Unreachable(_) => 4,
            Self::NoAnswer => 5,
            Self::NoSocket => 6,
        }
    }
}

/// A failure, and how long it may be remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    pub reason: LookupFailure,
    pub lifetime: Duration,
}

impl Failed {
    pub fn new(reason: LookupFailure) -> Self {
        Self {
            reason,
            lifetime: FAILURE,
        }
    }

    /// The graver of two, remembered no longer than either.
    pub fn graver(self, other: Self) -> Self {
        let lifetime = self.lifetime.min(other.lifetime);
        let reason = if other.reason.gravity() > self.reason.gravity() {
            other.reason
        } else {
            self.reason
        };
        Self { reason, lifetime }
    }
}

impl From<NetError> for Failed {
    fn from(error: NetError) -> Self {
        let reason = match error {
            NetError::Dns(DnsError::NoRecordsFound(absence)) => {
                let reason = match absence.response_code {
                    ResponseCode::NXDomain => LookupFailure::NoSuchName,
                    _ => LookupFailure::NoAddress,
                };
                let lifetime = absence.negative_ttl.map_or(ABSENCE, |seconds| {
                    Duration::from_secs(seconds.into())
                        .clamp(Duration::from_secs(1), LONGEST_ABSENCE)
                });
                return Self { reason, lifetime };
            }
            NetError::Dns(DnsError::ResponseCode(code)) => {
                LookupFailure::ServerFailed(code.to_string())
            }
            NetError::Io(error) if is_exhaustion(&error) => {
                return Self {
                    reason: LookupFailure::NoSocket,
                    lifetime: Duration::ZERO,
                };
            }
            NetError::Io(error) => LookupFailure::Unreachable(error.to_string()),
            NetError::Timeout => LookupFailure::NoAnswer,
            NetError::Truncated => LookupFailure::ServerFailed("truncated answer".to_owned()),
            NetError::NoConnections | NetError::Busy => {
                LookupFailure::Unreachable("no connection".to_owned())
            }
            // What is wrong with the message, in the library's words.
            other => LookupFailure::ServerFailed(other.to_string()),
        };
        Self::new(reason)
    }
}

/// Whether the operating system is out of files or memory.
pub fn is_exhaustion(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| exhausted.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_graver_failure_is_told() {
        let absent = Failed {
            reason: LookupFailure::NoSuchName,
            lifetime: Duration::from_secs(30),
        };
        let silent = Failed::new(LookupFailure::NoAnswer);
        for told in [
            absent.clone().graver(silent.clone()),
            silent.clone().graver(absent),
        ] {
            assert_eq!(told, silent);
        }
    }
}

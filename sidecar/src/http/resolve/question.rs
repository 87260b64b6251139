//! One name's addresses by DNS: A and AAAA side by side, along the search list.

use super::answer::Answer;
use super::failure::{Failed, LookupFailure};
use super::servers::{SHORTEST, Servers};
use futures_util::future::{Either, select};
use hickory_resolver::proto::rr::{Name, RecordType};
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

/// How long after the IPv4 addresses those of IPv6 are waited for (RFC 8305 waits for 50 ms), and the other way round:
/// only with both there is something to fall back to.
const FOR_IPV6: Duration = Duration::from_millis(250);
const FOR_IPV4: Duration = Duration::from_secs(1);

/// What to try for a name that has few dots, as resolv.conf(5) says.
#[derive(Debug, Default)]
pub struct SearchList {
    pub suffixes: Vec<Name>,
    pub ndots: usize,
}

impl SearchList {
    /// The full names that a name may stand for, in the order in which they are tried.
    fn candidates(&self, text: &str) -> Result<Vec<Name>, Failed> {
        let not_a_name = |_| Failed::new(LookupFailure::NotAName);
        let name = Name::from_str_relaxed(text).map_err(not_a_name)?;
        let mut full = name.clone();
        full.set_fqdn(true);
        if name.is_fqdn() {
            return Ok(vec![full]);
        }
        // What would be too long with a suffix stands for nothing.
        let with_suffix = |suffix| name.clone().append_domain(suffix).ok();
        let mut candidates: Vec<Name> = self.suffixes.iter().filter_map(with_suffix).collect();
        let dots = usize::from(name.num_labels()).saturating_sub(1);
        let position = if dots >= self.ndots {
            0
        } else {
            candidates.len()
        };
        candidates.insert(position, full);
        Ok(candidates)
    }
}

/// Asks for a name's addresses.
pub async fn ask(servers: &Servers, list: &SearchList, families: Families, name: &str) -> Answer {
    let mut failed: Option<Failed> = None;
    for candidate in list.candidates(name)? {
        let failure = match both(servers, families, &candidate).await {
            Ok(found) => return Ok(found),
            Err(failure) => failure,
        };
        let goes_on = failure.reason.lets_search_go_on();
        failed = Some(match failed {
            Some(before) => before.graver(failure),
            None => failure,
        });
        if !goes_on {
            break;
        }
    }
    Err(failed.unwrap_or_else(|| Failed::new(LookupFailure::NoSuchName)))
}

/// Which addresses are asked for (`options no-aaaa`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Families {
    Both,
    Ipv4Only,
}

async fn both(servers: &Servers, families: Families, name: &Name) -> Answer {
    let ipv4 = servers.ask(name, RecordType::A);
    if families == Families::Ipv4Only {
        return ipv4.await;
    }
    let ipv6 = servers.ask(name, RecordType::AAAA);
    match select(pin!(ipv4), pin!(ipv6)).await {
        Either::Left((first, second)) => settle(first, second, FOR_IPV6).await,
        Either::Right((first, second)) => settle(first, second, FOR_IPV4).await,
    }
}

/// What two questions come to, of which one was answered already. If that answer tells enough, the other one is waited
/// for only a while.
async fn settle(first: Answer, second: impl Future<Output = Answer>, patience: Duration) -> Answer {
    match first {
        Ok(found) => match tokio::time::timeout(patience, second).await {
            Ok(second) => combine(Ok(found), second),
            Err(_) => combine(Ok(found), Err(Failed::new(LookupFailure::NoAnswer))),
        },
        // That is said of the name, whatever the type; but some servers say it of names that have no IPv6 address.
        Err(failed) if failed.reason == LookupFailure::NoSuchName => {
            match tokio::time::timeout(patience, second).await {
                Ok(second) => combine(Err(failed), second),
                Err(_) => Err(failed),
            }
        }
        Err(failed) => combine(Err(failed), second.await),
    }
}

fn combine(first: Answer, second: Answer) -> Answer {
    match (first, second) {
        (Ok(mut found), Ok(more)) => {
            found.addresses.extend(more.addresses);
            found.lifetime = found.lifetime.min(more.lifetime);
            Ok(found)
        }
        (Ok(mut found), Err(failed)) | (Err(failed), Ok(mut found)) => {
            // Half an answer is no answer to keep.
            if !failed.reason.tells_of_the_name() {
                found.lifetime = SHORTEST;
            }
            Ok(found)
        }
        (Err(first), Err(second)) => Err(first.graver(second)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::Found;
    use super::*;
    use std::future::{pending, ready};

    fn candidates(name: &str, ndots: usize) -> Vec<String> {
        let suffixes = ["corp.example", "example"];
        let list = SearchList {
            suffixes: suffixes
                .map(|suffix| Name::from_ascii(suffix).unwrap())
                .to_vec(),
            ndots,
        };
        let candidates = list.candidates(name).unwrap();
        candidates.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn few_dots_are_searched_first_and_a_full_name_never() {
        assert_eq!(
            candidates("hooks", 1),
            ["hooks.corp.example.", "hooks.example.", "hooks."]
        );
        assert_eq!(
            candidates("my_hooks.acme", 1),
            [
                "my_hooks.acme.",
                "my_hooks.acme.corp.example.",
                "my_hooks.acme.example."
            ]
        );
        assert_eq!(candidates("hooks.acme", 5)[2], "hooks.acme.");
        assert_eq!(candidates("hooks.", 5), ["hooks."]);
    }

    #[test]
    fn what_is_no_name_is_never_asked_for() {
        let long = "x".repeat(64);
        let failed = SearchList::default()
            .candidates(&format!("{long}.example"))
            .unwrap_err();
        assert_eq!(failed.reason, LookupFailure::NotAName);
    }

    fn found(address: &str, seconds: u64) -> Answer {
        Ok(Found {
            addresses: vec![address.parse().unwrap()],
            lifetime: Duration::from_secs(seconds),
        })
    }

    #[tokio::test]
    async fn the_other_family_is_waited_for_a_while() {
        let both = settle(
            found("192.0.2.1", 60),
            ready(found("2001:db8::1", 30)),
            FOR_IPV6,
        )
        .await;
        let both = both.unwrap();
        assert_eq!((both.addresses.len(), both.lifetime.as_secs()), (2, 30));
        // One that says nothing does not hold up the other, and that is not remembered for long.
        let half = settle(found("192.0.2.1", 60), pending(), FOR_IPV6)
            .await
            .unwrap();
        assert_eq!((half.addresses.len(), half.lifetime), (1, SHORTEST));
        let none = || Err(Failed::new(LookupFailure::NoAddress));
        let whole = settle(none(), ready(found("192.0.2.1", 60)), FOR_IPV4)
            .await
            .unwrap();
        assert_eq!(whole.lifetime.as_secs(), 60);
        let absent = Failed::new(LookupFailure::NoSuchName);
        let told = settle(Err(absent.clone()), pending(), FOR_IPV6).await;
        assert_eq!(told, Err(absent.clone()));
        let there = found("192.0.2.1", 60);
        let told = settle(Err(absent), ready(there.clone()), FOR_IPV4).await;
        assert_eq!(told, there);
    }
}

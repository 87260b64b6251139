//! One question to several servers: in their order, as libc does, but without waiting for one that is silent.

use super::answer::{Answer, Found};
use super::failure::{Failed, LookupFailure};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long a server alone is waited for, before the next one is asked as well.
const PATIENCE: Duration = Duration::from_millis(400);
/// A server that says 0 is asked again a second later at the earliest: receivers get many requests a second.
pub const SHORTEST: Duration = Duration::from_secs(1);
/// A name that moved is noticed after so long, whatever its server says.
const LONGEST: Duration = Duration::from_secs(300);
/// The most addresses of a name that are of use.
const MOST: usize = 16;

/// Servers, each with its own resolver: within one, the library asks two at once and takes whichever answers first.
pub struct Servers {
    resolvers: Vec<TokioResolver>,
    /// Where the next question begins, if they take turns (`options rotate`).
    turn: Option<AtomicUsize>,
}

impl Servers {
    pub fn new(resolvers: Vec<TokioResolver>, take_turns: bool) -> Self {
        Self {
            resolvers,
            turn: take_turns.then(AtomicUsize::default),
        }
    }

    /// The addresses of one type.
    pub async fn ask(&self, name: &Name, kind: RecordType) -> Answer {
        let first = self
            .turn
            .as_ref()
            .map_or(0, |turn| turn.fetch_add(1, Ordering::Relaxed));
        let servers = self
            .resolvers
            .iter()
            .cycle()
            .skip(first % self.resolvers.len().max(1));
        let questions = servers
            .take(self.resolvers.len())
            .map(|resolver| -> BoxFuture<'_, Answer> { Box::pin(one(resolver, name, kind)) });
        first_to_tell(questions).await
    }
}

/// The first answer that tells something. The next question is asked when those before are silent, or have failed.
async fn first_to_tell<'a>(mut questions: impl Iterator<Item = BoxFuture<'a, Answer>>) -> Answer {
    let mut asked = FuturesUnordered::new();
    let mut failed: Option<Failed> = None;
    asked.extend(questions.next());
    loop {
        match tokio::time::timeout(PATIENCE, asked.next()).await {
            Ok(Some(Err(failure))) if !failure.reason.tells_of_the_name() => {
                failed = Some(match failed {
                    Some(before) => before.graver(failure),
                    None => failure,
                });
                asked.extend(questions.next());
            }
            Ok(Some(answer)) => return answer,
            Ok(None) => {
                let nobody = || Failed::new(LookupFailure::NoAnswer);
                return Err(failed.unwrap_or_else(nobody));
            }
            Err(_) => asked.extend(questions.next()),
        }
    }
}

async fn one(resolver: &TokioResolver, name: &Name, kind: RecordType) -> Answer {
    let lookup = resolver.lookup(name.clone(), kind).await?;
    let address = |data: &RData| match data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    };
    let records = lookup.answers().iter();
    let addresses: Vec<IpAddr> = records
        .filter_map(|record| address(&record.data))
        .take(MOST)
        .collect();
    if addresses.is_empty() {
        return Err(Failed::new(LookupFailure::NoAddress));
    }
    let lifetime = lookup
        .valid_until()
        .saturating_duration_since(Instant::now());
    Ok(Found {
        addresses,
        lifetime: lifetime.clamp(SHORTEST, LONGEST),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    fn found() -> Answer {
        Ok(Found {
            addresses: vec!["192.0.2.1".parse().unwrap()],
            lifetime: LONGEST,
        })
    }

    async fn told(questions: Vec<BoxFuture<'static, Answer>>) -> Answer {
        first_to_tell(questions.into_iter()).await
    }

    fn says(answer: Answer) -> BoxFuture<'static, Answer> {
        Box::pin(ready(answer))
    }

    fn fails(reason: LookupFailure) -> BoxFuture<'static, Answer> {
        says(Err(Failed::new(reason)))
    }

    #[tokio::test]
    async fn servers_are_asked_in_turn_until_one_tells() {
        let broken = || fails(LookupFailure::ServerFailed("refused".to_owned()));
        let silent = || -> BoxFuture<'static, Answer> { Box::pin(pending()) };
        let absent = || fails(LookupFailure::NoSuchName);
        assert_eq!(told(vec![broken(), says(found()), silent()]).await, found());
        assert_eq!(told(vec![silent(), says(found())]).await, found());
        // The first one's word holds: a second one may not know what is within a network.
        let reason = |answer: Answer| answer.unwrap_err().reason;
        assert_eq!(
            reason(told(vec![absent(), says(found())]).await),
            LookupFailure::NoSuchName
        );
        assert_eq!(
            reason(told(vec![broken(), fails(LookupFailure::NoAnswer)]).await),
            LookupFailure::NoAnswer
        );
    }
}

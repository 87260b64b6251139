//! Requests that wait for something, such as the answer of a receiver: they look for it now and then, and hold no
//! connection with the database meanwhile. Nobody has many at once.

use super::problem::Problem;
use crate::database::Proof;
use axum::http::StatusCode;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// With one token, or in one session. What one JWT permits another one of the same user does.
const OF_ONE: u32 = 8;
/// Of all: each looks once a second.
const IN_ALL: u32 = 128;
/// Between looks: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The requests that wait.
#[derive(Clone, Default)]
pub struct Waiting(Arc<Mutex<HashMap<Proof, u32>>>);

/// The place of one of them, until it has looked for the last time.
pub struct Place {
    wait: Duration,
    counted: Option<(Waiting, Proof)>,
}

impl Waiting {
    /// A place to wait in, for so long. Who does not wait takes none.
    ///
    /// # Errors
    /// As many wait already as may.
    pub fn begin(&self, proof: &Proof, wait: Duration) -> Result<Place, Problem> {
        if wait.is_zero() {
            return Ok(Place {
                wait,
                counted: None,
            });
        }
        let mut waiting = self.all();
        let all: u32 = waiting.values().sum();
        let own = waiting.get(proof).copied().unwrap_or_default();
        if own >= OF_ONE || all >= IN_ALL {
            let detail = match own >= OF_ONE {
                true => format!("{own} requests of this token or session wait already"),
                false => format!("{all} requests wait already"),
            };
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail)
                .hint("Try again when one of them has been answered, or do not wait."));
        }
        waiting.insert(proof.clone(), own + 1);
        Ok(Place {
            wait,
            counted: Some((self.clone(), proof.clone())),
        })
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Proof, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Looks until it finds what is final, or until it has waited for so long: then what there is.
    ///
    /// # Errors
    /// Those of a look.
    pub async fn until_final<T, Looked>(self, look: impl Fn() -> Looked) -> Result<T, Problem>
    where
        Looked: Future<Output = Result<(bool, T), Problem>>,
    {
        let give_up_at = Instant::now() + self.wait;
        let mut pause = FIRST_PAUSE;
        loop {
            let (is_final, found) = look().await?;
            let left = give_up_at.saturating_duration_since(Instant::now());
            if is_final || left.is_zero() {
                return Ok(found);
            }
            tokio::time::sleep(pause.min(left)).await;
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((waiting, proof)) = &self.counted else {
            return;
        };
        let mut waiting = waiting.all();
        match waiting.get_mut(proof) {
            Some(own) if *own > 1 => *own -= 1,
            _ => {
                waiting.remove(proof);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_wait_for_one_and_for_all() {
        let waiting = Waiting::default();
        let second = Duration::from_secs(1);
        let begin = |n| waiting.begin(&Proof::Session([n; 32]), second);
        let mut places: Vec<_> = (0..OF_ONE).map(|_| begin(0).unwrap()).collect();
        assert!(begin(0).is_err());
        // Who does not wait is in nobody's way, and a token is no session.
        let session = Proof::Session([0; 32]);
        assert!(waiting.begin(&session, Duration::ZERO).is_ok());
        let token = waiting.begin(&Proof::Token([0; 32]), second).unwrap();
        places.pop();
        places.push(begin(0).unwrap());
        drop((places, token));
        assert!(waiting.all().is_empty());
        let all: Vec<_> = (0..=255).map(begin).collect();
        assert_eq!(all.iter().flatten().count(), 128);
    }
}

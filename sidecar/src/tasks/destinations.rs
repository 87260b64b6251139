//! Requests by destination (--concurrency-per-destination), over all databases of this process.
//!
//! ```text
//!              take, of the last place                    a place is free
//!   HasPlaces -------------------------> Full: take waits -----------------> HasPlaces: those that wait are told
//! ```

use crate::model::{Delivery, Destination};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// All destinations.
#[derive(Clone)]
pub struct Destinations {
    /// `None`: there is no limit, and nothing is counted.
    limit: Option<usize>,
    known: Arc<Mutex<HashMap<Destination, Requests>>>,
}

/// The destinations as a database sees them.
pub struct DatabaseDestinations {
    all: Destinations,
    database: Arc<Database>,
}

/// A request's place at its destination, until it is dropped.
pub struct Place(Option<(Destinations, Destination)>);

/// Of one destination.
#[derive(Default)]
struct Requests {
    under_way: usize,
    /// Databases that have more for it.
    waiting: Vec<Arc<Database>>,
}

#[derive(Default)]
struct Database {
    /// Destinations at which something ended that it waits for.
    freed: Mutex<HashSet<Destination>>,
    woken: Notify,
}

impl Destinations {
    pub fn new(limit: Option<usize>) -> Self {
        Self {
            limit,
            known: Arc::default(),
        }
    }

    /// For a further database. It leaves when this is dropped.
    pub fn join(&self) -> DatabaseDestinations {
        DatabaseDestinations {
            all: self.clone(),
            database: Arc::default(),
        }
    }
}

impl DatabaseDestinations {
    /// Takes a place at the destination of a delivery.
    ///
    /// # Errors
    /// The destination, which has as many requests under way as it may: this database waits for it from now on.
    pub fn take(&self, delivery: &Delivery) -> Result<Place, Destination> {
        let (Some(limit), Ok(endpoint)) = (self.all.limit, &delivery.subscription.endpoint) else {
            return Ok(Place(None));
        };
        self.take_at(Destination::of(&endpoint.url), limit)
    }

    fn take_at(&self, destination: Destination, limit: usize) -> Result<Place, Destination> {
        let mut known = lock(&self.all.known);
        let requests = known.entry(destination.clone()).or_default();
        if requests.under_way >= limit {
            if !requests.waiting.iter().any(|other| self.is(other)) {
                requests.waiting.push(self.database.clone());
            }
            return Err(destination);
        }
        requests.under_way += 1;
        Ok(Place(Some((self.all.clone(), destination))))
    }

    /// How many further requests a destination may have.
    pub fn free(&self, destination: &Destination) -> usize {
        let under_way = lock(&self.all.known)
            .get(destination)
            .map_or(0, |requests| requests.under_way);
        let limit = self.all.limit.unwrap_or(usize::MAX);
        limit.saturating_sub(under_way)
    }

    /// The database has nothing more for a destination.
    pub fn wait_no_more(&self, destination: &Destination) {
        let mut known = lock(&self.all.known);
        if let Some(requests) = known.get_mut(destination) {
            requests.waiting.retain(|other| !self.is(other));
            if requests.is_forgotten() {
                known.remove(destination);
            }
        }
    }

    /// Takes out the destinations at which something ended since the last time, of those that the database waits for.
    pub fn take_freed(&self) -> HashSet<Destination> {
        if self.all.limit.is_none() {
            return HashSet::new();
        }
        std::mem::take(&mut *lock(&self.database.freed))
    }

    /// Resolves when there are such. Cancel-safe.
    pub async fn freed(&self) {
        self.database.woken.notified().await;
    }

    fn is(&self, other: &Arc<Database>) -> bool {
        Arc::ptr_eq(&self.database, other)
    }
}

impl Drop for DatabaseDestinations {
    fn drop(&mut self) {
        lock(&self.all.known).retain(|_, requests| {
            requests.waiting.retain(|other| !self.is(other));
            !requests.is_forgotten()
        });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((all, destination)) = self.0.take() else {
            return;
        };
        let mut known = lock(&all.known);
        let Some(requests) = known.get_mut(&destination) else {
            return;
        };
        requests.under_way -= 1;
        for database in &requests.waiting {
            lock(&database.freed).insert(destination.clone());
            database.woken.notify_one();
        }
        if requests.is_forgotten() {
            known.remove(&destination);
        }
    }
}

impl Requests {
    fn is_forgotten(&self) -> bool {
        self.under_way == 0 && self.waiting.is_empty()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that panics is done with it half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use url::Url;

    fn destination(host: &str) -> Destination {
        Destination::of(&Url::parse(&format!("https://{host}/")).unwrap())
    }

    fn take(database: &DatabaseDestinations, host: &str) -> Option<Place> {
        database.take_at(destination(host), 2).ok()
    }

    #[test]
    fn databases_share_the_places_of_a_destination_and_no_others() {
        let all = Destinations::new(Some(2));
        let (one, other) = (all.join(), all.join());
        let places = [take(&one, "a"), take(&other, "a")];
        assert!(places.iter().all(Option::is_some));
        assert!(take(&one, "a").is_none() && take(&other, "a").is_none());
        assert!(take(&one, "b").is_some());
        assert_eq!(one.free(&destination("a")), 0);
        drop(places);
        assert_eq!(one.free(&destination("a")), 2);
    }

    #[test]
    fn all_that_wait_are_told_until_they_wait_no_more() {
        let all = Destinations::new(Some(2));
        let (one, other) = (all.join(), all.join());
        let mut places = vec![take(&one, "a"), take(&one, "a")];
        assert!(other.take_freed().is_empty() && take(&other, "a").is_none());
        for _ in 0..2 {
            places.pop();
            assert!(other.freed().now_or_never().is_some());
            assert_eq!(other.take_freed().len(), 1);
            assert!(one.freed().now_or_never().is_none(), "it does not wait");
            // One that is told and does not take it is told again.
        }
        places.push(take(&one, "a"));
        other.wait_no_more(&destination("a"));
        places.clear();
        assert!(other.freed().now_or_never().is_none() && other.take_freed().is_empty());
        assert!(lock(&all.known).is_empty(), "nothing is remembered");
    }

    #[test]
    fn a_database_that_left_is_forgotten() {
        let all = Destinations::new(Some(2));
        let (one, other) = (all.join(), all.join());
        let places = [take(&one, "a"), take(&one, "a"), take(&other, "a")];
        drop(other);
        drop(places);
        assert!(lock(&all.known).is_empty());
    }
}

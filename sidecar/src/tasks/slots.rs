//! Slots for requests (--concurrency), which all databases of this process share.
//!
//! Half of the slots are reserved, as many for each database, so that none waits for what the receivers of another one
//! do. The other half is for whoever needs it: when it is used up, what becomes free goes to the waiting database that
//! has the fewest. A database alone has all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// All slots.
#[derive(Clone)]
pub struct Slots(Arc<Mutex<State>>);

/// The slots as a database sees them.
pub struct DatabaseSlots {
    slots: Slots,
    id: u64,
    woken: Arc<Notify>,
}

/// A slot that is in use, until it is dropped.
pub struct Slot {
    slots: Slots,
    id: u64,
}

struct State {
    total: usize,
    next_id: u64,
    databases: HashMap<u64, Share>,
}

/// What a database has.
struct Share {
    in_use: usize,
    /// It was refused a slot that it has a use for.
    waits: bool,
    /// It is gone but for requests under way.
    has_left: bool,
    woken: Arc<Notify>,
}

impl Slots {
    pub fn new(total: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            total,
            next_id: 0,
            databases: HashMap::new(),
        })))
    }

    /// For a further database. It leaves when this is dropped.
    pub fn join(&self) -> DatabaseSlots {
        let woken = Arc::new(Notify::new());
        let mut state = self.lock();
        let id = state.next_id;
        state.next_id += 1;
        let share = Share {
            in_use: 0,
            waits: false,
            has_left: false,
            woken: woken.clone(),
        };
        state.databases.insert(id, share);
        drop(state);
        DatabaseSlots {
            slots: self.clone(),
            id,
            woken,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that panics is done with it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DatabaseSlots {
    /// How many the database may have in use now.
    pub fn usable(&self) -> usize {
        let state = self.slots.lock();
        state.in_use(self.id) + state.available(self.id)
    }

    /// Takes a slot. `None`: there is none for this database now, which waits for one then.
    pub fn take(&self) -> Option<Slot> {
        let mut state = self.slots.lock();
        let is_available = state.available(self.id) > 0;
        let share = state.databases.get_mut(&self.id)?;
        share.waits = !is_available;
        if !is_available {
            if state.spare() > 0 {
                state.wake_first(self.id);
            }
            return None;
        }
        share.in_use += 1;
        Some(Slot {
            slots: self.slots.clone(),
            id: self.id,
        })
    }

    /// The database has no use for further ones now.
    pub fn want_no_more(&self) {
        let mut state = self.slots.lock();
        let share = state.databases.get_mut(&self.id);
        if share.is_some_and(|share| std::mem::take(&mut share.waits)) {
            state.wake(self.id);
        }
    }

    /// Resolves when a database that waits should try again. Cancel-safe.
    pub async fn freed(&self) {
        self.woken.notified().await;
    }
}

impl Drop for DatabaseSlots {
    fn drop(&mut self) {
        self.slots.lock().leave(self.id);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.lock().end(self.id);
    }
}

impl State {
    /// Reserved for each database.
    fn reserved(&self) -> usize {
        (self.total / (2 * self.databases.len().max(1))).max(1)
    }

    fn in_use(&self, id: u64) -> usize {
        self.databases.get(&id).map_or(0, |share| share.in_use)
    }

    /// How many more a database may take.
    fn available(&self, id: u64) -> usize {
        let own = self.reserved().saturating_sub(self.in_use(id));
        if own == 0 && self.first(id).next().is_some() {
            return 0;
        }
        own + self.spare()
    }

    /// Those that go before a database: they wait, and have less.
    fn first(&self, id: u64) -> impl Iterator<Item = &Share> {
        let in_use = self.in_use(id);
        let shares = self.databases.values();
        shares.filter(move |share| share.waits && share.in_use < in_use)
    }

    /// How many are free of those that are not reserved.
    fn spare(&self) -> usize {
        let reserved = self.reserved();
        let shares = self.databases.values();
        let beyond: usize = shares.map(|s| s.in_use.saturating_sub(reserved)).sum();
        let common = self.total.saturating_sub(reserved * self.databases.len());
        common.saturating_sub(beyond)
    }

    /// Lets all others that wait try again. The database itself knows what it did.
    fn wake(&self, id: u64) {
        let others = self.databases.iter().filter(|(other, _)| **other != id);
        for (_, share) in others.filter(|(_, share)| share.waits) {
            share.woken.notify_one();
        }
    }

    /// Lets those try again that go before a database: they may not know yet that there is something for them. Not all
    /// others: two that have to wait would wake each other until the third one comes.
    fn wake_first(&self, id: u64) {
        self.first(id).for_each(|share| share.woken.notify_one());
    }

    fn end(&mut self, id: u64) {
        if let Some(share) = self.databases.get_mut(&id) {
            share.in_use -= 1;
            if share.has_left && share.in_use == 0 {
                self.databases.remove(&id);
            }
        }
        self.wake(id);
    }

    fn leave(&mut self, id: u64) {
        if let Some(share) = self.databases.get_mut(&id) {
            (share.has_left, share.waits) = (true, false);
            if share.in_use == 0 {
                self.databases.remove(&id);
            }
        }
        self.wake(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use proptest::prelude::*;

    fn fill(database: &DatabaseSlots) -> Vec<Slot> {
        std::iter::from_fn(|| database.take()).collect()
    }

    #[test]
    fn a_database_alone_has_all() {
        for total in [1, 2, 3, 16, 255, 256] {
            let slots = Slots::new(total);
            let one = slots.join();
            assert_eq!(one.usable(), total);
            let taken = fill(&one);
            assert_eq!((taken.len(), one.usable()), (total, total));
            drop(taken);
            assert_eq!(fill(&one).len(), total);
        }
    }

    #[test]
    fn each_has_slots_whatever_the_others_do() {
        let slots = Slots::new(256);
        let databases = [(); 4].map(|()| slots.join());
        // 4 * 32 are reserved.
        let hogged = fill(&databases[0]);
        assert_eq!(hogged.len(), 160);
        for other in &databases[1..] {
            assert_eq!(other.usable(), 32);
            assert_eq!(fill(other).len(), 32);
        }
    }

    #[test]
    fn what_becomes_free_goes_to_whom_has_least() {
        let slots = Slots::new(256);
        let (rich, poor) = (slots.join(), slots.join());
        let mut many = fill(&rich);
        let mut few = fill(&poor);
        assert_eq!((many.len(), few.len()), (192, 64));
        while few.len() < 128 {
            many.pop();
            assert!(poor.freed().now_or_never().is_some(), "it is woken");
            assert!(rich.take().is_none());
            few.extend(fill(&poor));
        }
        assert_eq!((many.len(), few.len()), (128, 128));
        // One that waits no more is in nobody's way.
        few.pop();
        assert!(rich.take().is_none());
        poor.want_no_more();
        assert!(rich.freed().now_or_never().is_some());
        assert!(rich.take().is_some());
    }

    #[test]
    fn a_database_that_left_leaves_its_slots_as_they_end() {
        let slots = Slots::new(16);
        let (one, other) = (slots.join(), slots.join());
        let mut taken = fill(&one);
        assert_eq!((taken.len(), other.usable()), (12, 4));
        drop(one);
        assert_eq!(other.usable(), 4);
        taken.truncate(6);
        assert_eq!(other.usable(), 10);
        taken.clear();
        assert_eq!(other.usable(), 16);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// No more are in use than there are; and none is free that somebody waits for, once all that are woken have tried.
        #[test]
        fn nothing_is_stuck(total in 4_usize..40, steps in prop::collection::vec((0_usize..3, any::<bool>()), 0..200)) {
            let slots = Slots::new(total);
            let databases = [(); 3].map(|()| slots.join());
            let mut taken = [(); 3].map(|()| Vec::new());
            for (n, takes) in steps {
                match takes {
                    true => taken[n].extend(databases[n].take()),
                    // Its own engine hears of the end, and looks again.
                    false => {
                        drop(taken[n].pop());
                        databases[n].want_no_more();
                    }
                }
                prop_assert!(taken.iter().map(Vec::len).sum::<usize>() <= total);
            }
            // Those that wait take what they can when they are woken, and then nobody is woken any more.
            let mut rounds = 0;
            while let Some(n) = (0..3).find(|n| databases[*n].freed().now_or_never().is_some()) {
                taken[n].extend(fill(&databases[n]));
                rounds += 1;
                prop_assert!(rounds < 10 * total, "they wake one another for ever");
            }
            let state = slots.lock();
            let is_waiting = state.databases.values().any(|share| share.waits);
            prop_assert!(!is_waiting || state.spare() == 0);
        }
    }
}

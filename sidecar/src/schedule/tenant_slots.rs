//! Slots by tenant: while few are free, a tenant that has as many requests under way as slots are free begins no further
//! one. So a tenant whose receivers all hang leaves slots to the others, however many subscriptions it has.
//!
//! ```text
//!               few slots are free, and it has as many requests under way
//!   Admitted -------------------------------------------------------------> SetAside
//!      ^                                                                       |
//!      +-----------------------------------------------------------------------+
//!                     slots are free, or requests of the tenant ended
//! ```
//! A tenant alone gets three quarters of the slots, the next one half of the rest, and so on.

use std::collections::{HashMap, VecDeque};
use uuid::Uuid;

/// Few are free when it is this part of all or less.
const FEW_PART: usize = 4;

/// What each tenant has under way, and which of its queues wait for that to end.
#[derive(Default)]
pub(super) struct TenantSlots {
    in_flight: HashMap<Uuid, usize>,
    set_aside: HashMap<Uuid, VecDeque<Uuid>>,
}

impl TenantSlots {
    /// Whether a tenant may begin a request, when so many of all slots are free.
    pub(super) fn admits(&self, tenant: Uuid, slots: usize, free: usize) -> bool {
        free > slots / FEW_PART || self.in_flight.get(&tenant).is_none_or(|n| *n < free)
    }

    /// A request of the tenant begins.
    pub(super) fn start(&mut self, tenant: Uuid) {
        *self.in_flight.entry(tenant).or_default() += 1;
    }

    /// A request of the tenant ended.
    pub(super) fn end(&mut self, tenant: Uuid) {
        if let Some(n) = self.in_flight.get_mut(&tenant) {
            *n -= 1;
            if *n == 0 {
                self.in_flight.remove(&tenant);
            }
        }
    }

    /// A queue of a tenant that is not admitted waits, outside the rotation.
    pub(super) fn set_aside(&mut self, tenant: Uuid, queue: Uuid) {
        self.set_aside.entry(tenant).or_default().push_back(queue);
    }

    /// Whether no queue waits.
    pub(super) fn is_empty(&self) -> bool {
        self.set_aside.is_empty()
    }

    /// Queues that are no longer there wait for nothing.
    pub(super) fn retain(&mut self, is_there: impl Fn(Uuid) -> bool) {
        self.set_aside.retain(|_, queues| {
            queues.retain(|queue| is_there(*queue));
            !queues.is_empty()
        });
    }

    /// Takes out queues whose tenants are admitted again: one of each tenant, since a request of it may change that; or
    /// all, while many slots are free.
    pub(super) fn take_admitted(&mut self, slots: usize, free: usize) -> Vec<Uuid> {
        let mut taken = Vec::new();
        if self.set_aside.is_empty() {
            return taken;
        }
        let most = if free > slots / FEW_PART {
            usize::MAX
        } else {
            1
        };
        let mut set_aside = std::mem::take(&mut self.set_aside);
        set_aside.retain(|tenant, queues| {
            if self.admits(*tenant, slots, free) {
                taken.extend(queues.drain(..most.min(queues.len())));
            }
            !queues.is_empty()
        });
        self.set_aside = set_aside;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Uuid = Uuid::from_u128(1);
    const TWO: Uuid = Uuid::from_u128(2);

    /// Begins as many requests as the tenant may; returns how many.
    fn fill(tenants: &mut TenantSlots, tenant: Uuid, slots: usize, free: &mut usize) -> usize {
        let before = *free;
        while *free > 0 && tenants.admits(tenant, slots, *free) {
            tenants.start(tenant);
            *free -= 1;
        }
        before - *free
    }

    #[test]
    fn each_tenant_leaves_slots_to_the_next() {
        let (mut tenants, mut free) = (TenantSlots::default(), 256);
        assert_eq!(fill(&mut tenants, ONE, 256, &mut free), 192);
        assert_eq!(fill(&mut tenants, TWO, 256, &mut free), 32);
        assert_eq!(fill(&mut tenants, Uuid::from_u128(3), 256, &mut free), 16);
        // Few slots are not divided.
        let (mut tenants, mut free) = (TenantSlots::default(), 3);
        assert_eq!(fill(&mut tenants, ONE, 3, &mut free), 3);
    }

    #[test]
    fn queues_come_back_one_for_each_request_or_all_when_slots_are_free() {
        let (mut tenants, mut free) = (TenantSlots::default(), 8);
        assert_eq!(fill(&mut tenants, ONE, 8, &mut free), 6);
        let queues = [10, 11, 12].map(Uuid::from_u128);
        for queue in queues {
            tenants.set_aside(ONE, queue);
        }
        let gone = Uuid::from_u128(13);
        tenants.set_aside(ONE, gone);
        tenants.retain(|queue| queue != gone);
        assert!(tenants.take_admitted(8, 2).is_empty());
        (0..5).for_each(|_| tenants.end(ONE));
        assert_eq!(tenants.take_admitted(8, 2), queues[..1]);
        assert_eq!(tenants.take_admitted(8, 7), queues[1..]);
        assert!(tenants.set_aside.is_empty());
        tenants.end(ONE);
        assert!(tenants.in_flight.is_empty());
    }
}

//! Where claims look.

use super::super::samples::{fresh, in_lane, subscription};
use super::*;
use std::collections::HashSet;

const SLOW: Duration = Duration::from_millis(50);

/// Whose backlogs a claim reads, and behind which delivery; `None`: their lanes.
fn backlogs(world: &mut World) -> Vec<(u128, Option<u128>)> {
    let (ids, after) = world.claim_of(Scope::Backlogs).only.unwrap();
    let id = |id: Uuid| id.as_u128();
    let pairs = ids.into_iter().zip(after);
    pairs.map(|(of, after)| (id(of), after.map(id))).collect()
}

#[test]
fn claims_read_behind_what_is_here() {
    let mut world = World::new(64);
    let one = subscription(1, 20);
    // A fresh delivery is the newest: what lies before it was not read.
    assert!(world.takes(fresh(90, &one)));
    assert_eq!(backlogs(&mut world), [(1, Some(0))]);
    assert_eq!(world.offer(&one, 10..20), 10);
    assert_eq!(backlogs(&mut world), [(1, Some(19))]);
    // Ready again; what the same claim brings behind it is no proof that nothing is before.
    world
        .scheduler
        .on_promoted(&[(one.id, Uuid::from_u128(15))]);
    world.offer(&one, 20..22);
    assert_eq!(backlogs(&mut world), [(1, Some(14))]);
    world.offer(&one, 22..24);
    assert_eq!(backlogs(&mut world), [(1, Some(23))]);
    // In its lanes as well.
    assert!(world.takes(in_lane(30, 7, &one)));
    assert_eq!(backlogs(&mut world), [(1, Some(23)), (1, None)]);
    // Released, given up, or another's meanwhile.
    assert!(world.send().len() > 14);
    world.scheduler.release_waiting(|_| true);
    world.scheduler.on_lease_lost();
    for id in 10..24 {
        world.end(id, EndpointSignal::Failure);
    }
    assert_eq!(backlogs(&mut world), [(1, Some(9)), (1, None)]);
    let now = world.now;
    world.scheduler.on_acquired(&[1], now);
    assert_eq!(backlogs(&mut world), [(1, Some(0)), (1, None)]);
}

#[test]
fn full_queues_are_not_read_and_the_others_take_turns() {
    let mut world = World::new(4096);
    for number in 1..=3000 {
        world.offer(&subscription(number, 20), number..number + 1);
    }
    let full = Uuid::from_u128(5);
    world.scheduler.on_disabling(full, full);
    let read = |world: &mut World| -> Vec<Uuid> {
        let read = backlogs(world).into_iter();
        read.map(|(id, _)| Uuid::from_u128(id)).collect()
    };
    let mut seen = HashSet::new();
    for _ in 0..3 {
        let ids = read(&mut world);
        assert!(ids.len() <= 1024);
        world.scheduler.on_backlogs_read(&ids, None);
        seen.extend(ids);
    }
    assert_eq!(seen.len(), 2999);
    assert!(!seen.contains(&full));
    // Truncated: the others' turn is next.
    let ids = read(&mut world);
    world.scheduler.on_backlogs_read(&ids, Some(ids[3]));
    assert_eq!(read(&mut world)[0], ids[4]);
}

#[test]
fn while_scans_are_slow_what_has_no_queue_is_given_one() {
    let mut world = World::new(64);
    let [one, two] = [1, 2].map(|number| subscription(number, 20));
    let ready = [(one.id, Uuid::from_u128(10))];
    world.scheduler.on_promoted(&ready);
    assert_eq!(backlogs(&mut world), []);
    for _ in 0..2 {
        world
            .scheduler
            .on_claimed(FULL_SCAN, &outcome(SLOW), world.now);
    }
    world.scheduler.on_promoted(&ready);
    world.load_open(&two, world.now + SECOND);
    world.now += SECOND * 2;
    world.scheduler.on_timers(world.now);
    let with_lanes = [(1, Some(0)), (1, None), (2, Some(0)), (2, None)];
    assert_eq!(backlogs(&mut world), with_lanes);
    // To look at lanes is slow, too.
    world
        .scheduler
        .on_claimed(Scope::Backlogs, &outcome(SLOW), world.now);
    assert_eq!(backlogs(&mut world), [(1, Some(0)), (2, Some(0))]);
}

#[test]
fn fresh_deliveries_are_looked_for_while_it_is_busy_and_put_no_claim_off() {
    let mut world = World::new(8);
    assert_eq!(world.claim().fresh, 0, "a scan finds them as soon");
    for number in 0..20 {
        world.offer(&subscription(number, 20), number..number + 1);
    }
    let request = world.claim();
    assert!(request.fresh > 0);
    assert_eq!(request.known.len(), 20);
    let until = |world: &World| world.scheduler.next_claim(world.now, true).until;
    let before = until(&world);
    assert!(before > Some(world.now));
    world.claim_of(Scope::FreshOnly);
    assert_eq!(until(&world), before);
}

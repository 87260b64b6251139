//! How much is taken, and of whom.

use super::super::claim_planner::MAX_CLAIM;
use super::super::samples::{delivery, in_lane, subscription};
use super::*;

#[test]
fn no_more_is_taken_than_the_limit_until_the_receiver_shows_its_pace() {
    let mut world = World::new(256);
    let slow = subscription(1, 20);
    assert_eq!(world.offer(&slow, 0..100), 40);
    assert_eq!(world.full(), [slow.id]);
    assert_eq!(world.send().len(), 20);
    assert!(!world.claims_more());
    for id in 0..20 {
        world.deliver(id);
    }
    assert!(world.claims_more(), "what was refused is asked for again");
    assert!(!world.claims_more());
    assert!(world.full().is_empty());
    assert_eq!(
        world.offer(&slow, 100..300),
        40,
        "twice 20 in flight and 20 ahead, its pace, less the 20 that are here"
    );
}

#[test]
fn however_many_hang_there_is_room_for_others() {
    let mut world = World::new(64);
    assert_eq!(world.rows(), MAX_CLAIM);
    for number in 0..40 {
        let hangs = subscription(number, 500);
        world.offer(&hangs, number * 1000..number * 1000 + 500);
        world.send();
        assert!(world.rows() > 0, "{number} receivers that hang take it all");
    }
    let share = 64 * 12 * 3 / 4 / 40;
    let healthy = subscription(999, 20);
    assert_eq!(world.offer(&healthy, 999_000..999_020), share);
}

#[test]
fn the_bytes_are_bounded_and_not_for_one() {
    let mut world = World::new(64);
    let offer_large = |world: &mut World, number: u128| {
        let hangs = subscription(number, 500);
        let large = |n| Delivery {
            size: 1 << 20,
            ..delivery(number * 1000 + n, &hangs)
        };
        (0..500).filter(|n| world.takes(large(*n))).count()
    };
    // Of 16 MiB: each a little more than a third of what the others left.
    assert_eq!(offer_large(&mut world, 0), 6);
    assert!(world.rows() > 0);
    assert_eq!(offer_large(&mut world, 1), 4);
    assert!(world.rows() > 0);
    world.scheduler.release_waiting(|_| true);
    assert_eq!(offer_large(&mut world, 2), 6);
}

/// Only what waits counts: what hangs in flight, however large, must not keep others from being claimed.
#[test]
fn bytes_in_flight_take_no_room() {
    let mut world = World::new(256);
    for number in 0..100 {
        let mut large = delivery(number, &subscription(number, 20));
        large.size = 8 << 20;
        assert!(world.takes(large));
        assert_eq!(world.send(), [number]);
    }
    assert!(world.rows() > 0);
    // Beyond the limit of bytes each gets one at a time.
    assert_eq!(world.offer(&subscription(1, 20), 1000..1002), 2);
    assert_eq!(world.send(), [0; 0]);
    assert_eq!(world.offer(&subscription(200, 20), 2000..2002), 2);
    assert_eq!(world.send(), [2000]);
}

/// A lane is released as a whole: then nothing of its queue will end, and ask for more.
#[test]
fn a_queue_that_was_released_whole_is_asked_for_again() {
    let mut world = World::new(8);
    let fifo = subscription(1, 500);
    for id in 0..72 {
        assert!(world.takes(in_lane(id, 7, &fifo)));
    }
    assert_eq!(world.offer(&subscription(100, 20), 100..124), 24);
    assert_eq!(world.plan().scope, None, "there is no room");
    world.scheduler.make_room(world.now + SECOND);
    assert!(world.claims_more());
    assert_eq!(world.scheduler.concerned(), [Uuid::from_u128(100)]);
}

#[test]
fn claims_are_told_what_is_held_of_those_that_they_look_at() {
    let mut world = World::new(256);
    let (full, other) = (subscription(1, 2), subscription(2, 20));
    world.offer(&full, 0..4);
    world.offer(&other, 10..12);
    let mut request = world.claim_of(Scope::Backlogs);
    assert_eq!(request.full, [full.id]);
    assert_eq!(request.known, [other.id]);
    request.held.sort_unstable();
    assert_eq!(request.held, [10, 11].map(Uuid::from_u128));
    assert!(request.held_ordered.is_empty());
}

#[test]
fn a_subscription_that_is_being_disabled_gets_nothing_until_that_is_recorded() {
    let mut world = World::new(256);
    let gone = subscription(1, 1);
    // A first result shows the pace: one more may wait.
    world.offer(&gone, 0..1);
    world.send();
    world.deliver(0);
    assert_eq!(world.offer(&gone, 1..10), 3);
    assert_eq!(world.send(), [1]);
    world.end(1, EndpointSignal::Failure);
    world.scheduler.on_disabling(Uuid::from_u128(1), gone.id);
    assert_eq!(world.send(), [0; 0]);
    assert_eq!(world.full(), [gone.id]);
    // A claim that began before the record may bring more.
    world.begin_claim(FULL_SCAN);
    world.record(1);
    assert_eq!(world.offer(&gone, 1..10), 0);
    world.scheduler.on_claim_ended();
    assert!(world.claims_more());
    assert_eq!(world.offer(&gone, 2..3), 1);
}

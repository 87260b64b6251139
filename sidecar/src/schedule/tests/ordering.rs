//! Deliveries in FIFO lanes.

use super::super::samples::{in_lane, subscription};
use super::*;

/// A world with these deliveries of subscription 1, each with its lane.
fn with_lanes(slots: usize, deliveries: &[(u128, i64)]) -> (World, Arc<Subscription>) {
    let mut world = World::new(slots);
    let fifo = subscription(1, 20);
    for (id, lane) in deliveries {
        assert!(world.takes(in_lane(*id, *lane, &fifo)));
    }
    (world, fifo)
}

#[test]
fn a_lane_goes_one_at_a_time_and_lanes_side_by_side() {
    let (mut world, fifo) = with_lanes(64, &[(1, 7), (2, 7), (3, 8), (4, 7)]);
    assert_eq!(world.send(), [1, 3]);
    world.end(1, EndpointSignal::Success);
    assert_eq!(world.send(), [2], "before the record of the first");
    world.record(1);
    assert!(!world.claims_more(), "more of the lane is here");
    // What a later claim brings of a busy lane may have something before it.
    world.claim();
    assert!(!world.takes(in_lane(5, 7, &fifo)));
    for id in [2, 4] {
        world.deliver(id);
        world.send();
    }
    assert!(
        world.claims_more(),
        "the lane ended, there may be more of it"
    );
    assert!(world.takes(in_lane(5, 7, &fifo)));
    assert_eq!(world.send(), [5]);
}

#[test]
fn a_failure_blocks_its_lane_alone() {
    let (mut world, fifo) = with_lanes(64, &[(1, 7), (2, 7), (3, 8), (4, 8)]);
    assert_eq!(world.send(), [1, 3]);
    world.end(1, EndpointSignal::Failure);
    world.end(3, EndpointSignal::Success);
    assert_eq!(world.send(), [4]);
    world.claim();
    assert!(
        !world.takes(in_lane(2, 7, &fifo)),
        "not before the result is recorded"
    );
    world.record(1);
    assert!(world.claims_more());
    assert!(world.takes(in_lane(1, 7, &fifo)), "the retry");
    assert_eq!(world.send(), [1]);
}

#[test]
fn what_is_released_leaves_no_trace_of_its_lane() {
    let (mut world, fifo) = with_lanes(64, &[(1, 7), (2, 7)]);
    world.scheduler.release_waiting(|_| true);
    let request = world.claim();
    assert!(request.held.is_empty() && request.held_ordered.is_empty());
    for id in [1, 2] {
        assert!(world.takes(in_lane(id, 7, &fifo)));
    }
    // Also behind one in flight.
    assert_eq!(world.send(), [1]);
    world.scheduler.release_waiting(|_| true);
    assert_eq!(world.claim().held_ordered, [Uuid::from_u128(1)]);
    world.deliver(1);
    assert!(world.claim().held_ordered.is_empty());
    assert!(world.takes(in_lane(2, 7, &fifo)));
}

/// A sidecar that lost its shards can't say any more that an attempt failed: the next owner makes the same one.
#[test]
fn a_failure_counts_no_more_when_the_shard_is_lost() {
    let (mut world, fifo) = with_lanes(64, &[(1, 7), (2, 7), (3, 8)]);
    assert_eq!(world.send(), [1, 3]);
    world.scheduler.release_waiting(|_| true);
    world.scheduler.on_lease_lost();
    let made_again = world.end(1, EndpointSignal::Failure);
    assert_eq!(made_again, Attempted::Discarded);
    let received = world.end(3, EndpointSignal::Success);
    assert_eq!(received, Attempted::ToRecord(None), "the receiver has it");
    // Owned again.
    assert!(world.claims_more());
    for id in [1, 2] {
        assert!(world.takes(in_lane(id, 7, &fifo)));
    }
    assert_eq!(world.send(), [1]);
    let counts = world.end(1, EndpointSignal::Failure);
    assert_eq!(counts, Attempted::ToRecord(None));
}

/// What no room was found for is not made, and what comes after it in its lane must not overtake it.
#[test]
fn what_was_not_sent_keeps_its_place() {
    let (mut world, fifo) = with_lanes(8, &[(1, 7), (2, 7)]);
    assert_eq!(world.send(), [1]);
    world.scheduler.on_not_sent(Uuid::from_u128(1));
    assert_eq!(world.send(), [0; 0]);
    assert!(world.claims_more());
    // As if nothing had been claimed.
    for id in [1, 2] {
        assert!(world.takes(in_lane(id, 7, &fifo)));
    }
    assert_eq!(world.send(), [1]);
}

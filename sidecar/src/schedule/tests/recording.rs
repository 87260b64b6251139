//! Results on their way to the database.

use super::super::claim_planner::MAX_CLAIM;
use super::super::samples::{in_lane, subscription};
use super::*;

#[test]
fn a_delivery_is_held_once_until_no_claim_can_show_it_again() {
    let mut world = World::new(64);
    let one = subscription(1, 20);
    assert_eq!(world.offer(&one, 7..8), 1);
    assert_eq!(world.offer(&one, 7..8), 0, "held while waiting");
    world.send();
    world.begin_claim(FULL_SCAN);
    world.deliver(7);
    let older = "the claim under way may be older than the record";
    assert_eq!(world.offer(&one, 7..8), 0, "{older}");
    world.scheduler.on_claim_ended();
    assert_eq!(world.offer(&one, 7..8), 1, "a retry is new");
}

#[test]
fn a_retry_that_a_claim_left_out_is_claimed_once_its_result_is_known() {
    let mut world = World::new(64);
    let one = subscription(1, 20);
    world.offer(&one, 7..8);
    world.send();
    assert!(!world.claims_more());
    world.retry(7);
    world.record(7);
    assert!(!world.claims_more(), "no claim could have brought it");

    // It is recorded, and ready again, before that is known here.
    world.offer(&one, 7..8);
    world.send();
    world.retry(7);
    assert_eq!(world.claim().held, [Uuid::from_u128(7)]);
    world.record(7);
    assert!(world.claims_more());
    assert_eq!(world.offer(&one, 7..8), 1);

    // Likewise, and the claim that left it out ends last.
    world.send();
    world.retry(7);
    world.begin_claim(FULL_SCAN);
    world.record(7);
    world.scheduler.on_claim_ended();
    assert!(world.claims_more());
    assert_eq!(world.offer(&one, 7..8), 1);

    // What is delivered does not come again.
    world.send();
    world.end(7, EndpointSignal::Success);
    world.claim();
    world.record(7);
    assert!(!world.claims_more());
}

#[test]
fn a_delivery_that_was_promoted_while_it_was_here_is_read_again() {
    let mut world = World::new(64);
    let one = subscription(1, 20);
    world.offer(&one, 7..9);
    world.send();
    world.end(7, EndpointSignal::Failure);
    let ready = [(one.id, Uuid::from_u128(7))];
    world.scheduler.on_promoted(&ready);
    world.claim();
    world.offer(&one, 9..10);
    world.record(7);
    assert!(world.claims_more());
    let position = world
        .scheduler
        .queues
        .get_mut(one.id)
        .unwrap()
        .cursor
        .position();
    assert!(position < Uuid::from_u128(7), "{position}");
}

#[test]
fn releasing_forgets_what_waits_and_keeps_what_is_under_way() {
    let mut world = World::new(64);
    let one = subscription(1, 2);
    world.offer(&one, 0..2);
    world.send_one();
    world.scheduler.release_waiting(|_| true);
    assert_eq!(world.claim().held, [Uuid::from_u128(0)]);
    assert_eq!(world.send(), [0; 0]);
    assert_eq!(world.offer(&one, 1..2), 1);
    assert_eq!(world.send(), [1]);
}

#[test]
fn a_result_that_cannot_be_recorded_is_kept_and_not_waited_for() {
    let mut world = World::new(64);
    let one = subscription(1, 20);
    world.offer(&one, 0..1);
    world.send();
    world.end(0, EndpointSignal::Success);
    assert!(!world.scheduler.is_quiet());
    world.scheduler.on_unrecordable(Uuid::from_u128(0));
    assert!(world.scheduler.is_quiet());
    assert_eq!(world.scheduler.busy(1), 0);
    assert_eq!(world.offer(&one, 0..1), 0, "it would be sent over and over");
    assert_eq!(world.rows(), MAX_CLAIM, "it takes no room");
    assert!(!world.scheduler.forget_unrecordable(Some(2)));
    assert_eq!(world.offer(&one, 0..1), 0, "not of that shard");
    assert!(world.scheduler.forget_unrecordable(Some(1)));
    assert_eq!(world.offer(&one, 0..1), 1);
}

#[test]
fn a_locked_subscription_takes_nobody_elses_room() {
    let mut world = World::new(64);
    let (locked, other) = (subscription(1, 60), subscription(2, 20));
    let held = world.offer(&locked, 0..100);
    let under_way = world.send();
    assert!(under_way.len() > 10 && held > under_way.len());
    for id in &under_way {
        world.end(*id, EndpointSignal::Success);
        world.scheduler.on_locked(Uuid::from_u128(*id));
    }
    // Nothing more of it is sent or claimed; what is under way is not waited for when the process ends.
    assert_eq!(world.send(), [0; 0]);
    assert_eq!(world.offer(&locked, 200..210), 0);
    assert_eq!(world.full(), [locked.id]);
    assert!(world.scheduler.is_quiet());
    let busy = world.scheduler.busy(1);
    assert_eq!(busy, under_way.len(), "its shard is kept for them");
    assert_eq!(world.rows(), MAX_CLAIM, "they take no room");
    assert!(world.offer(&other, 1000..1010) > 0);
    // Twice is once, and one that is not recorded yet keeps it so.
    world.scheduler.on_locked(Uuid::from_u128(under_way[0]));
    world.claims_more();
    for id in under_way {
        assert_eq!(world.offer(&locked, 200..210), 0);
        world.record(id);
    }
    assert!(world.claims_more(), "there is more of it in the database");
    assert!(world.offer(&locked, 200..210) > 0);
}

/// Thousands of a tenant's subscriptions are locked by one transaction: the others' share is what it was.
#[test]
fn very_many_locked_subscriptions_take_nobody_elses_share() {
    let mut world = World::new(64);
    for number in 0..2_000 {
        assert_eq!(
            world.offer(&subscription(number, 20), number..number + 1),
            1
        );
        assert_eq!(world.send(), [number]);
        world.end(number, EndpointSignal::Success);
        world.scheduler.on_locked(Uuid::from_u128(number));
    }
    let other = subscription(9_999, 20);
    assert_eq!(world.offer(&other, 10_000..10_040), 40);
    assert_eq!(world.send().len(), 20);
    assert_eq!(world.rows(), MAX_CLAIM);
    let share = 64 * 12 * 3 / 4 / 2;
    let another = subscription(9_998, 500);
    assert_eq!(world.offer(&another, 20_000..21_000), share);
}

#[test]
fn an_unrecordable_result_does_not_keep_its_subscription_from_being_delivered_to() {
    let mut world = World::new(64);
    let one = subscription(1, 1);
    world.offer(&one, 0..1);
    world.send();
    world.end(0, EndpointSignal::Success);
    world.scheduler.on_disabling(Uuid::from_u128(0), one.id);
    assert_eq!(world.offer(&one, 1..2), 0);
    world.scheduler.on_unrecordable(Uuid::from_u128(0));
    assert!(world.claims_more());
    assert_eq!(world.offer(&one, 1..2), 1);
}

#[test]
fn a_lane_goes_on_when_its_result_is_recorded_after_all() {
    let mut world = World::new(64);
    let one = subscription(1, 20);
    assert!(world.takes(in_lane(0, 7, &one)));
    world.send();
    world.end(0, EndpointSignal::Success);
    world.scheduler.on_unrecordable(Uuid::from_u128(0));
    world.claim();
    assert!(!world.takes(in_lane(1, 7, &one)), "the order is kept");
    world.scheduler.on_recorded_after_all(Uuid::from_u128(0));
    assert!(world.claims_more());
    assert!(world.takes(in_lane(1, 7, &one)));
    assert_eq!(world.send(), [1]);
    // It counts no more.
    world.scheduler.on_recorded_after_all(Uuid::from_u128(0));
    assert_eq!(world.scheduler.in_flight(), 1);
}

#[test]
fn a_delivery_whose_result_is_discarded_is_claimed_again() {
    let mut world = World::new(64);
    let one = subscription(1, 20);
    world.offer(&one, 0..1);
    world.send();
    world.end(0, EndpointSignal::Failure);
    world.scheduler.on_discarded(Uuid::from_u128(0));
    assert!(world.claims_more());
    assert_eq!(world.offer(&one, 0..1), 1);
}

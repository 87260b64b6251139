//! Receivers that fail, want less, or have to agree first.

use super::super::samples::{delivery, subscription, test_of, unverified};
use super::*;

/// Takes those that may be asked now, as if they were being asked.
fn asked(world: &mut World) -> Vec<u128> {
    std::iter::from_fn(|| {
        let subscription = world.scheduler.start_asking()?;
        let request = world.request.clone();
        world.scheduler.on_asking(subscription.id, request);
        Some(subscription.id.as_u128())
    })
    .collect()
}

#[test]
fn an_open_breaker_holds_all_but_a_probe() {
    let mut world = World::new(64);
    let (failing, healthy) = (subscription(1, 20), subscription(2, 20));
    world.offer(&failing, 0..5);
    assert_eq!(world.send().len(), 5);
    world.offer(&failing, 5..10);
    let changes: Vec<_> = (0..4).map(|id| world.fail(id)).collect();
    let opened = Some(BreakerChange::Open {
        failing_for: Duration::ZERO,
        probe_in: SECOND * 60,
        was_open: false,
    });
    assert_eq!(changes, [None, None, opened, None]);
    assert_eq!(world.full(), [failing.id]);
    assert_eq!(world.offer(&failing, 5..10), 0);
    assert_eq!(world.offer(&healthy, 20..22), 2);

    let later = world.scheduler.next_timer().unwrap();
    assert_eq!(later - world.now, SECOND * 60);
    world.claims_more();
    world.now = later;
    assert_eq!(world.send(), [20, 21], "what waited of it was released");
    assert!(world.claims_more(), "time for a probe");
    assert_eq!(world.offer(&failing, 5..10), 0, "one is still under way");
    world.claims_more();
    world.deliver(4);
    assert!(world.claims_more(), "what was held may go");
    assert_eq!(world.offer(&failing, 5..10), 5, "it was delivered");
}

#[test]
fn a_probe_that_was_not_sent_lets_the_next_one_go() {
    let mut world = World::new(64);
    let failing = subscription(1, 20);
    world.load_open(&failing, world.now);
    let before = world.now;
    world.now += SECOND;
    assert_eq!(world.offer(&failing, 1..3), 1);
    assert_eq!(world.send(), [1]);
    assert_eq!(world.full(), [failing.id]);
    world.end_as(ended(1, EndpointSignal::None));
    world.record(1);
    assert!(world.claims_more());
    // What is past its time is no probe: all of it goes.
    let expired = (3..6).map(|id| Delivery {
        deadline: before,
        ..delivery(id, &failing)
    });
    assert_eq!(
        expired.filter_map(|d| world.takes(d).then_some(())).count(),
        3
    );
}

#[test]
fn what_was_sent_before_a_change_is_no_failure_of_what_is_now() {
    let mut world = World::new(64);
    let changed = subscription(1, 20);
    world.offer(&changed, 0..6);
    assert_eq!(world.send().len(), 6);
    world.scheduler.on_subscription_changed(changed.id);
    for id in 0..5 {
        assert_eq!(world.fail(id), None);
    }
    // What the database says was read before.
    world.load_open(&changed, world.now + SECOND * 9);
    assert_eq!(world.offer(&changed, 10..11), 1);
    let works = world.end(5, EndpointSignal::Success);
    let closed = BreakerChange::Closed { was_open: false };
    assert_eq!(works, Attempted::ToRecord(Some(closed)));
}

#[test]
fn what_goes_to_a_receiver_that_has_not_agreed_waits_and_it_is_asked_once() {
    let mut world = World::new(64);
    let one = unverified(1, 1, Some(world.now));
    assert_eq!(world.offer(&one, 0..5), 0);
    assert_eq!(world.full(), [one.id]);
    assert_eq!(asked(&mut world), [1]);
    world.offer(&one, 0..5);
    assert_eq!(asked(&mut world), [0; 0], "under way");
    assert!(world.scheduler.on_answered(&one));
    assert!(!world.scheduler.on_answered(&one), "once");
    // Recorded and loaded anew.
    world.scheduler.on_subscription_changed(one.id);
    assert!(world.full().is_empty());
    assert_eq!(world.offer(&subscription(1, 20), 0..5), 5);
    assert_eq!(world.send().len(), 5);
}

#[test]
fn a_receiver_is_asked_when_its_time_has_come_and_looked_up_now_and_then() {
    let mut world = World::new(64);
    let (start, soon) = (world.now, world.now + SECOND * 5);
    world
        .scheduler
        .on_loaded(&unverified(1, 1, Some(soon)), start);
    let tomorrow = start + SECOND * 86_400;
    world
        .scheduler
        .on_loaded(&unverified(2, 1, Some(tomorrow)), start);
    world.offer(&unverified(3, 1, None), 0..1);
    world.scheduler.on_loaded(&unverified(4, 1, None), start);
    assert!(!world.scheduler.awaits_permission(Uuid::from_u128(4)));
    assert_eq!(world.scheduler.next_timer(), Some(soon));
    world.scheduler.on_timers(soon);
    assert_eq!(asked(&mut world), [1]);
    world.scheduler.on_timers(start + SECOND * 3600);
    assert_eq!(world.scheduler.take_stale(), [2, 3].map(Uuid::from_u128));
    assert_eq!(asked(&mut world), [0; 0]);
}

#[test]
fn a_change_or_a_lost_shard_ends_the_asking() {
    let mut world = World::new(64);
    let old = unverified(1, 1, Some(world.now));
    world.scheduler.on_loaded(&old, world.now);
    assert_eq!(asked(&mut world), [1]);
    world.scheduler.on_subscription_changed(old.id);
    assert_eq!(world.under_way(), 0);
    assert!(!world.scheduler.on_answered(&old), "nobody waits for it");
    // A claim that began before the change knows only the old one.
    world.offer(&old, 0..1);
    assert_eq!(asked(&mut world), [0; 0]);
    assert!(world.claims_more());
    let new = unverified(1, 2, Some(world.now));
    world.offer(&new, 0..1);
    assert_eq!(asked(&mut world), [1]);
    assert!(!world.scheduler.on_answered(&old), "that of the old one");
    world.scheduler.forget_receivers(|shard| shard == new.shard);
    assert!(!world.scheduler.on_answered(&new));
    world.scheduler.on_loaded(&new, world.now);
    world.scheduler.on_verification_changed();
    assert_eq!(asked(&mut world), [0; 0]);
    assert!(world.claims_more());
}

#[test]
fn a_receiver_that_wants_a_pause_holds_all_of_its_subscription_and_nobody_else() {
    let mut world = World::new(64);
    let (busy, other) = (subscription(1, 2), subscription(2, 2));
    assert_eq!(world.offer(&busy, 1..6), 4);
    assert_eq!(world.send(), [1, 2]);
    let wait = SECOND * 90;
    let change = world.wish(1, Throttle::Wait(wait));
    assert_eq!(change, Some(BreakerChange::Throttled { wait }));
    // What waited is released, nothing more is taken or claimed of it, and the others notice nothing.
    assert_eq!(world.offer(&busy, 6..7), 0);
    assert_eq!(world.full(), [busy.id]);
    assert_eq!(world.scheduler.concerned(), [busy.id]);
    assert_eq!(world.offer(&other, 7..8), 1);
    assert_eq!(world.send(), [7]);
    // A success of what was under way changes nothing.
    world.deliver(2);
    assert_eq!(world.offer(&busy, 6..7), 0);
    assert_eq!(world.scheduler.failing_for(busy.id, world.now), None);
    world.claims_more();
    let over = world.now + wait;
    assert!(world.scheduler.next_timer().is_some_and(|at| at <= over));
    world.now = over;
    world.scheduler.on_timers(over);
    assert!(world.claims_more());
    assert!(world.full().is_empty());
    // With fewer at once.
    assert_eq!(world.offer(&busy, 8..10), 2);
    assert_eq!(world.send(), [8]);
}

#[test]
fn a_test_of_a_receiver_that_wants_a_pause_ends_without_a_request() {
    let mut world = World::new(64);
    let busy = subscription(1, 2);
    world.offer(&busy, 1..2);
    assert_eq!(world.send(), [1]);
    world.wish(1, Throttle::Wait(SECOND * 90));
    assert!(world.takes(test_of(&busy, 2)));
    let test = world.send_one().unwrap();
    let reason = test.message.err().unwrap_or_default();
    assert_eq!(reason, "the receiver asked for a pause");
}

#[test]
fn a_test_tells_of_the_receiver_too() {
    let mut world = World::new(64);
    let busy = subscription(1, 2);
    assert!(world.takes(test_of(&busy, 2)));
    assert_eq!(world.send(), [2]);
    world.wish(2, Throttle::Wait(SECOND * 90));
    assert_eq!(world.full(), [busy.id]);
}

#[test]
fn whoever_changes_a_subscription_ends_its_pause() {
    let mut world = World::new(64);
    let busy = subscription(1, 2);
    world.offer(&busy, 1..3);
    assert_eq!(world.send(), [1, 2]);
    let wait = Throttle::Wait(SECOND * 90);
    world.wish(1, wait);
    world.scheduler.on_subscription_changed(busy.id);
    assert!(world.full().is_empty());
    // An answer that was under way before it is not heard.
    assert_eq!(world.wish(2, wait), None);
    assert_eq!(world.offer(&busy, 3..4), 1);
}

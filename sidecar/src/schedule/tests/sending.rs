//! Which deliveries are sent, and when.

use super::super::samples::{delivery, fresh, limited, subscription, test_of};
use super::*;
use crate::model::{Destination, RateLimit};
use url::Url;

#[test]
fn a_rate_is_kept_and_a_timer_set() {
    let mut world = World::new(64);
    let limited = limited(1, 20, RateLimit::new(10.0, Some(2)));
    let long_ago = world.now - SECOND * 60;
    world.scheduler.on_acquired(&[1], long_ago);
    world.offer(&limited, 0..5);
    assert_eq!(world.send(), [0, 1]);
    let next = world.scheduler.next_timer().unwrap();
    assert_eq!(next - world.now, SECOND / 10);
    world.deliver(0);
    assert_eq!(world.send(), [0; 0]);
    world.now = next;
    assert_eq!(world.send(), [2]);
    // What is not sent costs nothing.
    let mut expired = delivery(9, &limited);
    expired.deadline = world.now;
    world.scheduler.release_waiting(|_| true);
    assert!(world.takes(expired));
    assert_eq!(world.send(), [9]);
}

#[test]
fn who_waits_for_a_crowded_destination_holds_up_no_other() {
    let mut world = World::new(64);
    let shared = Destination::of(&Url::parse("https://shared.example/").unwrap());
    // The deliveries of 1, 2 and 3 go to one destination, which may have one request under way.
    let limit = 1;
    let send = |world: &mut World, under_way: &mut usize| -> Vec<u128> {
        let next = || {
            world.scheduler.start_next(world.now, |delivery| {
                let is_shared = delivery.subscription.id < Uuid::from_u128(9) && !delivery.is_test;
                match is_shared && *under_way == limit {
                    true => Err(shared.clone()),
                    false => {
                        *under_way += usize::from(is_shared);
                        Ok(())
                    }
                }
            })
        };
        std::iter::from_fn(next)
            .map(|delivery| delivery.id.as_u128())
            .collect()
    };
    for number in [1, 2, 3, 9] {
        world.offer(&subscription(number, 20), number * 10..number * 10 + 2);
    }
    let mut under_way = 0;
    assert_eq!(send(&mut world, &mut under_way), [10, 90, 91]);
    assert_eq!(world.scheduler.crowded(), std::slice::from_ref(&shared));
    // More of one that waits changes nothing.
    world.offer(&subscription(2, 20), 22..23);
    assert_eq!(send(&mut world, &mut under_way), [0; 0]);
    // A test does not wait.
    let test = test_of(&subscription(2, 20), 700);
    assert!(world.takes(test));
    assert_eq!(send(&mut world, &mut under_way), [700]);
    for next in [20, 30, 11, 21] {
        under_way = 0;
        assert!(world.scheduler.on_room_at(&shared, 1), "others wait on");
        assert_eq!(send(&mut world, &mut under_way), [next]);
    }
    // Those that wait and have nothing to send any more are passed over, in time.
    world
        .scheduler
        .release_waiting(|delivery| delivery.subscription.id == Uuid::from_u128(3));
    under_way = 0;
    assert!(!world.scheduler.on_room_at(&shared, 9));
    assert_eq!(send(&mut world, &mut under_way), [22]);
}

#[test]
fn fresh_deliveries_have_slots_however_many_receivers_hang() {
    let mut world = World::new(64);
    for number in 0..50 {
        let hangs = subscription(number, 20);
        world.offer(&hangs, number * 1000..number * 1000 + 20);
    }
    world.send();
    assert!(world.scheduler.in_flight() < 64);
    world.scheduler.make_room(world.now + SECOND);
    assert!(world.claim().fresh > 0);
    assert!(world.takes(fresh(999_000, &subscription(999, 20))));
    assert_eq!(world.send(), [999_000]);
}

#[test]
fn cutting_off_a_shard_frees_its_slots_and_discards_its_results() {
    let mut world = World::new(64);
    for number in [1, 2] {
        world.offer(&subscription(number, 20), number..number + 1);
    }
    assert_eq!(world.send(), [1, 2]);
    let busy = |world: &World| [1, 2].map(|shard| world.scheduler.busy(shard));
    assert_eq!((busy(&world), world.under_way()), ([1, 1], 2));
    assert_eq!(world.scheduler.cut_off(Some(1)), 1);
    assert_eq!((busy(&world), world.under_way()), ([0, 1], 1));
    assert_eq!(world.scheduler.in_flight(), 1);
    let too_late = world.end(1, EndpointSignal::Success);
    assert_eq!(too_late, Attempted::Discarded);
    assert!(!world.scheduler.is_quiet());
    world.scheduler.cut_off(None);
    assert!(world.scheduler.is_quiet());
    assert_eq!((world.under_way(), world.scheduler.in_flight()), (0, 0));
}

#[test]
fn a_request_that_was_not_made_says_nothing_of_what_waits() {
    let mut world = World::new(64);
    let one = subscription(1, 20);
    world.offer(&one, 1..2);
    assert_eq!(world.send(), [1]);
    world.scheduler.cut_off(None);
    world.claim();
    assert_eq!(world.offer(&one, 1..2), 1);
    // Of the request that was cut off.
    world.scheduler.on_not_sent(Uuid::from_u128(1));
    assert_eq!(world.send(), [1]);
    world.scheduler.on_not_sent(Uuid::from_u128(1));
    assert_eq!((world.under_way(), world.scheduler.in_flight()), (0, 0));
}

#[test]
fn a_request_that_ended_is_not_under_way() {
    let mut world = World::new(64);
    world.offer(&subscription(1, 20), 1..2);
    world.send();
    world.end(1, EndpointSignal::Success);
    assert_eq!((world.under_way(), world.scheduler.in_flight()), (0, 0));
    assert_eq!(world.scheduler.busy(1), 1, "its result is to be recorded");
}

#[test]
fn a_test_goes_whatever_holds_the_others_and_says_nothing_of_them() {
    let mut world = World::new(64);
    let busy = limited(1, 1, RateLimit::new(0.1, Some(1)));
    let long_ago = world.now - SECOND * 60;
    world.scheduler.on_acquired(&[1], long_ago);
    let room_for_tests = |world: &mut World| {
        let request = world.scheduler.on_claiming_tests(vec![17], world.now);
        world.scheduler.on_claim_ended();
        request.map(|request| (request.max_rows, request.full))
    };
    // One is under way, and another waits: there is no room for more, and no token left.
    assert_eq!(world.offer(&busy, 1..9), 2);
    assert_eq!(world.send(), [1]);
    assert_eq!(room_for_tests(&mut world), Some((8, vec![])));
    assert!(world.takes(test_of(&busy, 10)));
    assert_eq!(room_for_tests(&mut world), Some((7, vec![busy.id])));
    assert_eq!(world.send(), [10]);
    assert!(world.scheduler.tests_at(world.now).is_some());
    let end_test = |world: &mut World, id, signal| {
        assert_eq!(world.end_as(ended(id, signal)), Attempted::ToRecord(None));
        world.record(id);
    };
    end_test(&mut world, 10, EndpointSignal::Failure);
    assert_eq!(world.scheduler.tests_at(world.now), None, "the next may go");
    assert_eq!(room_for_tests(&mut world), Some((8, vec![])));
    // The breaker is open, and stays so.
    world.deliver(1);
    world.claim();
    world.load_open(&busy, world.now + SECOND * 60);
    for (id, signal) in [(11, EndpointSignal::Failure), (12, EndpointSignal::Success)] {
        assert!(world.takes(test_of(&busy, id)));
        assert_eq!(world.send(), [id]);
        end_test(&mut world, id, signal);
    }
    assert_eq!(world.offer(&busy, 20..21), 0);
    // The subscription is about to be disabled.
    let disabled = subscription(2, 20);
    world.offer(&disabled, 30..31);
    world.send();
    world.end(30, EndpointSignal::Failure);
    world
        .scheduler
        .on_disabling(Uuid::from_u128(30), disabled.id);
    assert!(world.takes(test_of(&disabled, 31)));
    assert_eq!(world.send(), [31]);
    end_test(&mut world, 31, EndpointSignal::Success);
    // What is released can be taken again.
    assert!(world.takes(test_of(&busy, 13)));
    world.scheduler.release_waiting(|_| true);
    assert_eq!(room_for_tests(&mut world), Some((8, vec![])));
    assert!(world.takes(test_of(&busy, 13)));
}

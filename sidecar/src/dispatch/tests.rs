use super::room::{HELD_PER_SLOT, MAX_BYTES, MAX_CLAIM, NEWCOMERS};
use super::*;
use crate::model::{AttemptResult, Message, RateLimit, Subscription};
use std::sync::Arc;
use std::time::{Duration, Instant};
use webhooks_core::payload::PayloadFormat;
use webhooks_core::retry::{RetryPolicy, RetrySchedule, Throttle};

fn subscription(number: u128, max_in_flight: usize) -> Arc<Subscription> {
    Arc::new(Subscription {
        id: Uuid::from_u128(number),
        version: 1,
        shard: (number & 15) as i16,
        endpoint: Err("not sent in these tests".to_owned()),
        format: PayloadFormat::Envelope,
        template: None,
        template_room: Default::default(),
        retry: RetryPolicy {
            schedule: RetrySchedule::Doubling {
                retries: 3,
                first: Duration::from_secs(1),
                longest: Duration::from_secs(60),
            },
            no_retry_statuses: vec![],
            retry_after_cap: Duration::from_secs(60),
        },
        timeout: Duration::from_secs(30),
        max_payload_bytes: 1024,
        max_in_flight,
        rate_limit: None,
        breaker: BreakerPolicy {
            threshold: 3,
            cooldown: Duration::from_secs(60),
        },
        verification: Verification::NotNeeded,
    })
}

fn delivery(id: u128, subscription: &Arc<Subscription>) -> Delivery {
    Delivery {
        id: Uuid::from_u128(id),
        shard: (subscription.id.as_u128() & 15) as i16,
        attempt: 0,
        is_test: false,
        is_fresh: false,
        lane: None,
        deadline: Instant::now() + Duration::from_secs(3600),
        subscription: subscription.clone(),
        message: Ok(Arc::new(Message {
            event_id: Uuid::from_u128(id),
            event_type: "document.uploaded".to_owned(),
            headers: vec![],
            body: "{}".into(),
            sha256: [0; 32],
        })),
        size: 512,
    }
}

/// An attempt of it ended.
fn attempt(id: Uuid, signal: EndpointSignal) -> Attempt {
    Attempt::sample(id, Uuid::nil(), signal)
}

fn attempted(board: &mut Board, id: Uuid) -> bool {
    board.attempted(&mut attempt(id, EndpointSignal::Success), Instant::now())
}

fn offer(board: &mut Board, from: &Arc<Subscription>, ids: std::ops::Range<u128>) -> usize {
    ids.filter(|id| board.offer(delivery(*id, from), Instant::now()))
        .count()
}

/// Takes all that may be sent now; returns the subscriptions' numbers in sending order.
fn send(board: &mut Board) -> Vec<u128> {
    std::iter::from_fn(|| {
        board
            .next(Instant::now())
            .map(|delivery| delivery.subscription.id.as_u128())
    })
    .collect()
}

#[test]
fn subscriptions_take_turns_within_their_limits() {
    let mut board = Board::new(256);
    let (one, two) = (subscription(1, 2), subscription(2, 3));
    offer(&mut board, &one, 0..2);
    offer(&mut board, &two, 10..13);
    assert_eq!(send(&mut board), [1, 2, 1, 2, 2]);
    assert_eq!(board.in_flight(), 5);
}

#[test]
fn no_more_is_taken_than_the_limit_until_the_receiver_shows_its_pace() {
    let mut board = Board::new(256);
    let slow = subscription(1, 20);
    assert_eq!(offer(&mut board, &slow, 0..100), 40);
    assert_eq!(board.full(Instant::now()), [slow.id].into());
    assert_eq!(send(&mut board).len(), 20);
    assert!(!board.take_hunger());
    for id in 0..20 {
        assert!(attempted(&mut board, Uuid::from_u128(id)));
        board.recorded(Uuid::from_u128(id), false);
    }
    assert!(board.take_hunger(), "what was refused is asked for again");
    assert!(!board.take_hunger());
    assert_eq!(board.full(Instant::now()), HashSet::new());
    assert_eq!(
        offer(&mut board, &slow, 100..300),
        40,
        "twice 20 in flight and 20 ahead, its pace, less the 20 that are here"
    );
}

#[test]
fn hanging_receivers_leave_slots_for_others() {
    let mut board = Board::new(64);
    for number in 0..50 {
        offer(
            &mut board,
            &subscription(number, 20),
            number * 1000..number * 1000 + 20,
        );
    }
    send(&mut board);
    assert!(
        board.in_flight() < 64,
        "some slots stay free however many hang"
    );
    board.make_room();
    assert!(board.newcomers(false) > 0);
    let mut newcomer = delivery(999_000, &subscription(999, 20));
    newcomer.is_fresh = true;
    assert!(board.offer(newcomer, Instant::now()));
    assert_eq!(send(&mut board), [999]);
}

#[test]
fn a_delivery_is_held_once_until_no_claim_can_show_it_again() {
    let mut board = Board::new(64);
    let one = subscription(1, 20);
    assert_eq!(offer(&mut board, &one, 7..8), 1);
    assert_eq!(offer(&mut board, &one, 7..8), 0, "held while waiting");
    send(&mut board);
    attempted(&mut board, Uuid::from_u128(7));
    board.recorded(Uuid::from_u128(7), true);
    assert_eq!(
        offer(&mut board, &one, 7..8),
        0,
        "the claim under way may be older than the record"
    );
    board.claim_ended();
    assert_eq!(offer(&mut board, &one, 7..8), 1, "a retry is new");
}

#[test]
fn dropping_returns_what_waits_and_keeps_what_flies() {
    let mut board = Board::new(64);
    let one = subscription(1, 2);
    offer(&mut board, &one, 0..2);
    board.next(Instant::now());
    board.drop_waiting(|_| true);
    assert_eq!(board.held_ids(&HashSet::new()).0, [Uuid::from_u128(0)]);
    assert_eq!(send(&mut board), [] as [u128; 0]);
    assert_eq!(offer(&mut board, &one, 1..2), 1);
    assert_eq!(send(&mut board), [1]);
}

#[tokio::test]
async fn aborting_a_shard_frees_its_slots_and_forgets_its_results() {
    let mut board = Board::new(64);
    let (here, there) = (subscription(1, 20), subscription(2, 20));
    for (from, id) in [(&here, 1), (&there, 2)] {
        offer(&mut board, from, id..id + 1);
        board.next(Instant::now());
        let task = tokio::spawn(std::future::pending::<()>());
        board.started(Uuid::from_u128(id), task.abort_handle());
    }
    assert_eq!((board.busy(1), board.busy(2)), (1, 1));
    assert_eq!(board.abort(Some(1)), 1);
    assert_eq!((board.busy(1), board.busy(2), board.in_flight()), (0, 1, 1));
    assert!(!attempted(&mut board, Uuid::from_u128(1)));
    assert!(!board.is_quiet());
    board.abort(None);
    assert!(board.is_quiet());
}

#[test]
fn no_more_subscriptions_wait_for_a_slot_than_will_soon_have_one() {
    let (mut board, now) = (Board::new(8), Instant::now());
    for number in 0..8 + 8 {
        offer(&mut board, &subscription(number, 20), number..number + 1);
    }
    // One slot is left to newcomers.
    assert_eq!(send(&mut board).len(), 7);
    offer(&mut board, &subscription(16, 20), 16..17);
    assert_eq!(board.ring.len(), 10);
    assert_eq!((board.room(), board.newcomers(true)), (0, NEWCOMERS));
    for number in 17..24 {
        offer(&mut board, &subscription(number, 20), number..number + 1);
    }
    // Half of the pace within a second, in two rounds: the more are served, the more may wait.
    for round in 0..2 {
        for id in round * 7..(round + 1) * 7 {
            assert!(attempted(&mut board, Uuid::from_u128(id)));
            board.recorded(Uuid::from_u128(id), false);
        }
        send(&mut board);
    }
    assert_eq!((board.ring.len(), board.pace), (3, 14));
    for number in 24..30 {
        offer(&mut board, &subscription(number, 20), number..number + 1);
    }
    assert_eq!(board.ring.len(), 8 + 14 / 8);
    assert!(board.room() > 0);
    board.tick(now);
    assert_eq!(board.room(), 0, "nothing ended lately");
}

#[test]
fn claims_are_told_what_is_held_of_those_that_they_look_at() {
    let (mut board, now) = (Board::new(256), Instant::now());
    let (full, other) = (subscription(1, 2), subscription(2, 20));
    offer(&mut board, &full, 0..4);
    offer(&mut board, &other, 10..12);
    let told = board.full(now);
    assert_eq!(told, [full.id].into());
    assert_eq!(board.known(&told), [other.id]);
    let mut held = board.held_ids(&told).0;
    held.sort_unstable();
    assert_eq!(held, [10, 11].map(Uuid::from_u128));
}

#[test]
fn however_many_hang_there_is_room_for_others() {
    let mut board = Board::new(64);
    assert_eq!(board.room(), MAX_CLAIM);
    for number in 0..40 {
        let hangs = subscription(number, 500);
        offer(&mut board, &hangs, number * 1000..number * 1000 + 500);
        send(&mut board);
        board.make_room();
        assert!(board.room() > 0, "{number} receivers that hang take it all");
    }
    let healthy = subscription(999, 20);
    let share = 64 * HELD_PER_SLOT * 3 / 4 / 40;
    assert_eq!(offer(&mut board, &healthy, 999_000..999_020), share);
}

#[test]
fn the_bytes_are_bounded_and_not_for_one() {
    let mut board = Board::new(64);
    for number in 0..2 {
        let hangs = subscription(number, 500);
        for id in number * 1000..number * 1000 + 500 {
            let mut large = delivery(id, &hangs);
            large.size = 1 << 20;
            board.offer(large, Instant::now());
        }
        assert!(board.bytes < MAX_BYTES && board.room() > 0);
    }
    assert!(board.bytes > MAX_BYTES / 2);
    board.drop_waiting(|_| true);
    assert_eq!(board.bytes, 0);
}

/// Only what waits counts: what hangs in flight, however large, must not keep others from being claimed.
#[test]
fn bytes_in_flight_take_no_room() {
    let mut board = Board::new(256);
    for number in 0..100 {
        let mut large = delivery(number, &subscription(number, 20));
        large.size = 8 << 20;
        board.offer(large, Instant::now());
        assert_eq!(send(&mut board), [number]);
    }
    assert_eq!(board.bytes, 0);
    assert!(board.room() > 0);
    // Beyond the limit of bytes each gets one at a time.
    let busy = subscription(1, 20);
    assert_eq!(offer(&mut board, &busy, 1000..1002), 2);
    assert_eq!(send(&mut board), [] as [u128; 0]);
}

#[test]
fn a_result_that_cannot_be_recorded_is_held_and_not_waited_for() {
    let mut board = Board::new(64);
    let one = subscription(1, 20);
    offer(&mut board, &one, 0..1);
    send(&mut board);
    attempted(&mut board, Uuid::from_u128(0));
    assert!(!board.is_quiet());
    board.refused(Uuid::from_u128(0));
    assert!(board.is_quiet());
    assert_eq!(board.busy(1), 0);
    assert_eq!(
        offer(&mut board, &one, 0..1),
        0,
        "it would be sent over and over"
    );
    assert_eq!(board.room(), MAX_CLAIM, "it takes no room");
    board.forget_stuck(Some(2));
    assert_eq!(offer(&mut board, &one, 0..1), 0, "not of that shard");
    board.forget_stuck(Some(1));
    assert_eq!(offer(&mut board, &one, 0..1), 1);
}

#[test]
fn a_locked_subscription_takes_nobody_elses_room() {
    let mut board = Board::new(64);
    let (locked, other) = (subscription(1, 60), subscription(2, 20));
    let held = offer(&mut board, &locked, 0..100);
    let under_way = send(&mut board).len();
    assert!(under_way > 10 && held > under_way);
    for id in 0..under_way as u128 {
        attempted(&mut board, Uuid::from_u128(id));
        board.park(Uuid::from_u128(id));
    }
    // Nothing more of it is sent or claimed; what is under way is not waited for when the process ends.
    assert_eq!(send(&mut board), [] as [u128; 0]);
    assert_eq!(offer(&mut board, &locked, 200..210), 0);
    assert!(board.full(Instant::now()).contains(&locked.id));
    assert!(board.is_quiet());
    assert_eq!(board.busy(1), under_way, "its shard is kept for them");
    assert_eq!(board.room(), MAX_CLAIM, "they take no room");
    assert!(offer(&mut board, &other, 1000..1010) > 0);
    // Twice is once, and one that is not recorded yet keeps it so.
    board.park(Uuid::from_u128(0));
    board.take_hunger();
    for id in 0..under_way as u128 {
        assert_eq!(offer(&mut board, &locked, 200..210), 0);
        board.recorded(Uuid::from_u128(id), false);
    }
    assert!(board.take_hunger(), "there is more of it in the database");
    assert!(offer(&mut board, &locked, 200..210) > 0);
}

/// Thousands of a tenant's subscriptions are locked by one transaction: the others' share is what it was.
#[test]
fn very_many_locked_subscriptions_take_nobody_elses_share() {
    let mut board = Board::new(64);
    let other = subscription(9_999, 20);
    let share = board.share();
    for number in 0..2_000 {
        let locked = subscription(number, 20);
        assert_eq!(offer(&mut board, &locked, number..number + 1), 1);
        send(&mut board);
        attempted(&mut board, Uuid::from_u128(number));
        board.park(Uuid::from_u128(number));
    }
    assert_eq!(offer(&mut board, &other, 10_000..10_040), 40);
    assert_eq!(send(&mut board).len(), 20);
    board.make_room();
    assert_eq!(board.share(), share);
}

#[test]
fn a_refused_result_does_not_keep_its_subscription_from_being_delivered_to() {
    let mut board = Board::new(64);
    let one = subscription(1, 1);
    offer(&mut board, &one, 0..1);
    send(&mut board);
    let id = Uuid::from_u128(0);
    attempted(&mut board, id);
    board.disabling(id, one.id);
    assert_eq!(offer(&mut board, &one, 1..2), 0);
    board.refused(id);
    assert!(board.take_hunger());
    assert_eq!(offer(&mut board, &one, 1..2), 1);
}

#[test]
fn idle_lines_are_forgotten() {
    let mut board = Board::new(64);
    let one = subscription(1, 20);
    offer(&mut board, &one, 0..1);
    send(&mut board);
    attempted(&mut board, Uuid::from_u128(0));
    board.recorded(Uuid::from_u128(0), false);
    board.tick(Instant::now());
    assert!(board.lines.is_empty());
}

#[test]
fn a_subscription_that_is_being_disabled_gets_nothing_until_that_is_recorded() {
    let mut board = Board::new(256);
    let gone = subscription(1, 1);
    // A first result shows the pace: one more may wait.
    offer(&mut board, &gone, 0..1);
    send(&mut board);
    attempted(&mut board, Uuid::from_u128(0));
    board.recorded(Uuid::from_u128(0), false);
    assert_eq!(offer(&mut board, &gone, 1..10), 3);
    assert_eq!(send(&mut board), [1]);
    let last = Uuid::from_u128(1);
    attempted(&mut board, last);
    board.disabling(last, gone.id);
    assert_eq!(send(&mut board), [] as [u128; 0]);
    assert_eq!(board.full(Instant::now()), [gone.id].into());
    // A claim that began before the record may bring more.
    board.recorded(last, true);
    assert_eq!(offer(&mut board, &gone, 1..10), 0);
    board.take_hunger();
    board.claim_ended();
    assert!(board.take_hunger());
    assert_eq!(offer(&mut board, &gone, 2..3), 1);
}

fn in_lane(id: u128, lane: i64, subscription: &Arc<Subscription>) -> Delivery {
    Delivery {
        lane: Some(lane),
        ..delivery(id, subscription)
    }
}

/// Sends all that may be sent; returns their ids.
fn sent_ids(board: &mut Board, now: Instant) -> Vec<u128> {
    board.due(now);
    std::iter::from_fn(|| board.next(now).map(|delivery| delivery.id.as_u128())).collect()
}

#[test]
fn a_lane_goes_one_at_a_time_and_lanes_side_by_side() {
    let (mut board, now) = (Board::new(64), Instant::now());
    let fifo = subscription(1, 20);
    board.claiming(true, now);
    for (id, lane) in [(1, 7), (2, 7), (3, 8), (4, 7)] {
        assert!(board.offer(in_lane(id, lane, &fifo), now));
    }
    assert_eq!(sent_ids(&mut board, now), [1, 3]);
    attempted(&mut board, Uuid::from_u128(1));
    assert_eq!(
        sent_ids(&mut board, now),
        [2],
        "before the record of the first"
    );
    board.recorded(Uuid::from_u128(1), false);
    assert!(!board.take_hunger(), "more of the lane is here");
    // What a later claim brings of a busy lane may have something before it.
    board.claiming(true, now);
    assert!(!board.offer(in_lane(5, 7, &fifo), now));
    for id in [2, 4] {
        attempted(&mut board, Uuid::from_u128(id));
        board.recorded(Uuid::from_u128(id), false);
        sent_ids(&mut board, now);
    }
    assert!(
        board.take_hunger(),
        "the lane ended, there may be more of it"
    );
    assert!(board.offer(in_lane(5, 7, &fifo), now));
    assert_eq!(sent_ids(&mut board, now), [5]);
}

#[test]
fn a_failure_blocks_its_lane_alone() {
    let (mut board, now) = (Board::new(64), Instant::now());
    let fifo = subscription(1, 20);
    board.claiming(true, now);
    for (id, lane) in [(1, 7), (2, 7), (3, 8), (4, 8)] {
        board.offer(in_lane(id, lane, &fifo), now);
    }
    assert_eq!(sent_ids(&mut board, now), [1, 3]);
    board.attempted(
        &mut attempt(Uuid::from_u128(1), EndpointSignal::Failure),
        now,
    );
    attempted(&mut board, Uuid::from_u128(3));
    assert_eq!(sent_ids(&mut board, now), [4]);
    board.claiming(true, now);
    assert!(
        !board.offer(in_lane(2, 7, &fifo), now),
        "not before the result is recorded"
    );
    board.recorded(Uuid::from_u128(1), false);
    assert!(board.take_hunger());
    assert!(board.offer(in_lane(1, 7, &fifo), now), "the retry");
    assert_eq!(board.bytes, 512);
}

#[test]
fn what_is_put_back_leaves_no_trace_of_its_lane() {
    let (mut board, now) = (Board::new(64), Instant::now());
    let fifo = subscription(1, 1);
    board.claiming(true, now);
    for (id, lane) in [(1, 7), (2, 7)] {
        board.offer(in_lane(id, lane, &fifo), now);
    }
    board.drop_waiting(|_| true);
    assert_eq!((board.bytes, board.held.len()), (0, 0));
    board.claiming(true, now);
    for (id, lane) in [(1, 7), (2, 7)] {
        assert!(board.offer(in_lane(id, lane, &fifo), now));
    }
    // Also behind one in flight.
    assert_eq!(sent_ids(&mut board, now), [1]);
    board.drop_waiting(|_| true);
    assert_eq!((board.bytes, board.held.len()), (0, 1));
    attempted(&mut board, Uuid::from_u128(1));
    board.recorded(Uuid::from_u128(1), false);
    assert_eq!(board.held.len(), 0);
    assert!(board.offer(in_lane(2, 7, &fifo), now));
}

#[test]
fn a_rate_is_kept_and_a_timer_set() {
    let (mut board, now) = (Board::new(64), Instant::now());
    let mut limited = Arc::into_inner(subscription(1, 20)).unwrap();
    limited.rate_limit = Some(RateLimit::new(10.0, Some(2)));
    let limited = Arc::new(limited);
    board.acquired(&[1], now - Duration::from_secs(60));
    offer(&mut board, &limited, 0..5);
    assert_eq!(sent_ids(&mut board, now), [0, 1]);
    let next = board.next_timer().unwrap();
    assert_eq!(next - now, Duration::from_millis(100));
    attempted(&mut board, Uuid::from_u128(0));
    assert_eq!(sent_ids(&mut board, now), [] as [u128; 0]);
    assert_eq!(sent_ids(&mut board, next), [2]);
    // What is not sent costs nothing.
    let mut expired = delivery(9, &limited);
    expired.deadline = now;
    board.drop_waiting(|_| true);
    board.offer(expired, next);
    assert_eq!(sent_ids(&mut board, next), [9]);
}

#[test]
fn a_test_goes_whatever_holds_the_others_and_says_nothing_of_them() {
    let (mut board, now) = (Board::new(64), Instant::now());
    let mut busy = Arc::into_inner(subscription(1, 1)).unwrap();
    busy.rate_limit = Some(RateLimit::new(0.1, Some(1)));
    let busy = Arc::new(busy);
    board.acquired(&[1], now - Duration::from_secs(60));
    board.claiming(true, now);
    let test = |id| Delivery {
        is_test: true,
        ..delivery(id, &busy)
    };
    let end_test = |board: &mut Board, id: u128, signal| {
        let mut attempt = Attempt {
            is_test: true,
            result: AttemptResult::Failed,
            ..attempt(Uuid::from_u128(id), signal)
        };
        assert!(board.attempted(&mut attempt, now));
        assert_eq!(attempt.breaker, None);
        board.recorded(Uuid::from_u128(id), false);
    };
    // One is under way, and another waits in its lane: there is no room for more, and no token left.
    for id in [1, 2] {
        board.offer(in_lane(id, 7, &busy), now);
    }
    assert_eq!(sent_ids(&mut board, now), [1]);
    assert_eq!(board.room_for_tests(), (8, vec![]));
    assert!(board.offer(test(10), now));
    assert_eq!(board.room_for_tests(), (7, vec![busy.id]));
    assert_eq!(sent_ids(&mut board, now), [10]);
    assert!(!board.take_test_ended());
    end_test(&mut board, 10, EndpointSignal::Failure);
    assert!(board.take_test_ended());
    assert_eq!(board.room_for_tests(), (8, vec![]));
    // The breaker is open, or the subscription is about to be disabled.
    let open = Failing::recorded(1, now, Duration::ZERO, Some(now + Duration::from_secs(60)));
    board.adopt(busy.id, open);
    board.disabling(Uuid::from_u128(1), busy.id);
    for (id, signal) in [(11, EndpointSignal::Failure), (12, EndpointSignal::Success)] {
        assert!(board.offer(test(id), now));
        assert_eq!(sent_ids(&mut board, now), [id]);
        end_test(&mut board, id, signal);
    }
    assert_eq!(board.breakers.admission(busy.id, now), Admission::Refused);
    // What is let go can be taken again.
    assert!(board.offer(test(13), now));
    board.drop_waiting(|_| true);
    assert_eq!(board.room_for_tests(), (8, vec![]));
    assert!(board.offer(test(13), now));
}

#[test]
fn an_open_breaker_holds_all_but_a_probe() {
    let (mut board, now) = (Board::new(64), Instant::now());
    let failing = subscription(1, 20);
    let healthy = subscription(2, 20);
    offer(&mut board, &failing, 0..5);
    assert_eq!(sent_ids(&mut board, now).len(), 5);
    offer(&mut board, &failing, 5..10);
    let changes: Vec<_> = (0..4)
        .map(|id| {
            let mut failed = attempt(Uuid::from_u128(id), EndpointSignal::Failure);
            board.attempted(&mut failed, now);
            board.recorded(Uuid::from_u128(id), false);
            failed.breaker
        })
        .collect();
    let opened = Some(BreakerChange::Open {
        failing_for: Duration::ZERO,
        probe_in: Duration::from_secs(60),
        was_open: false,
    });
    assert_eq!(changes, [None, None, opened, None]);
    assert_eq!(board.held.len(), 1, "what waited is put back");
    assert_eq!(board.full(now), [failing.id].into());
    assert_eq!(offer(&mut board, &failing, 5..10), 0);
    assert_eq!(offer(&mut board, &healthy, 20..22), 2);

    let later = board.next_timer().unwrap();
    assert_eq!(later - now, Duration::from_secs(60));
    board.take_hunger();
    assert_eq!(sent_ids(&mut board, later).len(), 2, "the other's");
    assert!(board.take_hunger(), "time for a probe");
    let probes = |board: &mut Board| {
        (5..10)
            .filter(|id| board.offer(delivery(*id, &failing), later))
            .count()
    };
    assert_eq!(probes(&mut board), 0, "one is still under way");
    board.take_hunger();
    attempted(&mut board, Uuid::from_u128(4));
    board.recorded(Uuid::from_u128(4), false);
    assert!(board.take_hunger(), "what was held may go");
    assert_eq!(probes(&mut board), 5, "it was delivered");
}

#[test]
fn newcomers_take_turns_with_all_others() {
    let (mut board, now) = (Board::new(8), Instant::now());
    assert_eq!(board.newcomers(false), 0);
    for number in 0..20 {
        offer(&mut board, &subscription(number, 20), number..number + 1);
    }
    board.claiming(true, now);
    assert!(board.newcomers(false) > 0, "it is busy");
    let next = board.claim_at(false);
    board.claiming_few();
    assert!(
        next > Some(now) && board.claim_at(false) == next,
        "they put no claim off"
    );
    assert_eq!(board.known(&HashSet::new()).len(), 20);
    // The last published goes first, whichever is claimed first.
    for number in [101, 102, 100] {
        let mut newcomer = delivery(number, &subscription(number, 20));
        newcomer.is_fresh = true;
        assert!(board.offer(newcomer, now));
    }
    assert_eq!(send(&mut board), [102, 0, 101, 1, 100, 2, 3]);
}

#[test]
fn a_probe_that_was_not_sent_lets_the_next_one_go() {
    let (mut board, now) = (Board::new(64), Instant::now());
    let failing = subscription(1, 20);
    let open_until = Some(now);
    board.adopt(
        failing.id,
        Failing::recorded(1, now, Duration::ZERO, open_until),
    );
    let later = now + Duration::from_secs(1);
    assert!(board.offer(delivery(1, &failing), later));
    assert!(!board.offer(delivery(2, &failing), later));
    assert_eq!(sent_ids(&mut board, later), [1]);
    board.claiming(true, later);
    assert_eq!(board.full(later), [failing.id].into());
    board.attempted(
        &mut attempt(Uuid::from_u128(1), EndpointSignal::None),
        later,
    );
    board.recorded(Uuid::from_u128(1), false);
    assert!(board.take_hunger());
    // What is past its time is no probe: all of it goes.
    let expired = (3..6).map(|id| Delivery {
        deadline: now,
        ..delivery(id, &failing)
    });
    assert_eq!(
        expired
            .map(|d| board.offer(d, later))
            .filter(|new| *new)
            .count(),
        3
    );
}

#[test]
fn what_was_sent_before_a_change_is_no_failure_of_what_is_now() {
    let (mut board, now) = (Board::new(64), Instant::now());
    let changed = subscription(1, 20);
    offer(&mut board, &changed, 0..6);
    assert_eq!(sent_ids(&mut board, now).len(), 6);
    board.changed(changed.id);
    let fails = |board: &mut Board, id: u128| {
        let mut failed = attempt(Uuid::from_u128(id), EndpointSignal::Failure);
        board.attempted(&mut failed, now);
        failed.breaker
    };
    assert_eq!((0..5).filter_map(|id| fails(&mut board, id)).count(), 0);
    // What the database says was read before.
    let stale = Failing::recorded(1, now, Duration::ZERO, Some(now + Duration::from_secs(9)));
    board.adopt(changed.id, stale);
    assert_eq!(offer(&mut board, &changed, 10..11), 1);
    let mut works = attempt(Uuid::from_u128(5), EndpointSignal::Success);
    board.attempted(&mut works, now);
    assert_eq!(
        works.breaker,
        Some(BreakerChange::Closed { was_open: false })
    );
}

/// A lane goes back as a whole: then nothing of its line will end, and ask for more.
#[test]
fn a_line_that_was_put_back_whole_is_asked_for_again() {
    let (mut board, now) = (Board::new(8), Instant::now());
    let fifo = subscription(1, 500);
    board.claiming(true, now);
    for id in 0..72 {
        assert!(board.offer(in_lane(id, 7, &fifo), now));
    }
    for number in 100..124 {
        offer(&mut board, &subscription(number, 20), number..number + 1);
    }
    assert_eq!((board.space(), board.take_hunger()), (0, false));
    board.make_room();
    assert_eq!(board.lines[&fifo.id].held, 0);
    assert!(board.take_hunger() && board.space() > 0);
}

/// Who lost its shards can't say any more that an attempt failed: the next owner makes the same one.
#[test]
fn a_failure_counts_no_more_when_the_shard_is_lost() {
    let (mut board, now) = (Board::new(64), Instant::now());
    let fifo = subscription(1, 20);
    board.claiming(true, now);
    for (id, lane) in [(1, 7), (2, 7), (3, 8)] {
        board.offer(in_lane(id, lane, &fifo), now);
    }
    assert_eq!(sent_ids(&mut board, now), [1, 3]);
    board.drop_waiting(|_| true);
    board.disown();
    let failed = &mut attempt(Uuid::from_u128(1), EndpointSignal::Failure);
    assert!(!board.attempted(failed, now), "to be made again");
    assert!(
        attempted(&mut board, Uuid::from_u128(3)),
        "the receiver has it"
    );
    // Owned again.
    assert!(board.take_hunger());
    board.claiming(true, now);
    for (id, lane) in [(1, 7), (2, 7)] {
        assert!(board.offer(in_lane(id, lane, &fifo), now));
    }
    assert_eq!(sent_ids(&mut board, now), [1]);
    assert!(board.attempted(
        &mut attempt(Uuid::from_u128(1), EndpointSignal::Failure),
        now
    ));
}

/// What no room was found for is not made, and what comes after it in its lane must not overtake it.
#[test]
fn what_was_not_attempted_keeps_its_place() {
    let (mut board, now) = (Board::new(8), Instant::now());
    let fifo = subscription(1, 20);
    board.claiming(true, now);
    for id in [1, 2] {
        assert!(board.offer(in_lane(id, 7, &fifo), now));
    }
    assert_eq!(sent_ids(&mut board, now), [1]);
    board.not_attempted(Uuid::from_u128(1));
    assert_eq!(sent_ids(&mut board, now), [0; 0]);
    assert!(board.take_hunger());
    // As if nothing had been claimed.
    board.claiming(true, now);
    for id in [1, 2] {
        assert!(board.offer(in_lane(id, 7, &fifo), now));
    }
    assert_eq!(sent_ids(&mut board, now), [1]);
}

#[test]
fn claims_look_behind_what_is_here_and_at_what_is_not() {
    let (mut board, now) = (Board::new(64), Instant::now());
    let one = subscription(1, 20);
    let seen = |board: &mut Board| -> Vec<Option<u128>> {
        let (ids, after) = board.in_turn(&HashSet::new(), true);
        assert!(ids.iter().all(|id| *id == one.id));
        after.iter().map(|id| id.map(|id| id.as_u128())).collect()
    };
    board.claiming(true, now);
    // A newcomer is the newest: what lies before it was not looked at.
    let mut newest = delivery(90, &one);
    newest.is_fresh = true;
    board.offer(newest, now);
    assert_eq!(seen(&mut board), [Some(0)]);
    offer(&mut board, &one, 10..20);
    assert_eq!(seen(&mut board), [Some(19)]);
    // Ready again; what the same claim brought behind it is no proof that nothing is before.
    board.unsee(one.id, Uuid::from_u128(15));
    offer(&mut board, &one, 20..22);
    assert_eq!(seen(&mut board), [Some(14)]);
    board.claiming(false, now);
    offer(&mut board, &one, 22..24);
    assert_eq!(seen(&mut board), [Some(23)]);
    // In its lanes as well.
    board.offer(in_lane(30, 7, &one), now);
    assert_eq!(seen(&mut board), [Some(23), None]);
    // Put back, given up, or another's meanwhile.
    assert!(!sent_ids(&mut board, now).is_empty());
    board.drop_waiting(|_| true);
    board.disown();
    for id in 10..24 {
        board.attempted(
            &mut attempt(Uuid::from_u128(id), EndpointSignal::Failure),
            now,
        );
    }
    assert_eq!(seen(&mut board), [Some(9), None]);
    board.acquired(&[1], now);
    assert_eq!(seen(&mut board), [Some(0), None]);
}

#[test]
fn full_lines_are_not_looked_at_and_the_others_take_turns() {
    let (mut board, now) = (Board::new(4096), Instant::now());
    board.claiming(true, now);
    for number in 1..=3000 {
        offer(&mut board, &subscription(number, 20), number..number + 1);
    }
    let full = HashSet::from([Uuid::from_u128(5)]);
    let mut looked_at = HashSet::new();
    for _ in 0..3 {
        let (ids, _) = board.in_turn(&full, true);
        assert!(ids.len() <= 1024);
        board.looked_at(&ids, None);
        looked_at.extend(ids);
    }
    assert_eq!(looked_at.len(), 2999);
    assert!(full.is_disjoint(&looked_at));
    // Cut short: the others' turn is next.
    let (ids, _) = board.in_turn(&HashSet::new(), true);
    board.looked_at(&ids, Some(ids[3]));
    assert_eq!(board.in_turn(&HashSet::new(), true).0[0], ids[4]);
}

#[test]
fn while_walks_are_slow_what_has_no_line_is_given_one() {
    let (mut board, now) = (Board::new(64), Instant::now());
    let [one, two] = [1, 2].map(Uuid::from_u128);
    board.promoted(one, Uuid::from_u128(10));
    assert!(board.in_turn(&HashSet::new(), true).0.is_empty());
    board.walks_are_slow(true);
    board.promoted(one, Uuid::from_u128(10));
    let open = Failing::recorded(9, now, Duration::ZERO, Some(now + Duration::from_secs(1)));
    board.adopt(two, open);
    board.due(now + Duration::from_secs(2));
    assert_eq!(board.in_turn(&HashSet::new(), true).0, [one, one, two, two]);
    assert_eq!(board.in_turn(&HashSet::new(), false).0, [one, two]);
}

/// One whose receiver has to agree, and may be asked at this time.
fn unverified(number: u128, version: i64, ask_at: Option<Instant>) -> Arc<Subscription> {
    let mut made = Arc::into_inner(subscription(number, 20)).unwrap();
    made.version = version;
    made.verification = Verification::Needed {
        url: "http://x.example/".to_owned(),
        ask_at,
    };
    Arc::new(made)
}

/// Takes those that may be asked now, as if they were being asked.
fn asked(board: &mut Board) -> Vec<u128> {
    let mut asked = Vec::new();
    while let Some((subscription, permit)) = board.next_to_ask() {
        let task = tokio::spawn(async move {
            let _permit = permit;
            std::future::pending::<()>().await;
        });
        board.asking(subscription.id, task.abort_handle());
        asked.push(subscription.id.as_u128());
    }
    asked
}

#[tokio::test]
async fn what_goes_to_who_has_not_agreed_waits_and_it_is_asked_once() {
    let (mut board, now) = (Board::new(64), Instant::now());
    let one = unverified(1, 1, Some(now));
    assert_eq!(offer(&mut board, &one, 0..5), 0);
    assert_eq!(board.full(now), [one.id].into());
    assert_eq!(asked(&mut board), [1]);
    offer(&mut board, &one, 0..5);
    assert_eq!(asked(&mut board), [0; 0], "under way");
    assert!(board.answered(&one));
    assert!(!board.answered(&one), "once");
    // Recorded and loaded anew.
    board.changed(one.id);
    board.claiming(true, now);
    assert_eq!(board.full(now), HashSet::new());
    assert_eq!(offer(&mut board, &subscription(1, 20), 0..5), 5);
    assert_eq!(send(&mut board), [1; 5]);
}

#[tokio::test]
async fn it_is_asked_when_its_time_has_come_and_looked_up_now_and_then() {
    let (mut board, now) = (Board::new(64), Instant::now());
    let (day, hour) = (Duration::from_secs(86_400), Duration::from_secs(3600));
    board.loaded(&unverified(1, 1, Some(now + Duration::from_secs(5))), now);
    board.loaded(&unverified(2, 1, Some(now + day)), now);
    offer(&mut board, &unverified(3, 1, None), 0..1);
    board.loaded(&unverified(4, 1, None), now);
    assert!(!board.awaits_permission(Uuid::from_u128(4)));
    assert_eq!(board.next_timer(), Some(now + Duration::from_secs(5)));
    board.due(now + Duration::from_secs(5));
    assert_eq!(asked(&mut board), [1]);
    board.due(now + hour);
    assert_eq!(board.take_stale(), [2, 3].map(Uuid::from_u128));
    assert_eq!(asked(&mut board), [0; 0]);
}

#[tokio::test]
async fn a_change_or_a_lost_shard_ends_the_asking() {
    let (mut board, now) = (Board::new(64), Instant::now());
    let old = unverified(1, 1, Some(now));
    board.loaded(&old, now);
    assert_eq!(asked(&mut board), [1]);
    board.changed(old.id);
    assert!(!board.answered(&old), "nobody waits for it");
    // A claim that began before the change knows only the old one.
    offer(&mut board, &old, 0..1);
    assert_eq!(asked(&mut board), [0; 0]);
    assert!(board.take_hunger());
    board.claiming(true, now);
    let new = unverified(1, 2, Some(now));
    offer(&mut board, &new, 0..1);
    assert_eq!(asked(&mut board), [1]);
    assert!(!board.answered(&old), "that of the old one");
    board.forget_failures(|shard| shard == new.shard);
    assert!(!board.answered(&new));
    board.loaded(&new, now);
    board.verification_changed();
    assert_eq!(asked(&mut board), [0; 0]);
}

#[tokio::test]
async fn so_many_are_asked_at_once_and_no_more() {
    let (mut board, now) = (Board::new(64), Instant::now());
    for number in 1..=100 {
        board.loaded(&unverified(number, 1, Some(now)), now);
    }
    assert_eq!(asked(&mut board).len(), 64);
    assert_eq!(asked(&mut board), [0; 0]);
}

/// The receiver's answer to this delivery asks it.
fn throttled(board: &mut Board, id: u128, wish: Throttle, now: Instant) -> Option<BreakerChange> {
    let mut attempt = Attempt {
        throttle: Some(wish),
        ..attempt(Uuid::from_u128(id), EndpointSignal::Busy)
    };
    assert!(board.attempted(&mut attempt, now));
    board.recorded(Uuid::from_u128(id), false);
    attempt.breaker
}

#[test]
fn a_receiver_that_wants_a_pause_holds_all_of_its_subscription_and_nobody_else() {
    let (mut board, now) = (Board::new(64), Instant::now());
    let (busy, other) = (subscription(1, 2), subscription(2, 2));
    for id in [1, 2, 3, 4, 5] {
        assert!(board.offer(delivery(id, &busy), now) || id == 5);
    }
    assert_eq!(sent_ids(&mut board, now), [1, 2]);
    let wait = Duration::from_secs(90);
    let change = throttled(&mut board, 1, Throttle::Wait(wait), now);
    assert_eq!(change, Some(BreakerChange::Throttled { wait }));
    // What waited is put back, nothing more is taken or claimed of it, and the others notice nothing.
    assert!(!board.offer(delivery(6, &busy), now));
    assert!(board.full(now).contains(&busy.id));
    assert!(board.concerned().contains(&busy.id));
    assert!(board.offer(delivery(7, &other), now));
    assert_eq!(sent_ids(&mut board, now), [7]);
    // A success of what was under way changes nothing.
    board.attempted(
        &mut attempt(Uuid::from_u128(2), EndpointSignal::Success),
        now,
    );
    board.recorded(Uuid::from_u128(2), false);
    assert!(!board.offer(delivery(6, &busy), now));
    // It is no failure, however often.
    assert!(board.breakers.failing().next().is_none());
    board.take_hunger();
    let over = now + wait;
    assert!(board.next_timer().is_some_and(|at| at <= over));
    board.due(over);
    assert!(board.take_hunger());
    assert!(!board.full(over).contains(&busy.id));
    // With fewer at once.
    for id in [8, 9] {
        board.offer(delivery(id, &busy), over);
    }
    assert_eq!(sent_ids(&mut board, over), [8]);
}

#[test]
fn a_test_of_a_receiver_that_wants_a_pause_ends_without_a_request() {
    let (mut board, now) = (Board::new(64), Instant::now());
    let busy = subscription(1, 2);
    board.offer(delivery(1, &busy), now);
    assert_eq!(sent_ids(&mut board, now), [1]);
    throttled(&mut board, 1, Throttle::Wait(Duration::from_secs(90)), now);
    let test = Delivery {
        is_test: true,
        ..delivery(2, &busy)
    };
    assert!(board.offer(test, now));
    let test = board.next(now).unwrap();
    assert_eq!(test.message.err().as_deref(), Some(WANTS_A_PAUSE));
}

#[test]
fn a_test_tells_of_the_receiver_too() {
    let (mut board, now) = (Board::new(64), Instant::now());
    let busy = subscription(1, 2);
    let test = Delivery {
        is_test: true,
        ..delivery(2, &busy)
    };
    board.offer(test, now);
    assert_eq!(sent_ids(&mut board, now), [2]);
    throttled(&mut board, 2, Throttle::Wait(Duration::from_secs(90)), now);
    assert!(board.full(now).contains(&busy.id));
}

#[test]
fn who_looks_after_a_receiver_ends_its_pause() {
    let (mut board, now) = (Board::new(64), Instant::now());
    let busy = subscription(1, 2);
    for id in [1, 2] {
        board.offer(delivery(id, &busy), now);
    }
    assert_eq!(sent_ids(&mut board, now), [1, 2]);
    let wait = Throttle::Wait(Duration::from_secs(90));
    throttled(&mut board, 1, wait, now);
    board.changed(busy.id);
    assert!(!board.full(now).contains(&busy.id));
    // An answer that was under way before it is not heard.
    assert_eq!(throttled(&mut board, 2, wait, now), None);
    assert!(board.offer(delivery(3, &busy), now));
}

use super::*;

const TENANT: u128 = 7;

fn meters() -> Vec<Meter> {
    (0..METERS).map(|_| Meter::default()).collect()
}

/// How many single events can be taken at a time, at most `n`.
fn taken(meter: &Meter, n: i64, per_minute: i64, now: i64) -> i64 {
    (0..n)
        .filter(|_| meter.take(1, per_minute, now).is_ok())
        .count() as i64
}

#[test]
fn a_minutes_events_at_once_and_then_one_by_one() {
    for per_minute in [1, 7, 60, 1000, 59_999] {
        let meter = Meter::default();
        let start = 1_700_000_000 * SECOND;
        assert_eq!(taken(&meter, per_minute + 5, per_minute, start), per_minute);
        assert_eq!(meter.taken(per_minute, start), per_minute);
        let interval = MINUTE / per_minute;
        let wait = meter.take(1, per_minute, start).unwrap_err().unwrap();
        // Division leaves a remainder: the bucket is a trifle more than full.
        assert!((1..=interval).contains(&wait), "{per_minute}: {wait}");
        assert!(meter.take(1, per_minute, start + wait - 1).is_err());
        assert!(meter.take(1, per_minute, start + wait).is_ok());
        // A minute later all of it is back, and no more for waiting longer.
        for later in [1, 2, 100] {
            let meter = Meter::default();
            assert_eq!(taken(&meter, per_minute, per_minute, start), per_minute);
            let now = start + later * MINUTE;
            assert_eq!(meter.taken(per_minute, now), 0);
            assert_eq!(taken(&meter, per_minute + 5, per_minute, now), per_minute);
        }
    }
}

#[test]
fn all_or_none() {
    let meter = Meter::default();
    assert_eq!(meter.take(11, 10, 0), Err(None));
    assert_eq!(meter.take(i64::MAX, 10, 0), Err(None));
    assert_eq!(meter.take(6, 10, 0), Ok(()));
    assert_eq!(meter.take(6, 10, 0), Err(Some(2 * MINUTE / 10)));
    assert_eq!(meter.take(4, 10, 0), Ok(()));
    // As if it had not been.
    assert!(meter.take(1, 10, 0).is_err());
    meter.give_back(3, 10);
    assert_eq!(meter.take(4, 10, 0), Err(Some(MINUTE / 10)));
    assert_eq!(meter.take(3, 10, 0), Ok(()));
}

#[test]
fn another_limit_keeps_what_was_taken() {
    let meter = Meter::default();
    assert_eq!(meter.take(10, 10, 0), Ok(()));
    assert!(meter.take(1, 10, 0).is_err());
    // Raised: all of the difference is there at once.
    assert_eq!(taken(&meter, 200, 100, 0), 90);
    // Lowered: nothing for as long as the bucket takes to fill.
    assert_eq!(taken(&meter, 200, 50, 0), 0);
    assert_eq!(taken(&meter, 200, 50, MINUTE), 50);
}

#[test]
fn a_clock_that_is_set_back_locks_nobody_out() {
    let meter = Meter::default();
    let noon = 1_700_000_000 * SECOND;
    assert_eq!(taken(&meter, 5, 5, noon), 5);
    assert_eq!(taken(&meter, 9, 5, noon - 60 * MINUTE), 5);
    meter.know(5, 5, 0, noon);
    assert_eq!(
        meter.outstanding(5, noon - 60 * MINUTE),
        Outstanding::Unknown
    );
}

#[test]
fn sessions_together_take_no_more() {
    let meters = meters();
    let meters = Meters(&meters);
    let taken = std::thread::scope(|scope| {
        let sessions: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let meter = meters.meter(TENANT, 1).unwrap();
                    taken(meter, 1000, 3000, 1)
                })
            })
            .collect();
        sessions.into_iter().map(|s| s.join().unwrap()).sum::<i64>()
    });
    assert_eq!(taken, 3000);
}

#[test]
fn tenants_have_meters_of_their_own_while_they_are_busy() {
    let meters = meters();
    let meters = Meters(&meters);
    let tenants = 1..=4000_u128;
    for tenant in tenants.clone() {
        assert_eq!(taken(meters.meter(tenant, 0).unwrap(), 9, 3, 0), 3);
    }
    for tenant in tenants {
        let meter = meters.meter(tenant, MINUTE / 2).unwrap();
        assert_eq!(taken(meter, 9, 3, 0), 0, "{tenant}");
    }
    // Far more than there is room for: no error, and room again when they are idle.
    let crowd = 10_000..60_000_u128;
    for tenant in crowd.clone() {
        if let Some(meter) = meters.meter(tenant, 0) {
            assert!(meter.take(3, 3, 0).is_ok(), "{tenant} has another's meter");
        }
    }
    assert!(
        crowd
            .clone()
            .any(|tenant| meters.meter(tenant, 0).is_none())
    );
    for tenant in crowd {
        let meter = meters.meter(tenant, 2 * MINUTE).unwrap();
        assert_eq!(taken(meter, 4, 3, 2 * MINUTE), 3);
        // It is idle at once, for the next.
        meter.full_at.store(0, Relaxed);
    }
}

#[test]
fn one_counts_for_all() {
    use Outstanding::{Known, Unknown};
    let meter = Meter::default();
    let now = 1_700_000_000 * SECOND;
    assert_eq!(meter.outstanding(1000, now), Unknown);
    assert_eq!(meter.outstanding(1000, now), Known(0));
    meter.know(1000, 1000, MILLISECOND, now);
    // At the limit: for fifty times as long as counting took.
    let until = now + 50 * MILLISECOND;
    assert_eq!(meter.outstanding(1000, until - 1), Known(1000));
    assert_eq!(meter.outstanding(1000, until), Unknown);
    assert_eq!(meter.outstanding(1000, until), Known(1000));
    meter.pass();
    assert_eq!(meter.outstanding(1000, until), Unknown);
    // Who was to count and did not is not waited for.
    assert_eq!(meter.outstanding(1000, until + SECOND), Unknown);
    // Far below: for as long as it takes to get there.
    meter.know(200, 1000, 0, now);
    assert_eq!(
        meter.outstanding(1000, now + 40 * MILLISECOND - 1),
        Known(200)
    );
    assert_eq!(meter.outstanding(1000, now + 40 * MILLISECOND), Unknown);
    meter.know(0, i64::MAX, i64::MAX, now);
    assert_eq!(meter.outstanding(i64::MAX, now + MINUTE - 1), Known(0));
    // Another limit is another count.
    assert_eq!(meter.outstanding(10, now + 1), Unknown);
    assert_eq!(meter.outstanding(10, now + 2), Known(0));
}

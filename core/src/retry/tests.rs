use super::*;
use proptest::prelude::*;

fn policy() -> RetryPolicy {
    RetryPolicy {
        schedule: doubling(3, secs(60), secs(200)),
        no_retry_statuses: vec![410, 422],
        retry_after_cap: secs(3600),
    }
}

fn doubling(retries: u32, first: Duration, longest: Duration) -> RetrySchedule {
    RetrySchedule::Doubling {
        retries,
        first,
        longest,
    }
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn status(status: u16) -> Outcome {
    Outcome::Response {
        status,
        retry_after: None,
    }
}

fn status_after(status: u16, seconds: u64) -> Outcome {
    Outcome::Response {
        status,
        retry_after: Some(secs(seconds)),
    }
}

const TOO_LARGE: Outcome = Outcome::PayloadTooLarge {
    size_bytes: 2048,
    limit_bytes: 1024,
};

#[test]
fn a_test_is_tried_once_and_disables_nothing() {
    for ok in [200, 204, 299] {
        assert_eq!(decide_test(&status(ok)), Decision::Delivered);
    }
    for outcome in [
        status(199),
        status(302),
        status(410),
        status_after(503, 1),
        TOO_LARGE,
        Outcome::Timeout,
        Outcome::AddressRefused,
    ] {
        let reason = outcome.to_string();
        assert_eq!(decide_test(&outcome), Decision::Fail(reason));
    }
}

/// Attempt, outcome, jitter → decision: the policy of the module's documentation, row by row.
#[test]
fn the_policy() {
    let retry = |seconds| Decision::RetryAfter(secs(seconds));
    let fail = |reason: &str| Decision::Fail(reason.into());
    let gone = Decision::FailAndDisable(
        "HTTP status 410: the receiver is gone for good; the subscription was disabled".into(),
    );
    let cases = [
        // 2xx is delivered, at any attempt.
        (1, status(200), 0.5, Decision::Delivered),
        (1, status(204), 0.5, Decision::Delivered),
        (9, status(299), 0.5, Decision::Delivered),
        // Everything else retries.
        (1, status(199), 0.5, retry(60)),
        (1, status(301), 0.5, retry(60)),
        (1, status(400), 0.5, retry(60)),
        (1, status(401), 0.5, retry(60)),
        (1, status(404), 0.5, retry(60)),
        (1, status(500), 0.5, retry(60)),
        (1, status(999), 0.5, retry(60)),
        (1, Outcome::Timeout, 0.5, retry(60)),
        (1, Outcome::Connect, 0.5, retry(60)),
        (1, Outcome::Dns, 0.5, retry(60)),
        (1, Outcome::Tls, 0.5, retry(60)),
        (1, Outcome::AddressRefused, 0.5, retry(60)),
        (1, Outcome::Io, 0.5, retry(60)),
        (1, Outcome::InvalidRequest, 0.5, retry(60)),
        (1, Outcome::Panicked, 0.5, retry(60)),
        // Backoff doubles up to the cap; jitter is ±10 % and stays under the cap.
        (2, status(500), 0.5, retry(120)),
        (3, status(500), 0.5, retry(200)),
        (1, status(500), 0.0, retry(54)),
        (1, status(500), 1.0, retry(66)),
        (3, status(500), 0.0, retry(180)),
        (3, status(500), 1.0, retry(200)),
        (1, status(500), f64::NAN, retry(60)),
        (1, status(500), -7.0, retry(54)),
        (1, status(500), f64::INFINITY, retry(66)),
        (0, status(500), 0.5, retry(60)),
        // Then it gives up.
        (
            4,
            status(500),
            0.5,
            fail("HTTP status 500: gave up after 4 attempts"),
        ),
        (
            4,
            status(302),
            0.5,
            fail("HTTP status 302 (redirects are not followed): gave up after 4 attempts"),
        ),
        (
            4,
            Outcome::Dns,
            0.5,
            fail("could not resolve the host: gave up after 4 attempts"),
        ),
        (
            u32::MAX,
            Outcome::Timeout,
            0.5,
            fail("timed out: gave up after 4294967295 attempts"),
        ),
        // At once for these.
        (
            1,
            status(422),
            0.5,
            fail("HTTP status 422: listed in no_retry_statuses"),
        ),
        (
            1,
            TOO_LARGE,
            0.5,
            fail(
                "payload of 2048 bytes is larger than the subscription's max_payload_size_kb (1024 bytes)",
            ),
        ),
        (1, status(410), 0.5, gone.clone()),
        (4, status(410), 0.5, gone.clone()),
        // Retry-After on 429, 502, 503 and 504, in full up to its cap; never less than the backoff.
        (1, status_after(429, 90), 0.5, retry(90)),
        (1, status_after(503, 90), 1.0, retry(90)),
        (1, status_after(503, 10), 0.5, retry(60)),
        (1, status_after(502, 90), 0.5, retry(90)),
        (1, status_after(504, 90), 0.5, retry(90)),
        (1, status_after(429, 3000), 0.5, retry(3000)),
        (1, status_after(429, 99_999), 0.5, retry(3600)),
        (1, status_after(429, u64::MAX), 0.5, retry(3600)),
        (1, status_after(500, 90), 0.5, retry(60)),
        (1, status_after(301, 90), 0.5, retry(60)),
        (
            4,
            status_after(429, 90),
            0.5,
            fail("HTTP status 429: gave up after 4 attempts"),
        ),
        (1, status_after(200, 90), 0.5, Decision::Delivered),
    ];
    for (attempt, outcome, jitter, expected) in cases {
        let decision = decide(&policy(), attempt, &outcome, jitter);
        assert_eq!(
            decision, expected,
            "attempt {attempt}, {outcome:?}, {jitter}"
        );
    }
    // 410 disables whether listed or not.
    let unlisted = RetryPolicy {
        no_retry_statuses: vec![],
        ..policy()
    };
    assert_eq!(decide(&unlisted, 1, &status(410), 0.5), gone);
}

#[test]
fn a_listed_schedule_ends_with_its_list() {
    let listed = RetryPolicy {
        schedule: RetrySchedule::Listed(vec![secs(5), secs(36_000)]),
        ..policy()
    };
    let retry = |seconds| Decision::RetryAfter(secs(seconds));
    assert_eq!(decide(&listed, 1, &status(500), 0.5), retry(5));
    assert_eq!(decide(&listed, 1, &status_after(503, 90), 0.5), retry(90));
    assert_eq!(decide(&listed, 2, &status(500), 0.5), retry(36_000));
    assert_eq!(
        decide(&listed, 3, &status(500), 0.5),
        Decision::Fail("HTTP status 500: gave up after 3 attempts".into())
    );
}

#[test]
fn no_retries_means_one_attempt() {
    let once = RetryPolicy {
        schedule: doubling(0, secs(60), secs(200)),
        ..policy()
    };
    assert_eq!(
        decide(&once, 1, &Outcome::Connect, 0.5),
        Decision::Fail("could not connect: gave up after 1 attempt".into())
    );
}

#[test]
fn extremes_saturate() {
    let extreme = RetryPolicy {
        schedule: doubling(u32::MAX, Duration::MAX, Duration::MAX),
        retry_after_cap: Duration::MAX,
        ..policy()
    };
    for attempt in [1, 2, 64, 65, 128, u32::MAX] {
        let decision = decide(&extreme, attempt, &Outcome::Io, 1.0);
        assert_eq!(decision, Decision::RetryAfter(Duration::MAX));
    }
    let tiny = RetryPolicy {
        schedule: doubling(u32::MAX, Duration::from_nanos(1), Duration::MAX),
        ..extreme
    };
    assert_eq!(
        decide(&tiny, 41, &Outcome::Io, 0.5),
        Decision::RetryAfter(Duration::from_nanos(1 << 40))
    );
    assert_eq!(
        decide(&tiny, 200, &Outcome::Io, 0.5),
        Decision::RetryAfter(Duration::MAX)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn delays_stay_in_bounds(
        attempt in 1_u32..200, base_ms in 0_u64..10_000_000, cap_ms in 0_u64..100_000_000, jitter in 0.0..=1.0_f64,
        asked in prop::option::of(any::<u64>()),
    ) {
        let (base, cap) = (Duration::from_millis(base_ms), Duration::from_millis(cap_ms));
        let policy = RetryPolicy { schedule: doubling(u32::MAX, base, cap), ..policy() };
        let outcome = Outcome::Response { status: 429, retry_after: asked.map(secs) };
        let Decision::RetryAfter(delay) = decide(&policy, attempt, &outcome, jitter) else {
            return Err(TestCaseError::fail("not retried"));
        };
        let asked = asked.map_or(Duration::ZERO, secs).min(policy.retry_after_cap);
        prop_assert!(delay >= asked && delay <= cap.max(asked));
        prop_assert!(delay >= base.min(cap).mul_f64(0.899), "at least nine tenths of the first delay");
        if asked.is_zero() && attempt < 20 {
            let exact = base.saturating_mul(1 << (attempt - 1)).min(cap);
            prop_assert!(delay <= exact.mul_f64(1.101) && delay >= exact.mul_f64(0.899));
        }
    }
}

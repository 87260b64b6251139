use super::super::answer::Found;
use super::super::failure::Failed;
use super::*;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

fn found(seconds: u64) -> Answer {
    Ok(Found {
        addresses: vec!["192.0.2.1".parse().unwrap()],
        lifetime: Duration::from_secs(seconds),
    })
}

#[tokio::test]
async fn one_look_up_serves_all_who_wait_and_those_who_come_later() {
    let cache = Arc::new(Cache::new(4));
    let (asked, answer) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let counted = Arc::clone(&asked);
    let awaited = Arc::clone(&answer);
    let look_up = move || {
        let (asked, answer) = (Arc::clone(&counted), Arc::clone(&awaited));
        async move {
            asked.fetch_add(1, Ordering::SeqCst);
            answer.notified().await;
            found(60)
        }
    };
    let find = || cache.find("a", look_up.clone());
    let waiting = async { tokio::join!(find(), find()) };
    let answering = async { answer.notify_one() };
    let ((first, second), ()) = tokio::join!(waiting, answering);
    assert!(first.is_ok() && second.is_ok());
    assert!(find().await.is_ok());
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    cache.forget();
    answer.notify_one();
    assert!(find().await.is_ok());
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_has_no_lifetime_is_asked_again() {
    let cache = Arc::new(Cache::new(4));
    assert!(cache.find("a", || async { found(0) }).await.is_ok());
    let failed = || async { Err(Failed::new(LookupFailure::NoSuchName)) };
    assert!(cache.find("a", failed).await.is_err());
    assert!(cache.find("a", || async { found(60) }).await.is_err());
}

#[tokio::test]
async fn names_that_never_answer_leave_most_slots_to_others() {
    let cache = Arc::new(Cache::new(4));
    let dead = |n: usize| {
        let cache = Arc::clone(&cache);
        async move { cache.find(&format!("dead{n}"), pending).await }
    };
    // Known to be silent, since they were given up late.
    for n in 0..8 {
        let given_up = tokio::time::timeout(PATIENCE + Duration::from_millis(20), dead(n)).await;
        assert!(given_up.is_err());
    }
    let mut again: Vec<_> = (0..8).map(|n| tokio::spawn(dead(n))).collect();
    tokio::task::yield_now().await;
    for n in 0..4 {
        let name = format!("alive{n}");
        assert!(cache.find(&name, || async { found(60) }).await.is_ok());
    }
    again.iter_mut().for_each(|task| task.abort());
}

#[tokio::test]
async fn names_that_are_slow_for_the_first_time_hold_up_others_for_a_moment() {
    let cache = Arc::new(Cache::new(4));
    let mut slow = tokio::task::JoinSet::new();
    for n in 0..8 {
        let cache = Arc::clone(&cache);
        slow.spawn(async move { cache.find(&format!("slow{n}"), pending).await });
    }
    tokio::task::yield_now().await;
    let alive = cache.find("alive", || async { found(60) });
    let alive = tokio::time::timeout(PATIENCE * 10, alive).await;
    assert!(
        alive.is_ok(),
        "it waits behind those that nobody answers for"
    );
}

#[tokio::test]
async fn a_slow_failure_is_slow_as_silence_is() {
    let cache = Arc::new(Cache::new(4));
    let fails = |after: Duration| {
        move || async move {
            tokio::time::sleep(after).await;
            Err(Failed {
                reason: LookupFailure::ServerFailed("Server Failure".to_owned()),
                lifetime: Duration::ZERO,
            })
        }
    };
    for (after, is_slow) in [
        (PATIENCE + Duration::from_millis(20), true),
        (Duration::ZERO, false),
    ] {
        assert!(cache.find("a", fails(after)).await.is_err());
        let seen = cache.lock().look("a");
        assert!(matches!(seen, Seen::Nothing { was_slow } if was_slow == is_slow));
    }
}

#[tokio::test]
async fn names_are_bounded() {
    let cache = Arc::new(Cache::new(4));
    for n in 0..MOST_NAMES + 10 {
        let name = format!("name{n}");
        assert!(cache.find(&name, || async { found(60) }).await.is_ok());
    }
    assert!(cache.lock().entries.len() <= MOST_NAMES);
}

use super::super::failure::Failed;
use super::super::question::Found;
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
    let look_up = || {
        let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
        async move {
            asked.fetch_add(1, Ordering::SeqCst);
            answer.notified().await;
            found(60)
        }
    };
    let waiting = async { tokio::join!(cache.find("a", look_up), cache.find("a", look_up)) };
    let answering = async { answer.notify_one() };
    let ((first, second), ()) = tokio::join!(waiting, answering);
    assert!(first.is_ok() && second.is_ok());
    assert!(cache.find("a", look_up).await.is_ok());
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    cache.forget();
    answer.notify_one();
    assert!(cache.find("a", look_up).await.is_ok());
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
        let given_up = tokio::time::timeout(SILENCE + Duration::from_millis(20), dead(n)).await;
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
async fn names_are_bounded() {
    let cache = Arc::new(Cache::new(4));
    for n in 0..MOST_NAMES + 10 {
        let name = format!("name{n}");
        assert!(cache.find(&name, || async { found(60) }).await.is_ok());
    }
    assert!(cache.lock().entries.len() <= MOST_NAMES);
}

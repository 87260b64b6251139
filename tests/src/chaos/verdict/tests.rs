use super::super::subscription::Wants;
use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Two subscriptions, both ordered; nothing has happened.
fn nothing() -> Evidence {
    let subscription = |name: &str| Subscription {
        name: name.to_owned(),
        tenant: 0,
        wants: Wants::All,
        ordered: true,
        calm: false,
    };
    Evidence {
        committed: BTreeSet::new(),
        published: HashMap::new(),
        subscriptions: vec![subscription("a"), subscription("b")],
        receipts: Vec::new(),
        struck: Vec::new(),
        recovery_target: 5 * SECOND,
    }
}

fn publish(evidence: &mut Evidence, wanted: &[usize], place: Option<(usize, u64)>) -> Uuid {
    let event = Uuid::new_v4();
    evidence.committed.insert(event);
    let wanted = wanted.to_vec();
    evidence
        .published
        .insert(event, Published { wanted, place });
    event
}

/// A request at some second, answered a tenth later, or not.
fn arrive(evidence: &mut Evidence, event: Uuid, subscription: usize, at: Instant, ok: bool) {
    evidence.receipts.push(Receipt {
        event,
        subscription,
        arrived: at,
        delivered: ok.then(|| at + SECOND / 10),
        signed: true,
    });
}

fn strike(evidence: &mut Evidence, fault: Fault, began: Instant, over: Option<Instant>) {
    evidence.struck.push(Struck {
        fault,
        at: Duration::ZERO,
        began,
        over,
        recovery: None,
    });
}

use super::super::fault::Fault;
use super::super::recovery::Recovery;

#[test]
fn all_is_well() {
    let mut evidence = nothing();
    let start = Instant::now();
    let event = publish(&mut evidence, &[0, 1], None);
    publish(&mut evidence, &[], None);
    arrive(&mut evidence, event, 0, start, true);
    arrive(&mut evidence, event, 1, start, false);
    arrive(&mut evidence, event, 1, start + SECOND, true);
    assert_eq!(evidence.violations(), []);
    let expected = Counts {
        committed: 2,
        unmatched: 1,
        deliveries: 2,
        requests: 3,
        retries: 1,
        ..Counts::default()
    };
    assert_eq!(evidence.counts(), expected);
}

#[test]
fn what_is_lost_or_invented_is_named() {
    let mut evidence = nothing();
    let start = Instant::now();
    // Arrived, but never answered with success; not arrived at all.
    let lost = publish(&mut evidence, &[0, 1], None);
    arrive(&mut evidence, lost, 0, start, false);
    let undone = publish(&mut evidence, &[1], None);
    evidence.committed.remove(&undone);
    arrive(&mut evidence, undone, 1, start, true);
    let narrow = publish(&mut evidence, &[0], None);
    arrive(&mut evidence, narrow, 0, start, true);
    arrive(&mut evidence, narrow, 1, start, true);
    evidence.receipts[0].signed = false;
    assert_eq!(
        evidence.lost(),
        [format!("{lost} to a"), format!("{lost} to b")]
    );
    assert_eq!(evidence.phantoms(), [format!("{undone} to b")]);
    assert_eq!(evidence.misrouted(), [format!("{narrow} to b")]);
    assert_eq!(evidence.unsigned(), [format!("{lost} to a")]);
    assert_eq!(evidence.violations().len(), 4);
}

#[test]
fn a_repeat_needs_a_fault_that_explains_it() {
    let start = Instant::now() + 100 * SECOND;
    let killed = || Fault::KillSidecar {
        which: 0,
        away: Duration::ZERO,
    };
    let repeated = |fault: Fault, answered: Instant, over: Option<Instant>| {
        let mut evidence = nothing();
        let event = publish(&mut evidence, &[0], None);
        arrive(&mut evidence, event, 0, answered, true);
        arrive(&mut evidence, event, 0, answered + 20 * SECOND, true);
        strike(&mut evidence, fault, start, over);
        // The one before did not wait; its danger lasts until this one is over.
        strike(
            &mut evidence,
            Fault::Join,
            start + SECOND,
            Some(start + 9 * SECOND),
        );
        assert_eq!(evidence.counts().repeats, 1);
        evidence.unexplained().is_empty()
    };
    let over = Some(start + 3 * SECOND);
    assert!(repeated(killed(), start - SECOND / 2, over));
    assert!(repeated(killed(), start + 2 * SECOND, over));
    assert!(!repeated(killed(), start - 3 * SECOND, over));
    assert!(!repeated(killed(), start + 4 * SECOND, over));
    assert!(repeated(killed(), start + 4 * SECOND, None));
    assert!(!repeated(killed(), start + 10 * SECOND, None));
    assert!(!repeated(Fault::Join, start - SECOND / 2, over));
}

#[test]
fn a_request_beside_another_one_is_a_repeat() {
    let start = Instant::now() + 100 * SECOND;
    let mut evidence = nothing();
    let event = publish(&mut evidence, &[0], None);
    arrive(&mut evidence, event, 0, start, true);
    arrive(&mut evidence, event, 0, start + SECOND / 20, true);
    assert_eq!(evidence.unexplained().len(), 1);
    // Under way when the network was cut and its shard went to another sidecar.
    let cut = Fault::CutNetwork { which: 0 };
    let over = Some(start + SECOND / 30);
    strike(&mut evidence, cut, start + SECOND / 40, over);
    assert_eq!(evidence.unexplained(), [""; 0]);
}

#[test]
fn overtaking_is_seen() {
    let start = Instant::now();
    let overtaken = |second: Instant, ok: bool, key: usize| {
        let mut evidence = nothing();
        // Number 1 was rolled back.
        let events = [(0, 0), (key, 2)].map(|place| publish(&mut evidence, &[0], Some(place)));
        arrive(&mut evidence, events[0], 0, start, ok);
        arrive(&mut evidence, events[1], 0, second, true);
        arrive(&mut evidence, events[0], 0, start + 3 * SECOND, true);
        !evidence.overtaken().is_empty()
    };
    assert!(!overtaken(start + SECOND, true, 0));
    assert!(overtaken(start - SECOND, true, 0));
    // It has arrived, and is to be retried: the next one must wait.
    assert!(overtaken(start + SECOND, false, 0));
    assert!(!overtaken(start + SECOND, false, 1));

    // Its sidecar lost the shard during a slow request; the next owner's repeat was answered first.
    let mut evidence = nothing();
    let events = [0, 1].map(|place| publish(&mut evidence, &[0], Some((0, place))));
    arrive(&mut evidence, events[0], 0, start, true);
    evidence.receipts[0].delivered = Some(start + 9 * SECOND);
    arrive(&mut evidence, events[0], 0, start + SECOND, true);
    arrive(&mut evidence, events[1], 0, start + 2 * SECOND, true);
    assert_eq!(evidence.overtaken(), [""; 0]);
    evidence.receipts.remove(1);
    assert_eq!(evidence.overtaken().len(), 1);
}

#[test]
fn slow_recoveries_are_seen() {
    let mut evidence = nothing();
    for first in [1, 5, 6] {
        let now = Instant::now();
        strike(&mut evidence, Fault::Join, now, Some(now));
        let recovery = Recovery {
            first: first * SECOND,
            all: 7 * SECOND,
        };
        evidence.struck.last_mut().unwrap().recovery = Some(recovery);
    }
    assert_eq!(evidence.slow().len(), 1);
}

//! Which faults happen when: all of it known before the first one, and the same for the same seed.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::fault::Fault;

/// Deliveries are under way before the first fault.
const FIRST: Duration = Duration::from_secs(2);
const KINDS: usize = 16;

/// A fault and its time from the start. What took longer than planned moves those that follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// When.
    pub at: Duration,
    /// What.
    pub fault: Fault,
    /// Whether the next one waits until deliveries go on again.
    pub recovers: bool,
}

/// The faults of `duration`. Every kind happens once before any happens again.
#[must_use]
pub fn schedule(seed: u64, duration: Duration) -> Vec<Planned> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut planned: Vec<Planned> = Vec::new();
    let mut at = FIRST;
    let mut joined = false;
    loop {
        let mut round: Vec<usize> = (0..KINDS).collect();
        round.shuffle(&mut rng);
        for kind in round {
            let fault = fault(kind, &mut joined, &mut rng);
            let lasts = fault.lasts();
            if at + lasts > duration {
                if let Some(last) = planned.last_mut() {
                    last.recovers = true;
                }
                return planned;
            }
            let recovers = rng.random_ratio(3, 4);
            planned.push(Planned {
                at,
                fault,
                recovers,
            });
            at += lasts;
            if recovers {
                at += millis(&mut rng, 1500, 4000);
            }
        }
    }
}

fn fault(kind: usize, joined: &mut bool, rng: &mut StdRng) -> Fault {
    let which = rng.random_range(0..60);
    match kind {
        0 => Fault::KillSidecar {
            which,
            away: millis(rng, 0, 1000),
        },
        // The lease is 5 s: some outlast it.
        1 => Fault::FreezeSidecar {
            which,
            lasts: millis(rng, 500, 9000),
        },
        2 => Fault::StallNetwork {
            which,
            lasts: millis(rng, 500, 9000),
        },
        3 => Fault::CutNetwork { which },
        4 => Fault::JumpClock {
            which,
            seconds: rng.random_range(-86_400..=86_400),
            lasts: millis(rng, 1000, 3000),
        },
        5 => Fault::TerminateSession { which },
        6 => Fault::KillSession { which },
        7 => Fault::KillBackend { which },
        8 => Fault::KillPostmaster {
            away: millis(rng, 0, 2000),
        },
        9 => Fault::StopImmediately {
            away: millis(rng, 0, 2000),
        },
        10 => Fault::ReadOnly {
            lasts: millis(rng, 500, 4000),
        },
        11 => Fault::FullDataDisk {
            lasts: millis(rng, 500, 4000),
        },
        12 => Fault::FullLogDisk {
            lasts: millis(rng, 500, 2000),
        },
        13 => Fault::HoldRows {
            which,
            lasts: millis(rng, 500, 6000),
        },
        // Twice in a round: it comes and goes.
        _ => {
            *joined = !*joined;
            if *joined {
                Fault::Join
            } else {
                Fault::Leave {
                    killed: rng.random(),
                }
            }
        }
    }
}

fn millis(rng: &mut StdRng, from: u64, to: u64) -> Duration {
    Duration::from_millis(rng.random_range(from..=to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_seed_makes_one_schedule() {
        let minutes = Duration::from_secs(300);
        let planned = schedule(7, minutes);
        assert_eq!(planned, schedule(7, minutes));
        assert_ne!(planned, schedule(8, minutes));
        assert!(planned.is_sorted_by_key(|planned| planned.at));
        let last = planned.last().unwrap();
        assert!(last.at + last.fault.lasts() <= minutes);
        // The beginning of a longer run is the shorter run.
        let mut short = schedule(7, minutes / 4);
        assert!(short.pop().unwrap().recovers);
        assert_eq!(short, planned[..short.len()]);
    }

    #[test]
    fn every_kind_happens_and_the_second_sidecar_comes_before_it_goes() {
        let planned = schedule(1, Duration::from_secs(600));
        let names: BTreeSet<_> = planned.iter().map(|p| p.fault.name()).collect();
        assert_eq!(names.len(), KINDS + 1, "{names:?}");
        let mut joined = false;
        for planned in planned {
            match planned.fault {
                Fault::Join => assert!(!std::mem::replace(&mut joined, true)),
                Fault::Leave { .. } => assert!(std::mem::replace(&mut joined, false)),
                _ => {}
            }
        }
    }
}

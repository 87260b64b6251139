//! Randomness that can be had again.

use rand::SeedableRng;
use rand::rngs::StdRng;

/// A source of random numbers. Its seed is printed, which the test runner shows if the test fails, and can be given in
/// `WEBHOOKS_TEST_SEED`: the same seed gives the same numbers.
#[must_use]
pub fn seeded() -> StdRng {
    let given = std::env::var("WEBHOOKS_TEST_SEED").ok();
    let seed = given
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(rand::random);
    println!("WEBHOOKS_TEST_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

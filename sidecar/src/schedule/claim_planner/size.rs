//! How many rows a claim asks for while there are fresh deliveries, beside these: they wait for the next claim.

use std::time::Duration;

/// Least room that is worth a claim.
pub const MIN_CLAIM: usize = 32;
/// Most rows of one claim.
pub const MAX_CLAIM: usize = 512;
/// A claim should take no longer, the network aside. Subscriptions that are met for the first time have to be read, so
/// that how many rows this is good for differs a lot.
const CLAIM_TIME: Duration = Duration::from_millis(2);
/// Fewest rows that a claim asks for, however slow it is.
const LEAST_ROWS: usize = MIN_CLAIM / 2;

/// A number of rows, which follows the time that claims take.
pub(super) struct ClaimSize(usize);

impl Default for ClaimSize {
    fn default() -> Self {
        Self(2 * MIN_CLAIM)
    }
}

impl ClaimSize {
    pub(super) fn rows(&self) -> usize {
        self.0
    }

    /// A claim of so many rows took so long.
    pub(super) fn on_claimed(&mut self, rows: usize, took: Duration) {
        let good_for = rows as f64 * CLAIM_TIME.as_secs_f64() / took.as_secs_f64().max(1e-6);
        let (least, most) = if rows >= self.0 && took <= CLAIM_TIME {
            (self.0, self.0 * 2)
        } else if rows * 2 >= self.0 && took > CLAIM_TIME {
            (self.0 / 2, self.0)
        } else {
            // So few rows say little of a row.
            return;
        };
        self.0 = (good_for as usize)
            .clamp(least, most)
            .clamp(LEAST_ROWS, MAX_CLAIM);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn claims_grow_while_they_are_quick_and_shrink_when_they_are_slow() {
        let mut size = ClaimSize::default();
        assert_eq!(size.rows(), 2 * MIN_CLAIM);
        for _ in 0..8 {
            size.on_claimed(size.rows(), MS);
        }
        assert_eq!(size.rows(), MAX_CLAIM);
        size.on_claimed(MAX_CLAIM, 2 * CLAIM_TIME);
        assert_eq!(size.rows(), MAX_CLAIM / 2);
        size.on_claimed(MAX_CLAIM / 2, CLAIM_TIME * 5 / 4);
        assert_eq!(size.rows(), MAX_CLAIM * 2 / 5, "as many as it has time for");
        size.on_claimed(1, MS);
        size.on_claimed(1, 2 * CLAIM_TIME);
        assert_eq!(size.rows(), MAX_CLAIM * 2 / 5);
        for _ in 0..8 {
            size.on_claimed(size.rows(), 20 * CLAIM_TIME);
        }
        assert_eq!(size.rows(), LEAST_ROWS);
    }
}

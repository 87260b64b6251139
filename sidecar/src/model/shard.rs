//! Shards: deliveries of tests lie in shards of their own, numbered on from the others.

/// How many shards there are, `shard_count()` in the database: the first shard of tests. The owner of a shard owns that
/// of its tests, too.
pub const COUNT: i16 = 16;

/// Whether a delivery that a claim brought is a test, by the shard that it lies in.
pub fn is_of_tests(shard: i16) -> bool {
    shard >= COUNT
}

/// The shard that has to be owned to make the deliveries that lie in a shard.
pub fn owned_for(shard: i16) -> i16 {
    shard % COUNT
}

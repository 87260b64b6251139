//! Kills, stalls, several sidecars, shutdown: every committed event arrives, none that was rolled back, and none is left behind.

mod chaos;
mod failover;
mod failpoints;
mod kills;
mod owners;
mod shutdown;
mod work;

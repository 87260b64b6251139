//! The harness, tested: clusters, receiver, proxy, and that nothing outlives a killed test process.

// `cfg(test)` tells clippy that the modules' helpers are tests too, where `unwrap` is fine.
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod leftovers;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod receiver;

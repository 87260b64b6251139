//! What advice calls the program that connects.

/// A program, and what it needs of the server.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// As in "this sidecar's version".
    pub name: &'static str,
    /// The role that its user has to be a member of.
    pub role: &'static str,
    /// How many sessions it has, as a sentence.
    pub sessions: &'static str,
}

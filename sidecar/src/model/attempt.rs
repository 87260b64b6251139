//! What an attempt says.

/// What an attempt says of the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointSignal {
    Success,
    Failure,
    /// It works, and wants less.
    Busy,
    /// Nothing: no request was made, or the request was not at fault of the endpoint.
    None,
}

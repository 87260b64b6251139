//! What the sidecar knows and passes around: plain data and rules about it, without I/O.

pub mod attempt;
pub mod claim;
pub mod delivery;
pub mod destination;
pub mod endpoint;
pub mod finding;
pub mod headers;
pub mod message;
pub mod policy;
pub mod queue_state;
pub mod receiver;
pub mod settings;
pub mod shard;
pub mod subscription;
pub mod traceparent;
pub mod verification;

pub use attempt::{Attempt, AttemptResult, EndpointSignal, Exchange, NotSent, Payload, Response};
pub use claim::{ClaimRequest, Claimed};
pub use delivery::Delivery;
pub use destination::Destination;
pub use endpoint::Endpoint;
pub use headers::Headers;
pub use message::Message;
pub use policy::{BreakerChange, BreakerPolicy, RateLimit};
pub use queue_state::QueueState;
pub use receiver::{FailureSeries, Receiver};
pub use settings::Settings;
pub use subscription::{BodyPolicy, Subscription, TemplateRoom, Verification};
pub use traceparent::Traceparent;
pub use verification::{Answer, Permission};

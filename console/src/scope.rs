//! Scopes: what access tokens, sessions and JWTs can permit. Their names are the database's; each is written here alone.

/// A scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    CreateSubscriptions,
    ReadSubscriptions,
    UpdateSubscriptions,
    DeleteSubscriptions,
    TestSubscriptions,
    Retry,
    PollDeliveries,
    PublishEvents,
    ReadEvents,
    ReadMetrics,
    ReadAudit,
    Operate,
}

impl Scope {
    /// Those of a tenant, which the API has, in the order of the documentation.
    pub const OF_A_TENANT: [Self; 11] = [
        Self::CreateSubscriptions,
        Self::ReadSubscriptions,
        Self::UpdateSubscriptions,
        Self::DeleteSubscriptions,
        Self::TestSubscriptions,
        Self::Retry,
        Self::PollDeliveries,
        Self::PublishEvents,
        Self::ReadEvents,
        Self::ReadMetrics,
        Self::ReadAudit,
    ];

    /// Its name, as the database has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::CreateSubscriptions => "webhook_subscriptions:create",
            Self::ReadSubscriptions => "webhook_subscriptions:read",
            Self::UpdateSubscriptions => "webhook_subscriptions:update",
            Self::DeleteSubscriptions => "webhook_subscriptions:delete",
            Self::TestSubscriptions => "webhook_subscriptions:test",
            Self::Retry => "webhook_subscriptions:retry",
            Self::PollDeliveries => "webhook_subscriptions:poll",
            Self::PublishEvents => "events:publish",
            Self::ReadEvents => "events:read",
            Self::ReadMetrics => "metrics:read",
            Self::ReadAudit => "audit:read",
            Self::Operate => "operator:read",
        }
    }

    /// What it permits.
    pub fn permits(self) -> &'static str {
        match self {
            Self::CreateSubscriptions => "to create subscriptions and templates",
            Self::ReadSubscriptions => "to read subscriptions, their deliveries, and templates",
            Self::UpdateSubscriptions => "to change subscriptions and templates",
            Self::DeleteSubscriptions => "to delete subscriptions and templates",
            Self::TestSubscriptions => "to send tests",
            Self::Retry => "to make deliveries again",
            Self::PollDeliveries => {
                "to fetch and acknowledge deliveries of subscriptions with `delivery` = `poll`"
            }
            Self::PublishEvents => "to publish events",
            Self::ReadEvents => "to read events and what became of them, and event types",
            Self::ReadMetrics => {
                "to read numbers of deliveries, events and endpoints, limits and usage"
            }
            Self::ReadAudit => "to read the audit log of the tenant",
            Self::Operate => "to read states of all tenants, without contents",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_says_what_each_permits() {
        let reference = include_str!("../../docs/reference/http-api.md");
        for scope in Scope::OF_A_TENANT {
            let row = format!("| `{}` | {}", scope.name(), scope.permits());
            assert!(reference.contains(&row), "{row}");
        }
    }
}

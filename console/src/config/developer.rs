//! Flags of the commands for who develops a receiver.

use clap::Args;
use std::path::PathBuf;
use url::Url;
use uuid::Uuid;

/// How the API is reached.
#[derive(Args)]
pub struct ApiArgs {
    /// Where the console is, which answers the API.
    #[arg(
        long,
        env = "WEBHOOKS_CONSOLE_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:9745"
    )]
    pub url: Url,

    /// File with the access token, without which the variable WEBHOOKS_TOKEN has it.
    #[arg(long, env = "WEBHOOKS_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    // A flag would show it to all users of the machine.
    #[arg(skip = std::env::var("WEBHOOKS_TOKEN").ok())]
    pub token: Option<String>,

    /// The tenant, which a token for all tenants has to name.
    #[arg(long, env = "WEBHOOKS_TENANT", value_name = "UUID")]
    pub tenant: Option<Uuid>,
}

#[derive(Args)]
pub struct ListenArgs {
    #[command(flatten)]
    pub api: ApiArgs,

    /// The receiver, usually a port of this machine: each delivery is sent there with POST, with its headers and
    /// signature.
    #[arg(long, value_name = "URL")]
    pub forward: Url,

    /// Event types, categories such as document.*, or * for all, with commas between them.
    #[arg(long, value_name = "TYPES", value_delimiter = ',', default_value = "*")]
    pub events: Vec<String>,

    /// Of events that name an environment, those of this one.
    #[arg(long, value_name = "NAME", default_value = "production")]
    pub environment: String,

    /// Format of the requests: envelope, standard, cloudevents or cloudevents-binary.
    #[arg(long, value_name = "NAME", default_value = "envelope")]
    pub format: String,
}

#[derive(Args)]
pub struct TriggerArgs {
    #[command(flatten)]
    pub api: ApiArgs,

    /// The type of the event to publish.
    pub event_type: String,

    /// The event's data instead of the example, as JSON.
    #[arg(long, value_name = "JSON")]
    pub data: Option<String>,

    /// Environment of the event. Unless given, subscriptions of all environments get it.
    #[arg(long, value_name = "NAME")]
    pub environment: Option<String>,
}

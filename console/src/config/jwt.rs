//! Flags of JSON Web Tokens: who issues them, and which of their claims say what.

use clap::Args;
use ipnet::IpNet;

#[derive(Args)]
pub struct JwtArgs {
    /// Accept JSON Web Tokens of an identity provider as access tokens of the API. Where its keys are: a file with a JWK
    /// Set or a public key in PEM, or the URL of a JWK Set, https unless it is of this machine. RS256, EdDSA (Ed25519)
    /// and, from a file alone, HS256.
    #[arg(
        long,
        env = "WEBHOOKS_CONSOLE_JWT_KEYS",
        value_name = "FILE_OR_URL",
        requires = "jwt_issuer",
        requires = "jwt_audience"
    )]
    pub jwt_keys: Option<String>,

    /// Addresses that the URL of --jwt-keys may have although they are not public: an identity provider on a private
    /// network, or on this machine (127.0.0.1/32). Repeatable, or comma-separated.
    #[arg(
        long = "jwt-allow-network",
        env = "WEBHOOKS_CONSOLE_JWT_ALLOW_NETWORKS",
        value_name = "CIDR",
        value_delimiter = ',',
        value_parser = network,
        requires = "jwt_keys"
    )]
    pub jwt_allow_networks: Vec<IpNet>,

    /// The issuer (claim iss) that each JWT must have.
    #[arg(
        long,
        env = "WEBHOOKS_CONSOLE_JWT_ISSUER",
        value_name = "TEXT",
        requires = "jwt_keys"
    )]
    pub jwt_issuer: Option<String>,

    /// The audience (claim aud) that each JWT must have: the name of this console at the identity provider.
    #[arg(
        long,
        env = "WEBHOOKS_CONSOLE_JWT_AUDIENCE",
        value_name = "TEXT",
        requires = "jwt_keys"
    )]
    pub jwt_audience: Option<String>,

    /// The claim with the tenant, a UUID. Without it a JWT is refused.
    #[arg(
        long,
        env = "WEBHOOKS_CONSOLE_JWT_TENANT_CLAIM",
        value_name = "CLAIM",
        default_value = "tenant_id"
    )]
    pub jwt_tenant_claim: String,

    /// The claim with the scopes, a text with spaces between them or an array. Scopes of others are ignored.
    #[arg(
        long,
        env = "WEBHOOKS_CONSOLE_JWT_SCOPE_CLAIM",
        value_name = "CLAIM",
        default_value = "scope"
    )]
    pub jwt_scope_claim: String,

    /// The claim with the user. One that is a UUID is the user whom the audit log shows.
    #[arg(
        long,
        env = "WEBHOOKS_CONSOLE_JWT_USER_CLAIM",
        value_name = "CLAIM",
        default_value = "sub"
    )]
    pub jwt_user_claim: String,

    /// Let the tenant claim be "*", which means all tenants. Who can write that claim at the identity provider is an
    /// operator then.
    #[arg(long, env = "WEBHOOKS_CONSOLE_JWT_ALL_TENANTS", requires = "jwt_keys")]
    pub jwt_all_tenants: bool,
}

fn network(text: &str) -> Result<IpNet, String> {
    let network = text.trim().parse();
    network.map_err(|_| "give an address and its prefix, such as 10.0.0.0/8".to_owned())
}

//! The keywords of libpq, and what this program does with them. None is ignored: those that it can't honour are
//! refused.

/// A parameter of a connection.
pub(super) struct Keyword {
    pub(super) name: &'static str,
    pub(super) variable: Option<&'static str>,
    rule: Rule,
}

enum Rule {
    Used,
    /// Only these values, which change nothing here; for others there is advice.
    Only(&'static [&'static str], &'static str),
    /// No value has an effect that is wanted or missed.
    NoEffect,
    Refused(&'static str),
}

impl Keyword {
    /// Why a value can't be honoured, and what to use instead.
    pub(super) fn problem(&self, value: &str) -> Option<&'static str> {
        match &self.rule {
            Rule::Used | Rule::NoEffect => None,
            Rule::Only(values, _) if values.iter().any(|v| v.eq_ignore_ascii_case(value)) => None,
            Rule::Only(_, advice) | Rule::Refused(advice) => Some(advice),
        }
    }
}

pub(super) fn find(name: &str) -> Option<&'static Keyword> {
    ALL.iter().find(|keyword| keyword.name == name)
}

const fn used(name: &'static str, variable: Option<&'static str>) -> Keyword {
    Keyword {
        name,
        variable,
        rule: Rule::Used,
    }
}

const fn only(
    name: &'static str,
    variable: Option<&'static str>,
    values: &'static [&'static str],
    advice: &'static str,
) -> Keyword {
    Keyword {
        name,
        variable,
        rule: Rule::Only(values, advice),
    }
}

const fn refused(
    name: &'static str,
    variable: Option<&'static str>,
    advice: &'static str,
) -> Keyword {
    Keyword {
        name,
        variable,
        rule: Rule::Refused(advice),
    }
}

const NO_GSS: &str = "this program has no GSSAPI; leave it out, and use a password (SCRAM) or a client certificate (sslcert), with sslmode=verify-full";
const NO_OAUTH: &str = "this program has no OAuth; use a password (SCRAM) or a client certificate (sslcert and sslkey)";
const NO_KEYS: &str =
    "give the password, in ~/.pgpass, --password-file or PGPASSWORD, instead of a key made of it";
const NO_CRL: &str = "this program reads no lists of revoked certificates; leave it out, and let the server have a new certificate authority when a certificate must not be trusted any more";

pub(super) const ALL: &[Keyword] = &[
    used("service", Some("PGSERVICE")),
    used("servicefile", Some("PGSERVICEFILE")),
    used("host", Some("PGHOST")),
    used("hostaddr", Some("PGHOSTADDR")),
    used("port", Some("PGPORT")),
    used("dbname", Some("PGDATABASE")),
    used("user", Some("PGUSER")),
    used("password", Some("PGPASSWORD")),
    used("passfile", Some("PGPASSFILE")),
    used("options", Some("PGOPTIONS")),
    used("application_name", Some("PGAPPNAME")),
    // The sessions have names of their own.
    Keyword {
        name: "fallback_application_name",
        variable: None,
        rule: Rule::NoEffect,
    },
    used("connect_timeout", Some("PGCONNECT_TIMEOUT")),
    used("keepalives", None),
    used("keepalives_idle", None),
    used("keepalives_interval", None),
    used("keepalives_count", None),
    used("tcp_user_timeout", None),
    used("target_session_attrs", Some("PGTARGETSESSIONATTRS")),
    used("load_balance_hosts", Some("PGLOADBALANCEHOSTS")),
    used("channel_binding", Some("PGCHANNELBINDING")),
    used("sslmode", Some("PGSSLMODE")),
    used("sslnegotiation", Some("PGSSLNEGOTIATION")),
    used("sslcert", Some("PGSSLCERT")),
    used("sslkey", Some("PGSSLKEY")),
    used("sslcertmode", Some("PGSSLCERTMODE")),
    used("sslrootcert", Some("PGSSLROOTCERT")),
    refused(
        "sslpassword",
        None,
        "keys that are encrypted can't be read; store the key without a password, in a file that only this program's user can read, and leave sslpassword out",
    ),
    refused("sslcrl", Some("PGSSLCRL"), NO_CRL),
    refused("sslcrldir", Some("PGSSLCRLDIR"), NO_CRL),
    only(
        "sslsni",
        Some("PGSSLSNI"),
        &["1"],
        "TLS always names the server that is meant; leave it out",
    ),
    only(
        "sslcompression",
        Some("PGSSLCOMPRESSION"),
        &["0"],
        "TLS is never compressed; leave it out",
    ),
    only(
        "ssl_min_protocol_version",
        Some("PGSSLMINPROTOCOLVERSION"),
        &["TLSv1", "TLSv1.1", "TLSv1.2"],
        "TLS 1.2 or 1.3 is used; leave it out, and set ssl_min_protocol_version of the server",
    ),
    only(
        "ssl_max_protocol_version",
        Some("PGSSLMAXPROTOCOLVERSION"),
        &["TLSv1.3"],
        "TLS 1.2 or 1.3 is used; leave it out, and set ssl_max_protocol_version of the server",
    ),
    refused(
        "sslkeylogfile",
        None,
        "the keys of TLS sessions are written nowhere; leave it out",
    ),
    only(
        "gssencmode",
        Some("PGGSSENCMODE"),
        &["disable", "prefer"],
        NO_GSS,
    ),
    refused("krbsrvname", Some("PGKRBSRVNAME"), NO_GSS),
    refused("gsslib", Some("PGGSSLIB"), NO_GSS),
    only("gssdelegation", Some("PGGSSDELEGATION"), &["0"], NO_GSS),
    refused(
        "require_auth",
        Some("PGREQUIREAUTH"),
        "use channel_binding=require with sslmode=verify-full, which accepts nothing but SCRAM with the server that is meant",
    ),
    refused(
        "requirepeer",
        Some("PGREQUIREPEER"),
        "use a directory of the socket that only the server's user can write to, or sslmode=verify-full over TCP",
    ),
    only(
        "client_encoding",
        Some("PGCLIENTENCODING"),
        &["auto", "UTF8", "UTF-8", "unicode"],
        "sessions are in UTF8, whatever the database is in; leave it out",
    ),
    only(
        "replication",
        None,
        &["false", "off", "no", "0"],
        "this program needs sessions of the usual kind; leave it out",
    ),
    only(
        "min_protocol_version",
        Some("PGMINPROTOCOLVERSION"),
        &["3.0"],
        "protocol version 3.0 is used; leave it out",
    ),
    only(
        "max_protocol_version",
        Some("PGMAXPROTOCOLVERSION"),
        &["3.0", "3.2", "latest"],
        "protocol version 3.0 is used; leave it out",
    ),
    refused("scram_client_key", None, NO_KEYS),
    refused("scram_server_key", None, NO_KEYS),
    refused("oauth_issuer", None, NO_OAUTH),
    refused("oauth_client_id", None, NO_OAUTH),
    refused("oauth_client_secret", None, NO_OAUTH),
    refused("oauth_scope", None, NO_OAUTH),
];

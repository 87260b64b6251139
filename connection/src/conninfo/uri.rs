//! Connection URIs: `postgresql://user:password@host:port,host:port/database?keyword=value&…`.

use super::FORMS;

/// What follows the scheme, if it is one of PostgreSQL's.
pub(super) fn without_scheme(text: &str) -> Option<&str> {
    text.strip_prefix("postgresql://")
        .or_else(|| text.strip_prefix("postgres://"))
}

/// # Errors
/// What is wrong.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    let (rest, query) = match split_user(text) {
        (Some(user), rest) => {
            pairs.extend(user_and_password(user)?);
            split_query(rest)
        }
        (None, rest) => split_query(rest),
    };
    let (hosts, database) = match rest.split_once('/') {
        Some((hosts, database)) => (hosts, Some(database)),
        None => (rest, None),
    };
    // Never in a name: there is a password before it that is not encoded.
    if rest.contains('@') {
        return Err(FORMS.to_owned());
    }
    pairs.extend(hosts_and_ports(hosts)?);
    push(&mut pairs, "dbname", database.unwrap_or_default())?;
    // One & after the last is nothing, as to libpq.
    let query = query.map(|query| query.strip_suffix('&').unwrap_or(query));
    for parameter in query.into_iter().flat_map(|query| query.split('&')) {
        pairs.push(named(parameter)?);
    }
    Ok(pairs)
}

/// Whatever is before the first `@`, unless a `/` comes first.
fn split_user(text: &str) -> (Option<&str>, &str) {
    match text.find(['@', '/']) {
        Some(at) if text[at..].starts_with('@') => (Some(&text[..at]), &text[at + 1..]),
        _ => (None, text),
    }
}

fn split_query(text: &str) -> (&str, Option<&str>) {
    match text.split_once('?') {
        Some((rest, query)) => (rest, Some(query).filter(|query| !query.is_empty())),
        None => (text, None),
    }
}

fn user_and_password(text: &str) -> Result<Vec<(String, String)>, String> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let mut pairs = Vec::new();
    push(&mut pairs, "user", user)?;
    push(&mut pairs, "password", password)?;
    Ok(pairs)
}

/// Lists with commas, each with as many places as there are hosts.
fn hosts_and_ports(text: &str) -> Result<Vec<(String, String)>, String> {
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for place in text.split(',') {
        let (host, port) = match place.strip_prefix('[') {
            Some(literal) => {
                let (host, after) = literal
                    .split_once(']')
                    .ok_or_else(|| format!("an IPv6 address has no closing bracket; {FORMS}"))?;
                if !after.is_empty() && !after.starts_with(':') {
                    return Err(format!("after an IPv6 address comes : or /; {FORMS}"));
                }
                (host, after.strip_prefix(':').unwrap_or_default())
            }
            None => place.split_once(':').unwrap_or((place, "")),
        };
        hosts.push(host);
        ports.push(port);
    }
    let mut pairs = Vec::new();
    let is_given = |list: &[&str]| list.iter().any(|place| !place.is_empty());
    if is_given(&hosts) {
        push(&mut pairs, "host", &hosts.join(","))?;
    }
    if is_given(&ports) {
        push(&mut pairs, "port", &ports.join(","))?;
    }
    Ok(pairs)
}

fn named(parameter: &str) -> Result<(String, String), String> {
    match parameter.split_once('=') {
        Some((_, value)) if value.contains('=') => Err(format!(
            "a parameter has more than one =, which has to be %3D within its value; {FORMS}"
        )),
        Some((name, value)) => match (decoded(name)?, decoded(value)?) {
            // As JDBC has it, and libpq understands.
            (name, value) if name == "ssl" && value == "true" => {
                Ok(("sslmode".to_owned(), "require".to_owned()))
            }
            pair => Ok(pair),
        },
        None => Err(format!("a parameter after ? has no =; {FORMS}")),
    }
}

fn push(pairs: &mut Vec<(String, String)>, name: &str, encoded: &str) -> Result<(), String> {
    if !encoded.is_empty() {
        pairs.push((name.to_owned(), decoded(encoded)?));
    }
    Ok(())
}

fn decoded(text: &str) -> Result<String, String> {
    let malformed = || format!("% is not followed by two hexadecimal digits; {FORMS}");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || {
            rest.next()
                .and_then(|byte| char::from(byte).to_digit(16))
                .and_then(|digit| u8::try_from(digit).ok())
                .ok_or_else(malformed)
        };
        let byte = digit()? * 16 + digit()?;
        if byte == 0 {
            return Err(format!("%00 can be in no value; {FORMS}"));
        }
        bytes.push(byte);
    }
    String::from_utf8(bytes).map_err(|_| "a value is not UTF-8 when it is decoded".to_owned())
}

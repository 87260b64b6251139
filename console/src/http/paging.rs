//! Pages of lists: how long they are, and where the next one is.

use super::output;
use super::problem::Problem;
use axum::body::Body;
use axum::http::Response;
use serde::Serialize;
use tokio_postgres::Row;

/// # Errors
/// A limit out of its range.
pub fn size(given: Option<i64>, default: i64, most: i64) -> Result<i64, Problem> {
    match given {
        None => Ok(default),
        Some(limit) if (1..=most).contains(&limit) => Ok(limit),
        Some(limit) => Err(Problem::bad_request(format!("limit is {limit}"))
            .hint(format!("Give 1 to {most}."))
            .field("limit")),
    }
}

/// The answer with the column `item` of the first `limit` rows. One row more was asked for: if it is there, the answer
/// names the path of the next page, whose parameters `after` makes of the last row of this one.
///
/// # Errors
/// A column is missing.
pub fn answer<P: Serialize>(
    rows: &[Row],
    limit: i64,
    path: &str,
    after: impl FnOnce(&Row) -> Result<P, tokio_postgres::Error>,
) -> Result<Response<Body>, Problem> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let shown = &rows[..rows.len().min(limit)];
    let items = shown.iter().map(|row| row.try_get("item"));
    let items = items.collect::<Result<Vec<String>, _>>()?;
    let next = match shown.last() {
        Some(last) if rows.len() > limit => Some(url(path, &after(last)?)),
        _ => None,
    };
    Ok(output::page(&items, next))
}

/// A path with parameters, those that are given.
fn url(path: &str, parameters: &impl Serialize) -> String {
    // They were read from a query, so that they can be written as one.
    let query = serde_urlencoded::to_string(parameters).unwrap_or_default();
    format!("{path}?{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Filter {
        name: Option<String>,
        is_active: Option<bool>,
        limit: Option<i64>,
    }

    #[test]
    fn the_next_page_has_the_parameters_that_were_given() {
        let filter = Filter {
            name: Some("a&b=c d*>\"".to_owned()),
            is_active: None,
            limit: Some(7),
        };
        assert_eq!(url("/x/", &filter), "/x/?name=a%26b%3Dc+d*%3E%22&limit=7");
    }

    #[test]
    fn limits_have_a_range() {
        assert!(size(None, 50, 200).is_ok_and(|limit| limit == 50));
        assert!(size(Some(200), 50, 200).is_ok_and(|limit| limit == 200));
        for bad in [0, -1, 201, i64::MIN, i64::MAX] {
            assert!(size(Some(bad), 50, 200).is_err(), "{bad}");
        }
    }
}

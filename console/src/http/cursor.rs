//! Where the next page of a list begins: the order's values of the last row, in a form that clients only hand back.

use super::problem::Problem;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// As it stands in a URL.
pub fn encode(last: &impl Serialize) -> String {
    // Texts, numbers and ids, which JSON can hold.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(last).unwrap_or_default())
}

/// # Errors
/// It is not one of this list.
pub fn decode<T: DeserializeOwned>(cursor: Option<&str>) -> Result<Option<T>, Problem> {
    let Some(cursor) = cursor else {
        return Ok(None);
    };
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
    let last = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    last.map(Some).ok_or_else(|| {
        Problem::bad_request("cursor is not one that this list gave")
            .hint("Take it from the header Link of the page before, or leave it out for the first page.")
            .field("cursor")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cursors_of_the_list_are_taken() {
        let last = ("a \"name\"".to_owned(), 7_i64);
        let cursor = encode(&last);
        assert!(
            cursor
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        );
        assert!(decode::<(String, i64)>(Some(&cursor)).is_ok_and(|read| read == Some(last)));
        assert!(decode::<(String, i64)>(None).is_ok_and(|read| read.is_none()));
        for bad in ["", "x", "!", "bnVsbA", &encode(&"x")] {
            assert!(decode::<(String, i64)>(Some(bad)).is_err(), "{bad}");
        }
    }
}

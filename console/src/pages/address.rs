//! Addresses of pages with what was chosen in them, and how that is read.

use serde::{Deserialize, Deserializer, Serialize};

/// A path with the parameters that are given.
pub fn with(path: &str, parameters: &impl Serialize) -> String {
    // Texts alone, which a query can have.
    match serde_html_form::to_string(parameters).unwrap_or_default() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

/// A field of a form. One that was left empty is not given.
pub fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.trim().is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default, Deserialize, Serialize)]
    #[serde(default)]
    struct Chosen {
        #[serde(deserialize_with = "given")]
        status: Option<String>,
        #[serde(deserialize_with = "given")]
        name: Option<String>,
    }

    #[test]
    fn what_is_empty_is_not_given() {
        let chosen: Chosen = serde_html_form::from_str("status=+&name=a%26b+c").unwrap();
        assert_eq!(chosen.status, None);
        assert_eq!(with("/x", &chosen), "/x?name=a%26b+c");
        assert_eq!(with("/x", &Chosen::default()), "/x");
    }
}

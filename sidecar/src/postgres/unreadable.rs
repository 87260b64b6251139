//! Rows that can't be read: they must not keep others from being read.

use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

/// The SQLSTATE of a statement that failed over what is in a row: others may be read nevertheless. Without the server's
/// words, which may show it.
pub fn data_error(error: &tokio_postgres::Error) -> Option<String> {
    let code = error.code()?;
    let is_about_data = *code == SqlState::OUT_OF_MEMORY
        || matches!(&code.code()[..2], "0A" | "22" | "54" | "58" | "XX");
    is_about_data.then(|| format!("SQLSTATE {}", code.code()))
}

/// Whether all texts of a row are UTF-8: the server sends damaged ones as they are stored.
pub fn is_readable(row: &Row) -> bool {
    let mut columns = row.columns().iter().enumerate();
    columns.all(|(n, column)| {
        *column.type_() != Type::TEXT || row.try_get::<_, Option<&str>>(n).is_ok()
    })
}

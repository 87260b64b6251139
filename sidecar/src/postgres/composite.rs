//! Values of composite types as parameters.
//!
//! Attributes go by their names. One that this sidecar does not know is null, and what the server's type lacks is not
//! sent: so `ALTER TYPE ... ADD ATTRIBUTE` changes nothing for a sidecar that is older, or newer, than the extension.

use bytes::{BufMut, BytesMut};
use std::error::Error;
use tokio_postgres::types::{IsNull, Kind, ToSql, Type};

/// Makes a struct whose fields have the names of a composite type's attributes a value of that type.
macro_rules! composite {
    ($(#[$meta:meta])* $vis:vis struct $name:ident<'a> { $($field:ident: $type:ty,)+ }) => {
        $(#[$meta])*
        #[derive(Debug)]
        $vis struct $name<'a> {
            $($field: $type,)+
        }

        impl tokio_postgres::types::ToSql for $name<'_> {
            fn to_sql(
                &self,
                ty: &tokio_postgres::types::Type,
                out: &mut bytes::BytesMut,
            ) -> Result<tokio_postgres::types::IsNull, Box<dyn std::error::Error + Sync + Send>> {
                crate::postgres::composite::write(ty, out, |attribute| match attribute {
                    $(stringify!($field) => Some(&self.$field),)+
                    _ => None,
                })
            }

            fn accepts(ty: &tokio_postgres::types::Type) -> bool {
                matches!(ty.kind(), tokio_postgres::types::Kind::Composite(_))
            }

            tokio_postgres::types::to_sql_checked!();
        }
    };
}
pub(super) use composite;

/// Writes a value as `record_recv()` reads it: the number of attributes, and of each its type, its length and its bytes.
///
/// # Errors
/// An attribute is of a type that its value can't be sent as.
pub(super) fn write<'v>(
    ty: &Type,
    out: &mut BytesMut,
    value_of: impl Fn(&str) -> Option<&'v (dyn ToSql + Sync)>,
) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
    let Kind::Composite(attributes) = ty.kind() else {
        return Err(format!("{ty} is no composite type").into());
    };
    out.put_i32(attributes.len().try_into()?);
    for attribute in attributes {
        out.put_u32(attribute.type_().oid());
        let start = out.len();
        // Null, unless a value follows.
        out.put_i32(-1);
        if let Some(value) = value_of(attribute.name())
            && let IsNull::No = value.to_sql_checked(attribute.type_(), out)?
        {
            let length = i32::try_from(out.len() - start - 4)?;
            out[start..start + 4].copy_from_slice(&length.to_be_bytes());
        }
    }
    Ok(IsNull::No)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_postgres::types::Field;

    composite! {
        struct Sample<'a> {
            name: &'a str,
            count: Option<i32>,
        }
    }

    /// A type with these attributes.
    fn composite(attributes: &[(&str, Type)]) -> Type {
        let fields = attributes
            .iter()
            .map(|(name, ty)| Field::new((*name).to_owned(), ty.clone()));
        let kind = Kind::Composite(fields.collect());
        Type::new("sample".to_owned(), 99_999, kind, "public".to_owned())
    }

    fn written(ty: &Type) -> Vec<u8> {
        let sample = Sample {
            name: "ab",
            count: Some(7),
        };
        let mut out = BytesMut::new();
        sample.to_sql_checked(ty, &mut out).unwrap();
        out.to_vec()
    }

    #[test]
    fn attributes_go_by_name_whatever_the_server_has() {
        let name = [0, 0, 0, 25, 0, 0, 0, 2, b'a', b'b'];
        let count = [0, 0, 0, 23, 0, 0, 0, 4, 0, 0, 0, 7];
        let null = [0, 0, 0, 16, 255, 255, 255, 255];
        let both = composite(&[("count", Type::INT4), ("name", Type::TEXT)]);
        assert_eq!(written(&both), [&[0, 0, 0, 2][..], &count, &name].concat());
        let newer = composite(&[("name", Type::TEXT), ("is_new", Type::BOOL)]);
        assert_eq!(written(&newer), [&[0, 0, 0, 2][..], &name, &null].concat());
    }

    #[test]
    fn an_attribute_of_another_type_is_an_error() {
        let other = composite(&[("name", Type::INT4)]);
        let sample = Sample {
            name: "ab",
            count: None,
        };
        assert!(sample.to_sql_checked(&other, &mut BytesMut::new()).is_err());
        assert!(
            sample
                .to_sql_checked(&Type::TEXT, &mut BytesMut::new())
                .is_err()
        );
    }
}

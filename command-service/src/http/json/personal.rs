//! Personal data in a body.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use shared_events::values::Label;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, Type};
use utoipa::openapi::{Ref, RefOr};

use super::{Member, Schemas, object};
use crate::personal::Clear;

/// Bytes of names and values, as JSON.
const DATA_BYTES_MAX: usize = 4_096;

object! {
    /// Data about a person. It is sealed under the subject's own key before anything is stored.
    pub(crate) struct Personal as "PersonalData" {
        /// Whose data it is, as an opaque id: it stays readable.
        subject: Label,
        data: PersonalMembers,
    }
}

impl From<Personal> for Clear {
    fn from(Personal { subject, data }: Personal) -> Self {
        Self { subject, data: data.0 }
    }
}

/// A body that may have personal data.
pub(crate) trait TakesPersonal {
    fn take_personal(&mut self) -> Option<Clear>;
}

/// Names and values. Debug hides them.
pub(crate) struct PersonalMembers(BTreeMap<String, String>);

impl fmt::Debug for PersonalMembers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("…")
    }
}

impl Member for PersonalMembers {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Whatever is wrong, the value is not repeated.
        let refused = || format!("must be an object of text, of at most {DATA_BYTES_MAX} bytes");
        let members = BTreeMap::<String, String>::deserialize(deserializer)
            .map_err(|_| D::Error::custom(refused()))?;
        let bytes = serde_json::to_string(&members).map_or(usize::MAX, |text| text.len());
        if bytes > DATA_BYTES_MAX { Err(D::Error::custom(refused())) } else { Ok(Self(members)) }
    }

    /// By name, because generators of clients name an object after each place where it stands.
    fn schema() -> RefOr<Schema> {
        Ref::from_schema_name("PersonalMembers").into()
    }

    fn add_schemas(schemas: &mut Schemas) {
        let text = ObjectBuilder::new().schema_type(Type::String);
        let object = ObjectBuilder::new()
            .schema_type(Type::Object)
            .additional_properties(Some(AdditionalProperties::from(Schema::from(text))));
        schemas.push(("PersonalMembers".to_owned(), object.into()));
    }
}

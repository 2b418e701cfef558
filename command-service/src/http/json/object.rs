//! Declares JSON objects once: each declaration is the parser, the OpenAPI schema and the
//! documentation of an object, and finds all of its faults.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{AdditionalProperties, Object as ObjectSchema, Schema, Type};
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Required};

use super::{Fault, Faults, JsonPointer};

/// Schemas by name.
pub(crate) type Schemas = Vec<(String, RefOr<Schema>)>;

/// A type that a member of a JSON object can have.
pub(crate) trait Member: Sized {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;

    fn schema() -> RefOr<Schema>;

    /// Adds the schemas that [`Self::schema`] refers to by name.
    fn add_schemas(_schemas: &mut Schemas) {}

    /// Adds everything that is wrong with a value which cannot be read.
    fn find_faults(value: &Value, at: JsonPointer<'_>, faults: &mut Faults) {
        if let Err(error) = Self::read(value) {
            faults.add(at, error);
        }
    }
}

/// Reads a value; if that fails, adds all its faults.
pub(crate) fn read_tree<T: Member>(
    value: &Value,
    at: JsonPointer<'_>,
    faults: &mut Faults,
) -> Option<T> {
    match T::read(value) {
        Ok(read) => Some(read),
        Err(error) => {
            let before = faults.len();
            T::find_faults(value, at, faults);
            if faults.len() == before {
                faults.add(at, error);
            }
            None
        }
    }
}

/// A JSON object, declared by [`object!`].
pub(crate) trait Object: Sized {
    /// The name of its schema.
    const NAME: &'static str;
    const ABOUT: &'static [&'static str];
    const MEMBERS: &'static [MemberInfo];

    /// Reads the members, each by its own type.
    fn read_members<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;

    /// Adds faults that lie between members which are valid by themselves.
    fn check(&self, at: JsonPointer<'_>, faults: &mut Faults);
}

/// What is known of a member before there is a value.
#[derive(Debug)]
pub(crate) struct MemberInfo {
    name: &'static str,
    about: &'static [&'static str],
    is_required: bool,
    schema: fn() -> RefOr<Schema>,
    add_schemas: fn(&mut Schemas),
    find_faults: fn(&Value, JsonPointer<'_>, &mut Faults),
}

impl MemberInfo {
    pub(crate) const fn new<T: Member>(
        name: &'static str,
        about: &'static [&'static str],
        default: &[&str],
    ) -> Self {
        Self {
            name,
            about,
            is_required: default.is_empty(),
            schema: T::schema,
            add_schemas: T::add_schemas,
            find_faults: T::find_faults,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name.strip_prefix("r#").unwrap_or(self.name)
    }

    fn described_schema(&self) -> RefOr<Schema> {
        let mut schema = (self.schema)();
        if let Some(about) = text(self.about) {
            match &mut schema {
                RefOr::T(Schema::Object(object)) => object.description = Some(about),
                RefOr::T(Schema::Array(array)) => array.description = Some(about),
                RefOr::T(Schema::AnyOf(any)) => any.description = Some(about),
                RefOr::Ref(named) => named.description = about,
                RefOr::T(_) => {}
            }
        }
        schema
    }
}

/// The text of a doc comment.
fn text(lines: &[&str]) -> Option<String> {
    let lines: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// Declares a struct that is read from a JSON object. A member with `#[serde(default)]` may be
/// absent. `with cause` adds the members that say why and when, `with context` those of them that
/// every command with a cause has in the same form, `with personal` personal data. `check` names a function that finds faults
/// between members.
macro_rules! object {
    (
        $(#[doc = $about:literal])*
        $vis:vis struct $name:ident $(as $shown:literal)? {
            $(
                $(#[doc = $doc:literal])*
                $(#[serde($default:ident)])?
                $member:ident: $type:ty,
            )*
        }
        $(check $check:path)?
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, serde::Deserialize)]
        #[serde(remote = "Self", deny_unknown_fields)]
        $vis struct $name {
            $(
                $(#[doc = $doc])*
                #[serde($($default,)? deserialize_with = "crate::http::json::Member::read")]
                $member: $type,
            )*
        }

        impl $crate::http::json::Object for $name {
            const NAME: &'static str = [$($shown,)? stringify!($name)][0];
            const ABOUT: &'static [&'static str] = &[$($about),*];
            const MEMBERS: &'static [$crate::http::json::MemberInfo] = &[$(
                $crate::http::json::MemberInfo::new::<$type>(
                    stringify!($member),
                    &[$($doc),*],
                    &[$(stringify!($default))?],
                ),
            )*];

            fn read_members<'de, D>(deserializer: D) -> Result<Self, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                Self::deserialize(deserializer)
            }

            fn check(
                &self,
                _at: $crate::http::json::JsonPointer<'_>,
                _faults: &mut $crate::http::json::Faults,
            ) {
                $($check(self, _at, _faults))?
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $crate::http::json::object_schema::<Self>().into()
            }
        }

        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                <Self as $crate::http::json::Object>::NAME.into()
            }

            fn schemas(schemas: &mut $crate::http::json::Schemas) {
                <Self as $crate::http::json::Member>::add_schemas(schemas);
            }
        }
    };
    (
        $(#[doc = $about:literal])*
        $vis:vis struct $name:ident $(as $shown:literal)? { $($members:tt)* }
        with cause $(check $check:path)?
    ) => {
        $crate::http::json::object! {
            $(#[doc = $about])*
            $vis struct $name $(as $shown)? {
                $($members)*
                /// A code of your own.
                #[serde(default)]
                reason: Option<shared_events::values::Code>,
                /// When it happened; default the recorded time.
                #[serde(default)]
                occurred_at: Option<shared_events::time::Timestamp>,
            }
            with context $(check $check)?
        }
    };
    (
        $(#[doc = $about:literal])*
        $vis:vis struct $name:ident $(as $shown:literal)? { $($members:tt)* }
        with context $(check $check:path)?
    ) => {
        $crate::http::json::object! {
            $(#[doc = $about])*
            $vis struct $name $(as $shown)? {
                $($members)*
                #[serde(default)]
                reference: Option<$crate::http::json::values::Reference>,
                /// A sentence for people.
                #[serde(default)]
                note: Option<$crate::http::json::values::Note>,
                /// Your own names and values, at most 20.
                #[serde(default)]
                metadata: Option<$crate::http::json::values::Metadata>,
            }
            with personal $(check $check)?
        }
    };
    (
        $(#[doc = $about:literal])*
        $vis:vis struct $name:ident $(as $shown:literal)? { $($members:tt)* }
        with personal $(check $check:path)?
    ) => {
        $crate::http::json::object! {
            $(#[doc = $about])*
            $vis struct $name $(as $shown)? {
                $($members)*
                #[serde(default)]
                personal: Option<$crate::http::json::personal::Personal>,
            }
            $(check $check)?
        }

        impl $crate::http::json::personal::TakesPersonal for $name {
            fn take_personal(&mut self) -> Option<$crate::personal::Clear> {
                self.personal.take().map(Into::into)
            }
        }
    };
}
pub(crate) use object;

impl<T: Object> Member for T {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }

    fn schema() -> RefOr<Schema> {
        Ref::from_schema_name(T::NAME).into()
    }

    fn add_schemas(schemas: &mut Schemas) {
        schemas.push((T::NAME.to_owned(), object_schema::<T>().into()));
        T::MEMBERS.iter().for_each(|member| (member.add_schemas)(schemas));
    }

    fn find_faults(value: &Value, at: JsonPointer<'_>, faults: &mut Faults) {
        let Value::Object(members) = value else {
            faults.add(at, "must be an object");
            return;
        };
        let before = faults.len();
        for member in T::MEMBERS {
            let at = at.member(member.name());
            match members.get(member.name()) {
                Some(value) => (member.find_faults)(value, at, faults),
                None if member.is_required => faults.add(at, Fault::MISSING),
                None => {}
            }
        }
        let (known, unknown): (Map<_, _>, Map<_, _>) = members
            .clone()
            .into_iter()
            .partition(|(name, _)| T::MEMBERS.iter().any(|member| member.name() == name));
        if faults.len() == before
            && let Ok(object) = T::read_members(Value::Object(known))
        {
            object.check(at, faults);
        }
        for name in unknown.keys() {
            faults.add(at.member(name), "is not known here");
        }
    }
}

/// Takes objects only: a derived reader would take a list of the members' values too.
struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Object> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        let object = T::read_members(MapAccessDeserializer::new(members))?;
        let mut faults = Faults::default();
        object.check(JsonPointer::Root, &mut faults);
        match faults.into_vec().into_iter().next() {
            None => Ok(object),
            Some(fault) => Err(A::Error::custom(fault.message)),
        }
    }
}

pub(crate) fn object_schema<T: Object>() -> ObjectSchema {
    let mut schema = ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(text(T::ABOUT))
        .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)));
    for member in T::MEMBERS {
        schema = schema.property(member.name(), member.described_schema());
        if member.is_required {
            schema = schema.required(member.name());
        }
    }
    schema.build()
}

/// Describes an object as the parameters of a query.
#[derive(Debug)]
pub(crate) struct InQuery<T>(PhantomData<T>);

impl<T: Object> IntoParams for InQuery<T> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        parameters::<T>(&ParameterIn::Query)
    }
}

pub(crate) fn parameters<T: Object>(place: &ParameterIn) -> Vec<Parameter> {
    let parameter = |member: &MemberInfo| {
        let required = if member.is_required { Required::True } else { Required::False };
        ParameterBuilder::new()
            .name(member.name())
            .parameter_in(place.clone())
            .description(text(member.about))
            .required(required)
            .schema(Some((member.schema)()))
            .build()
    };
    T::MEMBERS.iter().map(parameter).collect()
}

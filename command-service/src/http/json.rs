//! Bodies as types: the members of each, and their faults.

pub(crate) mod numbers;
mod object;
pub(crate) mod personal;
pub(crate) mod values;

use serde_json::Value;
use service_edge::body;
pub(crate) use service_edge::body::{Faults, JsonPointer, Strict};
pub(crate) use service_edge::problem::Fault;

pub(crate) use self::object::{
    InQuery, Member, MemberInfo, Object, Schemas, object, object_schema, parameters, read_tree,
};
use super::problem::Problem;

/// Reads a body straight into its type. Only if that fails is it read again as a tree, which is
/// returned after adding its faults.
///
/// # Errors
/// It is malformed, as [`body::tree`] says.
pub(crate) fn read<T: Member>(
    body: &[u8],
    faults: &mut Faults,
) -> Result<Result<T, Value>, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    if let Ok(value) = T::read(&mut deserializer)
        && deserializer.end().is_ok()
    {
        return Ok(Ok(value));
    }
    let tree = body::tree(body)?;
    Ok(read_tree(&tree, JsonPointer::Root, faults).ok_or(tree))
}

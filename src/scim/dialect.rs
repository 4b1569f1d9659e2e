//! The peculiarities of identity providers, in one visible place.
//!
//! [`Leniency::Lenient`] rewrites what is known to be sent into what the RFCs define, before the code that
//! holds to the RFCs sees it, and notes the [`Quirk`]; [`Leniency::Strict`] refuses it. All quirks: [`QUIRKS`].

mod paths;
mod quirks;
mod values;

pub(super) use paths::{Key, bare_literal, extension, is_known_schema, key, key_within};
pub use paths::{filter, filter_of, pairs, path, path_of, target};
pub(super) use quirks::{
    ARRAY_FOR_SINGLE, CREATED_ELEMENT, EMPTY_OPERATIONS, KEY_CASE, MISSING_SCHEMAS, OPERATION_CASE,
    PLACEHOLDER_PASSWORD, READ_ONLY_ECHO, SINGLE_OPERATION, UNKNOWN_SCHEMA, VALUE_WITH_REMOVE,
};
pub use quirks::{QUIRKS, Quirk, markdown};
pub(super) use values::{list, one_primary, single, sub_attribute};

/// Whether requests are brought into RFC 7644's form first, or taken by its letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Leniency {
    /// What identity providers are known to send is understood.
    #[default]
    Lenient,
    /// Only what the RFCs allow.
    Strict,
}

/// The [`QUIRKS`] that a request needed, each once, in the order in which they were first needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied(Vec<&'static Quirk>);

impl Applied {
    /// The quirks.
    pub fn quirks(&self) -> &[&'static Quirk] {
        &self.0
    }

    pub(super) fn note(&mut self, quirk: &'static Quirk) {
        if !self.0.contains(&quirk) {
            self.0.push(quirk);
        }
    }

    /// Adds what another part of the request needed.
    pub fn absorb(&mut self, other: Applied) {
        for quirk in other.0 {
            self.note(quirk);
        }
    }
}

#[cfg(test)]
mod tests;

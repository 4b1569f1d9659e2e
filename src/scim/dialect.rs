//! The peculiarities of identity providers, in one visible place.
//!
//! [`Leniency::Lenient`] rewrites what is known to be sent into what the RFCs define, before the code that
//! holds to the RFCs sees it, and notes the [`Quirk`]; [`Leniency::Strict`] refuses it. All quirks: [`QUIRKS`].

mod filters;
mod paths;
mod quirks;
mod values;

pub use filters::{filter, filter_of};
pub(super) use paths::{Key, bare_literal, extension, is_known_schema, key, key_within, path_or_name};
pub use paths::{pairs, path, path_of, target};
pub(super) use quirks::{
    ARRAY_FOR_SINGLE, CREATED_ELEMENT, EMPTY_ELEMENT, EMPTY_OPERATIONS, KEY_CASE, MISSING_SCHEMAS, OPERATION_CASE,
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

/// How requests are read: by which letter, and how much of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Whether deviations are understood.
    pub leniency: Leniency,
    /// The longest filter or attribute path, in bytes.
    pub filter: usize,
    /// How deep parentheses, `not` and brackets may nest.
    pub depth: usize,
    /// How many operations a PATCH may have.
    pub operations: usize,
}

impl Default for Reading {
    fn default() -> Self {
        Reading { leniency: Leniency::default(), filter: 64 << 10, depth: 32, operations: 1000 }
    }
}

impl From<Leniency> for Reading {
    fn from(leniency: Leniency) -> Self {
        Reading { leniency, ..Self::default() }
    }
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

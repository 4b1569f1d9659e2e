//! The peculiarities of identity providers, in one visible place.

/// Whether requests are brought into RFC 7644's form first, or taken by its letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Leniency {
    /// What identity providers are known to send is understood.
    #[default]
    Lenient,
    /// Only what the RFCs allow.
    Strict,
}

/// The names of the [`QUIRKS`] that a request needed, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied(Vec<&'static str>);

impl Applied {
    /// The names, in the order in which they were first needed.
    pub fn names(&self) -> &[&'static str] {
        &self.0
    }
}

/// A known deviation and what is done about it.
#[derive(Clone, Copy, Debug)]
pub struct Quirk {
    /// What [`Applied::names`] and the documentation call it.
    pub name: &'static str,
    /// What is recognised.
    pub trigger: &'static str,
    /// Who sends it, and where that is documented or was observed.
    pub source: &'static str,
}

/// Every deviation that [`Leniency::Lenient`] understands.
pub static QUIRKS: &[Quirk] = &[];

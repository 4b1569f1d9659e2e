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

impl Applied {
    fn note(&mut self, quirk: &Quirk) {
        if !self.0.contains(&quirk.name) {
            self.0.push(quirk.name);
        }
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
pub static QUIRKS: &[&Quirk] = &[&BARE_LITERAL];

/// A filter's value without quotes.
pub static BARE_LITERAL: Quirk = Quirk { name: "bare-literal", trigger: "x", source: "y" };

/// Reads a filter.
pub fn filter(text: &str, leniency: Leniency, applied: &mut Applied) -> Result<super::Filter, super::Error> {
    let parser = super::filter::parse::Parser::new(text, leniency, super::Error::invalid_filter)?;
    let (filter, quirks) = parser.whole_filter()?;
    applied.0.extend(quirks.0);
    Ok(filter)
}

pub(super) fn bare_literal(token: &str, applied: &mut Applied) -> Option<serde_json::Value> {
    let value = match token.to_ascii_lowercase().as_str() {
        "true" => true.into(),
        "false" => false.into(),
        "null" => serde_json::Value::Null,
        "and" | "or" | "not" => return None,
        _ if token.contains(['\'', '\\']) => return None,
        _ => token.into(),
    };
    applied.note(&BARE_LITERAL);
    Some(value)
}

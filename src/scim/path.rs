//! Attribute paths (RFC 7644 sections 3.10 and 3.5.2).

use std::fmt;

use super::dialect::Leniency;
use super::error::Error;
use super::filter::{Filter, parse::Parser};

/// A path such as `userName`, `name.givenName`, `emails[type eq "work"].value` or
/// `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.displayName`.
#[derive(Clone, Debug, PartialEq)]
pub struct AttributePath {
    /// The URN before the attribute name. A path that is a URN alone is split at its last colon too; see
    /// [`super::ResourceType::whole_extension`].
    pub schema: Option<String>,
    /// The attribute's name, as it was written.
    pub attribute: String,
    /// The value filter between brackets, whose own paths are relative to the attribute.
    pub filter: Option<Box<Filter>>,
    /// The sub-attribute's name, as it was written.
    pub sub_attribute: Option<String>,
}

impl AttributePath {
    /// The path of an attribute of the core schema.
    pub fn of(attribute: &str) -> Self {
        AttributePath { schema: None, attribute: attribute.to_owned(), filter: None, sub_attribute: None }
    }

    /// Reads a path. Errors are `invalidPath`, within brackets `invalidFilter`, and say at which character.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let parser = Parser::new(text, Leniency::Strict.into(), Error::invalid_path)?;
        parser.whole_path().map(|(path, _)| path)
    }

    /// Whether the path is nothing but the URN `id`, which was split at its last colon.
    pub(super) fn is_schema(&self, id: &str) -> bool {
        let (Some(urn), None, None) = (&self.schema, &self.filter, &self.sub_attribute) else {
            return false;
        };
        let Some((head, tail)) = id.rsplit_once(':') else {
            return false;
        };
        head.eq_ignore_ascii_case(urn) && tail.eq_ignore_ascii_case(&self.attribute)
    }
}

impl fmt::Display for AttributePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}:")?;
        }
        f.write_str(&self.attribute)?;
        if let Some(filter) = &self.filter {
            write!(f, "[{filter}]")?;
        }
        if let Some(sub) = &self.sub_attribute {
            write!(f, ".{sub}")?;
        }
        Ok(())
    }
}

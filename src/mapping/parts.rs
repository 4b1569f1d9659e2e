//! Native texts that several rows own a part of: a full name.

use super::codec::text_of;
use super::language::Part;
use super::pointer::Pointer;
use super::translate::Attributes;
use super::{Resource, Row};
use crate::scim::Error;

impl Resource {
    /// Whether the native text of which this row owns a part says already what is wanted of it: where the text ends that is
    /// the first part, it does not tell, so that `Mary Ann Smith` has the first part `Mary Ann` too.
    pub(super) fn is_said(&self, row: &Row, current: &Attributes, desired: &Attributes) -> bool {
        let (Some(part), Some(at)) = (row.part, &row.native) else { return false };
        // How many spaces stand between words is not read back.
        let words = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let text = words(self.parts(at, current));
        if text == words(self.parts(at, desired)) {
            return true;
        }
        let other = if part == Part::First { Part::Rest } else { Part::First };
        let alone = self.part(at, other, current) == self.part(at, other, desired);
        let ends = |own: String| match (part, text.strip_prefix(&own), text.strip_suffix(&own)) {
            (Part::First, Some(after), _) => after.is_empty() || after.starts_with(' '),
            (Part::Rest, _, Some(before)) => before.is_empty() || before.ends_with(' '),
            _ => false,
        };
        alone && self.part(at, part, desired).map(words).is_some_and(ends)
    }

    /// Refuses to take the first part away from a text: what is left would be read as that.
    pub fn refuse_headless(&self, current: &Attributes, desired: &Attributes) -> Result<(), Error> {
        for (row, at) in self.rows.iter().filter_map(|row| Some((row, row.native.as_ref()?))) {
            let part = |part, attributes| self.part(at, part, attributes).is_some();
            let both = part(Part::First, current) && part(Part::Rest, current);
            if row.part == Some(Part::First) && both && !part(Part::First, desired) && part(Part::Rest, desired) {
                return Err(Error::mutability(format!(
                    "`{}` begins one text in the application, and what follows it would be taken for it: it can be \
                     replaced, or removed with the rest",
                    row.name
                )));
            }
        }
        Ok(())
    }

    /// The native text that rows own parts of.
    pub(super) fn parts(&self, at: &Pointer, attributes: &Attributes) -> String {
        let parts = [Part::First, Part::Rest].into_iter().filter_map(|part| self.part(at, part, attributes));
        parts.collect::<Vec<_>>().join(" ")
    }

    /// The text that the row of this part of a native field wants.
    fn part(&self, at: &Pointer, part: Part, desired: &Attributes) -> Option<String> {
        let owner = self.rows.iter().find(|row| row.native.as_ref() == Some(at) && row.part == Some(part))?;
        owner.place.get(desired).map(text_of).filter(|text| !text.is_empty())
    }
}

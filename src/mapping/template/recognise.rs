//! Templates read backwards: which values a rendered path was made of.

use percent_encoding::percent_decode_str;

use super::{CallTemplate, Piece, Slot, Template};
use crate::exchange::Request;

impl Template {
    /// The values of the placeholders, if `path` is what this template renders to. A value never spans segments.
    pub fn captures(&self, path: &str) -> Option<Vec<(Slot, String)>> {
        captures(&self.0, path)
    }
}

fn captures(pieces: &[Piece], path: &str) -> Option<Vec<(Slot, String)>> {
    match pieces.split_first() {
        None => path.is_empty().then(Vec::new),
        Some((Piece::Text(text), rest)) => captures(rest, path.strip_prefix(text.as_str())?),
        Some((Piece::Slot(placeholder), rest)) => {
            let segment = path.find('/').unwrap_or(path.len());
            (1..=segment).rev().find_map(|end| {
                let mut found = captures(rest, path.get(end..)?)?;
                let value = percent_decode_str(path.get(..end)?).decode_utf8().ok()?;
                found.insert(0, (placeholder.slot.clone(), value.into_owned()));
                Some(found)
            })
        }
    }
}

impl CallTemplate {
    /// The values of the path's placeholders, if `request` can be a call of this template.
    pub fn recognise(&self, request: &Request) -> Option<Vec<(Slot, String)>> {
        let path = request.target.split('?').next().unwrap_or_default();
        (self.method == request.method).then(|| self.path.captures(path)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rendered_path_gives_its_values_back() {
        let parse = |text| Template::parse(text, |name| (name == "id").then_some(Ok(Slot::Id))).unwrap();
        let id = |text: &str| vec![(Slot::Id, text.to_owned())];
        assert_eq!(parse("/users/{id}.json").captures("/users/a%2Fb.json"), Some(id("a/b")));
        assert_eq!(parse("/users/{id}").captures("/users/7"), Some(id("7")));
        assert_eq!(parse("/users/{id}").captures("/users/7/roles"), None);
        assert_eq!(parse("/users").captures("/users"), Some(Vec::new()));
    }
}

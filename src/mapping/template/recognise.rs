//! Templates read backwards: which values a rendered call was made of.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::form::without_backslashes;
use super::{CallTemplate, JsonTemplate, Piece, Placeholder, Scope, Slot, Template};
use crate::exchange::Request;
use crate::mapping::codec::text_of;
use crate::mapping::language::Form;
use crate::mapping::pointer::Pointer;
use crate::scim::json::object;

/// The values that a call was made of.
#[derive(Debug, Default, PartialEq)]
pub struct Said {
    /// Those in the path.
    pub path: Vec<(Slot, Value)>,
    /// Those in the query and in the body.
    pub rest: Vec<(Slot, Value)>,
}

impl Said {
    /// The first value of a placeholder.
    pub fn get(&self, slot: &Slot) -> Option<&Value> {
        self.path.iter().chain(&self.rest).find(|(other, _)| other == slot).map(|(_, value)| value)
    }
}

/// How a text was rendered: how far a value reaches at most, and what it was before it was escaped.
struct Spelling {
    reach: fn(&str) -> usize,
    /// What stands before it, and its text.
    value: fn(&str, &str) -> Option<String>,
}

/// A value never spans segments.
const PATH: Spelling = Spelling {
    reach: |text| text.find('/').unwrap_or(text.len()),
    value: |_, text| percent_decode_str(text).decode_utf8().ok().map(Cow::into_owned),
};

const TEXT: Spelling = Spelling {
    reach: str::len,
    value: |before, text| {
        Some(match before.chars().last() {
            Some('"') => text.replace("\\\"", "\"").replace("\\\\", "\\"),
            Some('\'') => text.replace("''", "'"),
            _ => text.to_owned(),
        })
    },
};

impl Template {
    /// The values of the placeholders, if `path` is what this template renders to.
    pub fn captures(&self, path: &str) -> Option<Vec<(Slot, String)>> {
        let found = captures(&self.0, "", path, &PATH)?;
        Some(found.into_iter().map(|(placeholder, text)| (placeholder.slot.clone(), text)).collect())
    }

    /// Adds the values of the placeholders, if `text` is what this template renders to.
    fn read(&self, text: &str, spelling: &Spelling, said: &mut Vec<(Slot, Value)>) -> Option<()> {
        for (placeholder, text) in captures(&self.0, "", text, spelling)? {
            placeholder.read(text.into(), said);
        }
        Some(())
    }
}

impl Placeholder {
    /// Adds a value, unless its form does not tell what it was.
    fn read(&self, value: Value, said: &mut Vec<(Slot, Value)>) {
        let value = match self.form {
            Some(Form::Slug) => return,
            Some(Form::Regex | Form::Like) => without_backslashes(&text_of(&value)).into(),
            Some(Form::Csv) => text_of(&value).split(',').filter(|text| !text.is_empty()).map(Value::from).collect(),
            Some(Form::Lowercase | Form::Text) | None => value,
        };
        said.push((self.slot.clone(), value));
    }
}

fn captures<'p>(
    pieces: &'p [Piece],
    before: &str,
    text: &str,
    spelling: &Spelling,
) -> Option<Vec<(&'p Placeholder, String)>> {
    match pieces.split_first() {
        None => text.is_empty().then(Vec::new),
        Some((Piece::Text(literal), rest)) => captures(rest, literal, text.strip_prefix(literal.as_str())?, spelling),
        Some((Piece::Slot(placeholder), rest)) => {
            let most = (spelling.reach)(text);
            (1..=most).rev().find_map(|end| {
                let mut found = captures(rest, "", text.get(end..)?, spelling)?;
                found.insert(0, (placeholder, (spelling.value)(before, text.get(..end)?)?));
                Some(found)
            })
        }
    }
}

impl JsonTemplate {
    /// Adds the values of the placeholders, if `value` is what this template renders to. Objects may have further fields.
    pub fn read(&self, value: &Value, said: &mut Vec<(Slot, Value)>) -> Option<()> {
        match self {
            // In queries and forms everything is text.
            JsonTemplate::Constant(constant) => has(constant, value).then_some(()),
            JsonTemplate::Text(template) => match template.lone() {
                Some(placeholder) => {
                    placeholder.read(value.clone(), said);
                    Some(())
                }
                None => template.read(&text_of(value), &TEXT, said),
            },
            JsonTemplate::List(items) => {
                let values = value.as_array().filter(|values| values.len() == items.len())?;
                items.iter().zip(values).try_for_each(|(item, value)| item.read(value, said))
            }
            JsonTemplate::Object(fields) => {
                for (key, field) in fields.iter().filter(|(key, _)| !key.is_open()) {
                    field.read(value.get(key.plain(&Scope::default()))?, said)?;
                }
                fields.iter().filter(|(key, _)| key.is_open()).try_for_each(|(key, field)| {
                    let mut others = value.as_object()?.iter().filter(|(name, _)| !self.has_key(name));
                    let read = others.find_map(|(name, value)| {
                        let mut own = Vec::new();
                        key.read(name, &TEXT, &mut own)?;
                        field.read(value, &mut own).map(|()| own)
                    });
                    said.extend(read?);
                    Some(())
                })
            }
        }
    }

    /// How many values in it are always the same, at least in part.
    pub fn constants(&self) -> usize {
        match self {
            JsonTemplate::Constant(_) => 1,
            JsonTemplate::Text(template) => template.lone().is_none().into(),
            JsonTemplate::List(items) => items.iter().map(Self::constants).sum(),
            JsonTemplate::Object(fields) => fields.iter().map(|(_, field)| field.constants()).sum(),
        }
    }

    /// The objects that were put together into one with the fields of all.
    pub fn apart(&self, whole: &Map<String, Value>) -> Vec<Value> {
        let (shared, own): (Vec<_>, Vec<_>) = whole.iter().partition(|(name, _)| self.has_key(name));
        let field = |(name, value): &(&String, &Value)| ((*name).clone(), (*value).clone());
        own.iter().map(|own| Value::Object(object(shared.iter().chain([own]).map(field)))).collect()
    }

    /// Whether it is an object with this key for every value.
    fn has_key(&self, name: &str) -> bool {
        let JsonTemplate::Object(fields) = self else { return false };
        fields.iter().any(|(key, _)| !key.is_open() && key.plain(&Scope::default()) == name)
    }

    /// The same for the values of a query parameter.
    fn read_parameter(&self, sent: &[&str], said: &mut Vec<(Slot, Value)>) -> Option<()> {
        match (self, sent) {
            (_, []) => None,
            (JsonTemplate::List(_) | JsonTemplate::Object(_), [text]) => {
                self.read(&serde_json::from_str(text).ok()?, said)
            }
            (_, [text]) => self.read(&Value::from(*text), said),
            (_, several) => self.read(&several.iter().copied().map(Value::from).collect(), said),
        }
    }
}

impl CallTemplate {
    /// The values of the path's placeholders, if `request` can be a call of this template as far as its method and its
    /// path tell.
    pub fn recognise(&self, request: &Request) -> Option<Said> {
        let path = request.target.split('?').next().unwrap_or_default();
        let mut said = Said::default();
        (self.method == request.method).then(|| self.path.read(path, &PATH, &mut said.path)).flatten()?;
        Some(said)
    }

    /// As [`CallTemplate::read`], for a call whose body is made of more than the template: always of `set`, by place.
    pub fn read_with(
        &self,
        request: &Request,
        parameters: &[(String, JsonTemplate)],
        set: &[(Pointer, JsonTemplate)],
    ) -> Option<Said> {
        let mut said = self.read(request, parameters)?;
        let sent = body_of(request);
        for (at, template) in set {
            template.read(at.get(&sent).unwrap_or(&Value::Null), &mut said.rest)?;
        }
        Some(said)
    }

    /// How much of this template is the same in all its calls: characters of the path, and values elsewhere.
    pub fn constants(&self) -> (usize, usize) {
        let values = self.query.iter().map(|(_, value)| value).chain(&self.body);
        let literal = |piece: &Piece| if let Piece::Text(text) = piece { text.len() } else { 0 };
        (self.path.0.iter().map(literal).sum(), values.map(JsonTemplate::constants).sum())
    }

    /// The values of all placeholders, if `request` is a call of this template with these `parameters`, as
    /// [`CallTemplate::render_list`] makes it. It may say more, such as which page is wanted.
    pub fn read(&self, request: &Request, parameters: &[(String, JsonTemplate)]) -> Option<Said> {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        if self.method != request.method {
            return None;
        }
        let mut said = Said::default();
        self.path.read(path, &PATH, &mut said.path)?;
        let query = pairs(query);
        let sent = |name: &str| -> Vec<&str> {
            query.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str()).collect()
        };
        let replaced = |name: &str| parameters.iter().any(|(other, _)| other == name);
        for (name, value) in self.query.iter().filter(|(name, _)| !replaced(name)) {
            value.read_parameter(&sent(name), &mut said.rest)?;
        }
        let Some(body) = &self.body else {
            for (name, value) in parameters {
                value.read_parameter(&sent(name), &mut said.rest)?;
            }
            return Some(said);
        };
        let written = body_of(request);
        body.read(&written, &mut said.rest)?;
        for (name, value) in parameters {
            value.read(Pointer::parse(name).ok()?.get(&written)?, &mut said.rest)?;
        }
        Some(said)
    }
}

/// Whether `value` is this constant, or an object that has all that it has.
fn has(constant: &Value, value: &Value) -> bool {
    match constant {
        Value::Object(fields) => {
            fields.iter().all(|(name, field)| value.get(name).is_some_and(|value| has(field, value)))
        }
        constant => text_of(constant) == text_of(value),
    }
}

/// The body of a call, be it JSON or a form; `null` where there is none.
pub fn body_of(request: &Request) -> Value {
    if !request.header("content-type").is_some_and(|it| it.starts_with("application/x-www-form-urlencoded")) {
        return serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    }
    let mut fields = Map::new();
    for (name, value) in pairs(&String::from_utf8_lossy(&request.body)) {
        match fields.get_mut(&name) {
            None => drop(fields.insert(name, value.into())),
            Some(Value::Array(values)) => values.push(value.into()),
            Some(first) => *first = Value::Array(vec![first.take(), value.into()]),
        }
    }
    Value::Object(fields)
}

/// The names and values of a query or a form.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    };
    text.split('&').filter(|text| !text.is_empty()).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(text: &str) -> Template {
        let slot = |name: &str| match name {
            "id" => Some(Ok(Slot::Id)),
            "value" => Some(Ok(Slot::Value)),
            "members" => Some(Ok(Slot::List)),
            _ => None,
        };
        Template::parse(text, slot).unwrap()
    }

    #[test]
    fn a_rendered_path_gives_its_values_back() {
        let id = |text: &str| vec![(Slot::Id, text.to_owned())];
        assert_eq!(template("/users/{id}.json").captures("/users/a%2Fb.json"), Some(id("a/b")));
        assert_eq!(template("/users/{id}").captures("/users/7"), Some(id("7")));
        assert_eq!(template("/users/{id}").captures("/users/7/roles"), None);
        assert_eq!(template("/users").captures("/users"), Some(Vec::new()));
    }

    #[test]
    fn a_rendered_call_gives_its_values_back() {
        let (id, value, members) = (json!("a/b"), json!("o'b \"x\" \\ é & +"), json!([1, 2]));
        let scope = Scope { id: Some(&id), value: Some(&value), list: Some(&members), ..Scope::default() };
        let parse = |written: Value| JsonTemplate::parse(&written, &mut |text| template(text));
        for text in ["{value}", "name eq \"{value}\"", "name eq '{value}'", "q:{value}"] {
            let mut call = CallTemplate::new("GET", template("/users/{id}"));
            call.query = vec![("q".into(), parse(json!(text))), ("all".into(), parse(json!(true)))];
            let said = call.read(&call.render(&scope).unwrap(), &[]).unwrap();
            assert_eq!((said.get(&Slot::Id), said.get(&Slot::Value)), (Some(&id), Some(&value)), "{text}");
        }
        for (written, form) in [
            (json!({ "users": "{members}", "kind": "x" }), false),
            (json!({ "users": "{members|csv}" }), true),
            (json!({ "deep": [{ "of": "{value}" }] }), false),
            (json!({ "kind": "x", "u:{value}": true }), false),
        ] {
            let mut call = CallTemplate::new("POST", template("/users"));
            (call.body, call.form) = (Some(parse(written.clone())), form);
            let said = call.read(&call.render(&scope).unwrap(), &[]).unwrap();
            let texts = json!(["1", "2"]);
            let expected = if form { &texts } else { &members };
            let found = said.get(&Slot::List).or(said.get(&Slot::Value)).unwrap();
            assert!(found == expected || found == &value, "{written}: {found}");
        }
        let mut call = CallTemplate::new("GET", template("/users"));
        call.query = vec![("all".into(), parse(json!(true)))];
        let request = |target: &str| Request { method: "GET".into(), target: target.into(), ..Request::default() };
        let filter = [("login".to_owned(), parse(json!("{value}")))];
        assert!(call.read(&request("/users?all=true&page=1"), &[]).is_some());
        assert!(call.read(&request("/users?all=false"), &[]).is_none());
        assert!(call.read(&request("/users?all=true"), &filter).is_none());
        assert!(call.read(&request("/users?all=true&login=a"), &filter).is_some());
    }
}

//! What is needed of an `OpenAPI` 3 document: references followed, schemas flattened.

use serde_json::Value;

/// References are followed this often, so that one that refers to itself ends.
const DEEPEST: usize = 8;

pub(super) struct Document(pub(super) Value);

/// A field of an object, nested ones with a dotted path.
pub(super) struct Field<'d> {
    pub(super) path: String,
    pub(super) schema: &'d Value,
}

impl Field<'_> {
    /// The last name of the path, in lower case without separators: `firstname` for `profile.first_name`.
    pub(super) fn plain(&self) -> String {
        plain(self.path.rsplit('.').next().unwrap_or_default())
    }

    pub(super) fn is(&self, kind: &str) -> bool {
        is(self.schema, kind)
    }
}

/// A name in lower case without separators.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Whether a schema is of this type; `OpenAPI` 3.1 has lists of types.
pub(super) fn is(schema: &Value, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(|it| it == kind),
        Some(one) => one == kind,
        None => kind == "object" && (schema.get("properties").is_some() || schema.get("allOf").is_some()),
    }
}

impl Document {
    /// What a value refers to, or itself.
    pub(super) fn resolve<'d>(&'d self, mut value: &'d Value) -> &'d Value {
        for _ in 0..DEEPEST {
            let Some(target) = value.get("$ref").and_then(Value::as_str).and_then(|it| it.strip_prefix('#')) else {
                break;
            };
            let Some(found) = self.0.pointer(target) else { break };
            value = found;
        }
        value
    }

    pub(super) fn operation(&self, path: &str, method: &str) -> Option<&Value> {
        self.resolve(self.0.get("paths")?.get(path)?).get(method)
    }

    /// The query parameters of an operation, those of its path too: names and schemas.
    pub(super) fn parameters(&self, path: &str, method: &str) -> Vec<(&str, &Value)> {
        let Some(item) = self.0.get("paths").and_then(|paths| paths.get(path)) else { return Vec::new() };
        let lists = [item.get("parameters"), item.get(method).and_then(|it| it.get("parameters"))];
        let all = lists.into_iter().flatten().filter_map(Value::as_array).flatten().map(|it| self.resolve(it));
        all.filter(|it| it.get("in").is_some_and(|place| place == "query"))
            .filter_map(|it| Some((it.get("name")?.as_str()?, self.resolve(it.get("schema").unwrap_or(&Value::Null)))))
            .collect()
    }

    /// The schema of an operation's JSON reply, the first success.
    pub(super) fn reply(&self, path: &str, method: &str) -> Option<&Value> {
        let responses = self.operation(path, method)?.get("responses")?.as_object()?;
        let (_, response) = responses.iter().find(|(status, _)| status.starts_with('2'))?;
        self.json(self.resolve(response))
    }

    /// The schema of an operation's error reply with this status, if the operation has one: `Some(Null)` without a schema.
    pub(super) fn error(&self, path: &str, method: &str, status: &str) -> Option<&Value> {
        let response = self.resolve(self.operation(path, method)?.get("responses")?.get(status)?);
        Some(self.json(response).unwrap_or(&Value::Null))
    }

    /// The schema of an operation's request body.
    pub(super) fn request(&self, path: &str, method: &str) -> Option<&Value> {
        self.json(self.resolve(self.operation(path, method)?.get("requestBody")?))
    }

    /// Whether a success of an operation has this header field.
    pub(super) fn header<'d>(&'d self, path: &str, method: &str, matches: impl Fn(&str) -> bool) -> Option<&'d str> {
        let responses = self.operation(path, method)?.get("responses")?.as_object()?;
        let headers = responses.iter().filter(|(status, _)| status.starts_with('2'));
        let mut names =
            headers.filter_map(|(_, it)| self.resolve(it).get("headers")?.as_object()).flat_map(|it| it.keys());
        names.find(|name| matches(name)).map(String::as_str)
    }

    fn json<'d>(&'d self, holder: &'d Value) -> Option<&'d Value> {
        let content = holder.get("content")?.as_object()?;
        let (_, media) = content.iter().find(|(kind, _)| kind.contains("json"))?;
        media.get("schema").map(|schema| self.resolve(schema))
    }

    /// The properties of an object schema, `allOf` put together.
    pub(super) fn properties<'d>(&'d self, schema: &'d Value) -> Vec<(&'d str, &'d Value)> {
        let schema = self.resolve(schema);
        let own = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        let mut all: Vec<_> = own.map(|(name, value)| (name.as_str(), self.resolve(value))).collect();
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            let part = self.resolve(part);
            if part != schema {
                let nested = part.get("properties").and_then(Value::as_object).into_iter().flatten();
                all.extend(nested.map(|(name, value)| (name.as_str(), self.resolve(value))));
            }
        }
        all
    }

    /// The fields of an object, and those of the objects in it.
    pub(super) fn fields<'d>(&'d self, schema: &'d Value) -> Vec<Field<'d>> {
        let mut shallow = Vec::new();
        let mut nested = Vec::new();
        for (name, schema) in self.properties(schema) {
            if is(schema, "object") {
                let inner = self.properties(schema).into_iter();
                nested.extend(inner.map(|(inner, schema)| Field { path: format!("{name}.{inner}"), schema }));
            } else {
                shallow.push(Field { path: name.to_owned(), schema });
            }
        }
        shallow.extend(nested);
        shallow
    }

    /// The object in a reply or a request: where it is, and its schema. A wrapper has one object and no id.
    pub(super) fn object<'d>(&'d self, schema: &'d Value) -> (Option<&'d str>, &'d Value) {
        let properties = self.properties(schema);
        let has_id = properties.iter().any(|(name, _)| super::guess::is_id(name));
        let mut objects = properties.iter().filter(|(_, schema)| is(schema, "object"));
        match (has_id, objects.next(), properties.len()) {
            (false, Some((name, inner)), 1..=3) if objects.next().is_none() || *name == "data" => (Some(name), inner),
            _ => (None, schema),
        }
    }

    /// The rows in a list reply: where they are, and their schema.
    pub(super) fn rows<'d>(&'d self, schema: &'d Value) -> Option<(String, &'d Value)> {
        let items = |schema: &'d Value| schema.get("items").map(|items| self.resolve(items));
        if is(schema, "array") {
            return Some((String::new(), items(schema)?));
        }
        let all = self.fields(schema);
        all.into_iter()
            .filter(|field| field.is("array"))
            .find_map(|field| Some((field.path.clone(), items(field.schema)?)))
    }
}

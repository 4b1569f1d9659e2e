//! JSON values as templates.

use serde_json::Value;

use super::{Scope, Slot, Template, Unfit};
use crate::mapping::codec::text_of;
use crate::scim::json::object;

/// JSON with templates in its texts.
#[derive(Clone, Debug, PartialEq)]
pub enum JsonTemplate {
    /// A value without placeholders.
    Constant(Value),
    /// A text.
    Text(Template),
    /// A list.
    List(Vec<JsonTemplate>),
    /// An object, whose keys are texts too.
    Object(Vec<(Template, JsonTemplate)>),
}

impl JsonTemplate {
    /// Reads a value; `template` reads each text.
    pub fn parse(value: &Value, template: &mut impl FnMut(&str) -> Template) -> Self {
        match value {
            Value::String(text) => JsonTemplate::Text(template(text)),
            Value::Array(items) => JsonTemplate::List(items.iter().map(|item| Self::parse(item, template)).collect()),
            Value::Object(map) => JsonTemplate::Object(
                map.iter().map(|(key, value)| (template(key), Self::parse(value, template))).collect(),
            ),
            other => JsonTemplate::Constant(other.clone()),
        }
    }

    /// Whether `slot` stands anywhere in it.
    pub fn uses(&self, slot: &Slot) -> bool {
        self.any(&|other| other == slot)
    }

    /// Whether it has a field of the resource's native object, so that this has to be read first.
    pub fn needs_native(&self) -> bool {
        self.any(&|slot| matches!(slot, Slot::Native(_)))
    }

    /// Whether a placeholder passes the test.
    pub fn any(&self, test: &dyn Fn(&Slot) -> bool) -> bool {
        match self {
            JsonTemplate::Constant(_) => false,
            JsonTemplate::Text(template) => template.slots().any(test),
            JsonTemplate::List(items) => items.iter().any(|item| item.any(test)),
            JsonTemplate::Object(fields) => fields.iter().any(|(key, field)| key.slots().any(test) || field.any(test)),
        }
    }

    /// Whether it is an object with keys that are not the same for every value.
    pub fn is_keyed(&self) -> bool {
        matches!(self, JsonTemplate::Object(fields) if fields.iter().any(|(key, _)| key.is_open()))
    }

    /// Whether its placeholders have what their forms can write.
    pub fn fits(&self, scope: &Scope) -> Result<(), Unfit> {
        match self {
            JsonTemplate::Constant(_) => Ok(()),
            JsonTemplate::Text(template) => template.fits(scope),
            JsonTemplate::List(items) => items.iter().try_for_each(|item| item.fits(scope)),
            JsonTemplate::Object(fields) => {
                fields.iter().try_for_each(|(key, field)| key.fits(scope).and_then(|()| field.fits(scope)))
            }
        }
    }

    /// The value.
    pub fn render(&self, scope: &Scope) -> Value {
        match self {
            JsonTemplate::Constant(value) => value.clone(),
            JsonTemplate::Text(template) => template.json(scope),
            JsonTemplate::List(items) => items.iter().map(|item| item.render(scope)).collect(),
            JsonTemplate::Object(fields) => {
                let field = |(key, value): &(Template, JsonTemplate)| Some((key.key(scope)?, value.render(scope)));
                Value::Object(object(fields.iter().filter_map(field)))
            }
        }
    }

    /// The values of a query parameter: a lone placeholder of a list is one for each of its elements.
    pub(super) fn parameters(&self, scope: &Scope) -> Vec<String> {
        if let JsonTemplate::Text(template) = self
            && let Some(Value::Array(items)) = template.lone().and_then(|it| it.value(scope)).as_deref()
        {
            return items.iter().map(text_of).collect();
        }
        self.query(scope).into_iter().collect()
    }

    /// The value as a parameter of a body: typed, its texts escaped as those of a query.
    pub fn parameter(&self, scope: &Scope) -> Option<Value> {
        Some(match self {
            JsonTemplate::Text(template) => match template.lone() {
                Some(placeholder) => placeholder.value(scope)?.into_owned(),
                None => template.query(scope)?.into(),
            },
            JsonTemplate::Constant(value) => value.clone(),
            JsonTemplate::List(items) => items.iter().filter_map(|item| item.parameter(scope)).collect(),
            JsonTemplate::Object(fields) => {
                let field = |(key, value): &(Template, JsonTemplate)| Some((key.key(scope)?, value.parameter(scope)?));
                Value::Object(object(fields.iter().filter_map(field)))
            }
        })
    }

    /// The value as the text of a query parameter; `None` leaves the parameter out.
    pub(super) fn query(&self, scope: &Scope) -> Option<String> {
        match self {
            JsonTemplate::Text(template) => template.query(scope),
            JsonTemplate::Constant(value) => Some(text_of(value)),
            json => json.parameter(scope).map(|value| value.to_string()),
        }
    }
}

/// The value of one query parameter of a template, as text.
pub fn query_text(template: &JsonTemplate, scope: &Scope) -> Option<String> {
    template.query(scope)
}

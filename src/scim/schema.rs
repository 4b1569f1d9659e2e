//! Schemas and resource types (RFC 7643 sections 2, 6 and 7).
//!
//! A [`ResourceType`] declares exactly what can be served: usually a pruned copy of the definitions in
//! [`super::core`]. An attribute that it lacks is *unknown*, which callers tell from *malformed*.

use serde_json::{Map, Value, json};

use super::core::common_attributes;
use super::filter::terms::canonical_inner;
use super::path::AttributePath;

/// The data type of an attribute (RFC 7643 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[allow(missing_docs)]
pub enum Kind {
    #[default]
    String,
    Boolean,
    Decimal,
    Integer,
    DateTime,
    Binary,
    Reference,
    Complex,
}

impl Kind {
    /// The type's name in `/Schemas`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::Decimal => "decimal",
            Self::Integer => "integer",
            Self::DateTime => "dateTime",
            Self::Binary => "binary",
            Self::Reference => "reference",
            Self::Complex => "complex",
        }
    }
}

/// When an attribute may be written (RFC 7643 section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[allow(missing_docs)]
pub enum Mutability {
    ReadOnly,
    #[default]
    ReadWrite,
    Immutable,
    WriteOnly,
}

impl Mutability {
    /// The name in `/Schemas`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "readOnly",
            Self::ReadWrite => "readWrite",
            Self::Immutable => "immutable",
            Self::WriteOnly => "writeOnly",
        }
    }
}

/// When an attribute is part of a response (RFC 7643 section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[allow(missing_docs)]
pub enum Returned {
    Always,
    Never,
    #[default]
    Default,
    Request,
}

impl Returned {
    /// The name in `/Schemas`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Never => "never",
            Self::Default => "default",
            Self::Request => "request",
        }
    }
}

/// Among which resources a value must be unique (RFC 7643 section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[allow(missing_docs)]
pub enum Uniqueness {
    #[default]
    None,
    Server,
    Global,
}

impl Uniqueness {
    /// The name in `/Schemas`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Server => "server",
            Self::Global => "global",
        }
    }
}

/// The definition of an attribute or sub-attribute (RFC 7643 section 7).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attribute {
    /// The canonical spelling of the name; requests may use any letter case.
    pub name: String,
    /// The data type, of one value where the attribute is multi-valued.
    pub kind: Kind,
    /// Whether the value is an array.
    pub multi_valued: bool,
    /// What the attribute means, for people.
    pub description: String,
    /// Whether a resource must have a value.
    pub required: bool,
    /// Suggested values, such as `work` and `home`; other values are accepted.
    pub canonical_values: Vec<String>,
    /// Whether letter case matters in comparisons.
    pub case_exact: bool,
    /// Whether the service provider gives a value where a client gives none: what is `required` is then there without
    /// being asked for.
    pub defaulted: bool,
    /// The value that every resource has.
    pub constant: Option<Value>,
    /// When the attribute may be written.
    pub mutability: Mutability,
    /// When the attribute is part of a response.
    pub returned: Returned,
    /// Among which resources a value must be unique.
    pub uniqueness: Uniqueness,
    /// Of a reference: the resource types, `external` or `uri`.
    pub reference_types: Vec<String>,
    /// Of a complex attribute: its parts.
    pub sub_attributes: Vec<Attribute>,
}

impl Attribute {
    /// A single-valued readWrite attribute of this type, with every other characteristic at its default.
    pub fn new(name: &str, kind: Kind) -> Self {
        Attribute { name: name.to_owned(), kind, ..Self::default() }
    }

    /// Whether two values of it are one: letter case counts only where it matters.
    pub fn is_same(&self, a: &Value, b: &Value) -> bool {
        match (a, b) {
            (Value::String(a), Value::String(b)) if !self.case_exact => a == b || a.to_lowercase() == b.to_lowercase(),
            _ => a == b,
        }
    }

    /// The sub-attribute called `name`, in any letter case.
    pub fn sub(&self, name: &str) -> Option<&Attribute> {
        find(&self.sub_attributes, name)
    }

    /// Whether a value that is there cannot be taken away. Nobody is locked out, or let in again, by saying nothing.
    pub fn is_kept(&self) -> bool {
        self.required || self.name == "active"
    }

    /// The sub-attribute that stands for the whole in a comparison: `emails eq "x"` means `emails.value`.
    pub fn default_sub(&self) -> Option<&Attribute> {
        match self.kind {
            Kind::Complex => self.sub("value"),
            _ => None,
        }
    }

    /// The definition as `/Schemas` shows it.
    pub fn to_json(&self) -> Value {
        let mut json = json!({
            "name": self.name,
            "type": self.kind.as_str(),
            "multiValued": self.multi_valued,
            "description": self.description,
            "required": self.required,
            "mutability": self.mutability.as_str(),
            "returned": self.returned.as_str(),
        });
        let Some(object) = json.as_object_mut() else {
            return json;
        };
        let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
        if !self.canonical_values.is_empty() {
            put("canonicalValues", json!(self.canonical_values));
        }
        if self.kind == Kind::Complex {
            let subs = self.sub_attributes.iter().map(Attribute::to_json).collect();
            put("subAttributes", Value::Array(subs));
        } else {
            put("caseExact", self.case_exact.into());
            put("uniqueness", self.uniqueness.as_str().into());
        }
        if self.kind == Kind::Reference {
            put("referenceTypes", json!(self.reference_types));
        }
        json
    }
}

fn find<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
    attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

/// A schema: a URN and the attributes that it defines (RFC 7643 section 7).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schema {
    /// The URN.
    pub id: String,
    /// The name for people: `User`.
    pub name: String,
    /// What the schema describes.
    pub description: String,
    /// Its attributes. The common ones (`id`, `externalId`, `meta`, `schemas`) are not listed.
    pub attributes: Vec<Attribute>,
}

impl Schema {
    /// The schema's attribute called `name`, in any letter case.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        find(&self.attributes, name)
    }

    /// The same, for changing a characteristic.
    pub fn attribute_mut(&mut self, name: &str) -> Option<&mut Attribute> {
        self.attributes.iter_mut().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
    }

    /// The schema as a resource of `/Schemas`; `base` is the URL of the SCIM root, without a trailing slash.
    pub fn to_json(&self, base: &str) -> Value {
        let attributes: Vec<Value> = self.attributes.iter().map(Attribute::to_json).collect();
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "attributes": attributes,
            "meta": { "resourceType": "Schema", "location": format!("{base}/Schemas/{}", self.id) },
        })
    }
}

/// A resource type (RFC 7643 section 6) with the schemas that it uses.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceType {
    /// The identifier, usually the same as the name.
    pub id: String,
    /// The name in `meta.resourceType`: `User`.
    pub name: String,
    /// The path under the SCIM root, with its leading slash: `/Users`.
    pub endpoint: String,
    /// What the resources are.
    pub description: String,
    /// The core schema.
    pub schema: Schema,
    /// Schema extensions, and whether a resource must have each.
    pub extensions: Vec<(Schema, bool)>,
}

/// What an attribute path names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resolved<'a> {
    /// The URN of the schema extension, which is also the resource's key; `None` for core and common attributes.
    pub extension: Option<&'a str>,
    /// The attribute.
    pub attribute: &'a Attribute,
    /// The sub-attribute, where the path has one.
    pub sub: Option<&'a Attribute>,
}

impl<'a> Resolved<'a> {
    /// The definition of what a value at the path must look like: the sub-attribute, else the attribute.
    pub fn leaf(&self) -> &'a Attribute {
        self.sub.unwrap_or(self.attribute)
    }

    /// The attribute's value in a resource with canonical names.
    pub fn value<'v>(&self, resource: &'v Value) -> Option<&'v Value> {
        let container = match self.extension {
            Some(urn) => resource.get(urn)?,
            None => resource,
        };
        container.get(&self.attribute.name)
    }
}

impl ResourceType {
    /// The core or common attribute called `name`, in any letter case.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.schema.attribute(name).or_else(|| find(common_attributes(), name))
    }

    /// The schema extension with this URN, in any letter case.
    pub fn extension(&self, urn: &str) -> Option<&Schema> {
        self.extensions.iter().map(|(schema, _)| schema).find(|schema| schema.id.eq_ignore_ascii_case(urn))
    }

    /// What the path names; `None` where this resource type does not have it. A bare name that the core
    /// schema lacks is looked for in the extensions: identity providers send `manager` and `department` so.
    pub fn resolve(&self, path: &AttributePath) -> Option<Resolved<'_>> {
        let (extension, attribute) = match path.schema.as_deref() {
            None => match self.attribute(&path.attribute) {
                Some(attribute) => (None, attribute),
                None => self
                    .extensions
                    .iter()
                    .find_map(|(schema, _)| Some((Some(schema.id.as_str()), schema.attribute(&path.attribute)?)))?,
            },
            Some(urn) if urn.eq_ignore_ascii_case(&self.schema.id) => (None, self.attribute(&path.attribute)?),
            Some(urn) => {
                let schema = self.extension(urn)?;
                (Some(schema.id.as_str()), schema.attribute(&path.attribute)?)
            }
        };
        let sub = match path.sub_attribute.as_deref() {
            Some(name) => Some(attribute.sub(name)?),
            None => None,
        };
        Some(Resolved { extension, attribute, sub })
    }

    /// The schema extension that a path such as `urn:…:enterprise:2.0:User` names as a whole.
    pub fn whole_extension(&self, path: &AttributePath) -> Option<&Schema> {
        let mut schemas = self.extensions.iter().map(|(schema, _)| schema);
        schemas.find(|schema| path.is_schema(&schema.id))
    }

    /// The path with canonical names: letter case as declared, no URN for core attributes, always one for
    /// extensions. Paths that name the same thing become equal, so a caller can compare them.
    pub fn canonical(&self, path: &AttributePath) -> Option<AttributePath> {
        let resolved = self.resolve(path)?;
        Some(AttributePath {
            schema: resolved.extension.map(str::to_owned),
            attribute: resolved.attribute.name.clone(),
            filter: path.filter.as_ref().map(|filter| Box::new(canonical_inner(filter, resolved.attribute))),
            sub_attribute: resolved.sub.map(|s| s.name.clone()),
        })
    }

    /// The resource type as a resource of `/ResourceTypes`; `base` as for [`Schema::to_json`].
    pub fn to_json(&self, base: &str) -> Value {
        let extensions: Vec<Value> = self
            .extensions
            .iter()
            .map(|(schema, required)| json!({ "schema": schema.id, "required": required }))
            .collect();
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
            "id": self.id,
            "name": self.name,
            "endpoint": self.endpoint,
            "description": self.description,
            "schema": self.schema.id,
            "schemaExtensions": extensions,
            "meta": { "resourceType": "ResourceType", "location": format!("{base}/ResourceTypes/{}", self.id) },
        })
    }

    /// The `schemas` of a resource: the core schema, and each extension of which it has attributes.
    pub fn schemas_of(&self, resource: &Map<String, Value>) -> Value {
        self.schema_ids(|id| resource.contains_key(id)).map(Value::from).collect()
    }

    /// The same as texts, for a resource that `has` these members.
    pub fn schema_ids(&self, has: impl Fn(&str) -> bool) -> impl Iterator<Item = &str> {
        let extensions = self.extensions.iter().map(|(schema, _)| schema.id.as_str());
        std::iter::once(self.schema.id.as_str()).chain(extensions.filter(move |id| has(id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::core::{ENTERPRISE_USER as ENT, group_type, user_type};

    #[test]
    fn attributes_are_found_in_any_letter_case() {
        let rt = user_type();
        for (text, canonical) in [
            ("USERNAME", "userName"),
            ("Name.GIVENname", "name.givenName"),
            ("urn:IETF:params:scim:schemas:core:2.0:USER:id", "id"),
            ("meta.LastModified", "meta.lastModified"),
            ("externalid", "externalId"),
            ("manager.VALUE", &format!("{ENT}:manager.value")),
            (&format!("{}:Manager", ENT.to_lowercase()), &format!("{ENT}:manager")),
            (
                "emails[TYPE eq \"work\" and PRIMARY eq \"true\"].Value",
                "emails[type eq \"work\" and primary eq true].value",
            ),
        ] {
            let path = AttributePath::parse(text).unwrap();
            let found = rt.canonical(&path).map(|path| path.to_string());
            assert_eq!(found.as_deref(), Some(canonical), "{text}");
        }
        for text in ["members", "name.nope", "urn:x:User:userName", &format!("{ENT}:userName"), "emails.nope"] {
            assert!(rt.resolve(&AttributePath::parse(text).unwrap()).is_none(), "{text}");
        }
        let whole = AttributePath::parse(&ENT.to_uppercase()).unwrap();
        assert_eq!(rt.whole_extension(&whole).map(|s| s.id.as_str()), Some(ENT));
        assert!(rt.whole_extension(&AttributePath::parse("userName").unwrap()).is_none());
    }

    #[test]
    fn rfc7643_8_7_1_definitions() {
        let user = user_type().schema.to_json("https://example.com/v2");
        let attribute = |name: &str| {
            let all = user["attributes"].as_array().unwrap();
            all.iter().find(|a| a["name"] == name).unwrap().clone()
        };
        let mut user_name = attribute("userName");
        user_name.as_object_mut().unwrap().remove("description");
        assert_eq!(
            user_name,
            json!({"name": "userName", "type": "string", "multiValued": false, "required": true,
            "caseExact": false, "mutability": "readWrite", "returned": "default", "uniqueness": "server"})
        );
        let password = attribute("password");
        assert_eq!((&password["mutability"], &password["returned"]), (&json!("writeOnly"), &json!("never")));
        let emails = attribute("emails");
        assert_eq!(emails["subAttributes"][2]["canonicalValues"], json!(["work", "home", "other"]));
        assert_eq!(attribute("groups")["mutability"], "readOnly");
        assert_eq!(attribute("groups")["subAttributes"][1]["referenceTypes"], json!(["User", "Group"]));
        assert_eq!(user["attributes"].as_array().unwrap().len(), 21);
        assert_eq!(
            user["meta"]["location"],
            "https://example.com/v2/Schemas/urn:ietf:params:scim:schemas:core:2.0:User"
        );
        let group = group_type();
        assert_eq!(group.schema.attribute("members").unwrap().sub("value").unwrap().mutability, Mutability::Immutable);
    }

    #[test]
    fn rfc7643_6_resource_type() {
        let json = user_type().to_json("/scim/v2");
        assert_eq!(json["schemaExtensions"], json!([{"schema": ENT, "required": false}]));
        assert_eq!((&json["endpoint"], &json["id"]), (&json!("/Users"), &json!("User")));
    }

    #[test]
    fn schemas_follow_from_the_attributes() {
        let rt = user_type();
        let core = json!({"userName": "x"});
        assert_eq!(rt.schemas_of(core.as_object().unwrap()), json!([rt.schema.id]));
        let both = json!({"userName": "x", ENT: {"department": "d"}});
        assert_eq!(rt.schemas_of(both.as_object().unwrap()), json!([rt.schema.id, ENT]));
    }
}

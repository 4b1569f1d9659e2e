//! The schema definitions of RFC 7643 section 8.7.1, as compact tables.

use std::sync::LazyLock;

use Kind::{Binary, Boolean, DateTime, Reference, String as Text};

use super::schema::{Attribute, Kind, Mutability, ResourceType, Returned, Schema, Uniqueness};

/// The core User schema (RFC 7643 section 4.1).
pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The core Group schema (RFC 7643 section 4.2).
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// The enterprise extension of User (RFC 7643 section 4.3).
pub const ENTERPRISE_USER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// One line of a table; sub-attributes follow in `subs`.
struct Row {
    name: &'static str,
    kind: Kind,
    /// Words of characteristics that differ from the defaults.
    marks: &'static str,
    description: &'static str,
    canonical: &'static [&'static str],
    references: &'static [&'static str],
    subs: &'static [Row],
}

const fn row(name: &'static str, kind: Kind, marks: &'static str, description: &'static str) -> Row {
    Row { name, kind, marks, description, canonical: &[], references: &[], subs: &[] }
}

#[allow(clippy::needless_pass_by_value)] // A constant function cannot drop what it is given.
const fn canonical(row: Row, canonical: &'static [&'static str]) -> Row {
    Row { canonical, ..row }
}

#[allow(clippy::needless_pass_by_value)]
const fn reference(row: Row, references: &'static [&'static str]) -> Row {
    Row { references, ..row }
}

const fn complex(name: &'static str, marks: &'static str, description: &'static str, subs: &'static [Row]) -> Row {
    Row { subs, ..row(name, Kind::Complex, marks, description) }
}

impl Row {
    fn build(&self) -> Attribute {
        let marked = |word: &str| self.marks.split(' ').any(|mark| mark == word);
        Attribute {
            name: self.name.to_owned(),
            kind: self.kind,
            multi_valued: marked("multi"),
            description: self.description.to_owned(),
            required: marked("required"),
            canonical_values: self.canonical.iter().map(|&v| v.to_owned()).collect(),
            case_exact: marked("exact"),
            defaulted: false,
            constant: None,
            mutability: if marked("readOnly") {
                Mutability::ReadOnly
            } else if marked("immutable") {
                Mutability::Immutable
            } else if marked("writeOnly") {
                Mutability::WriteOnly
            } else {
                Mutability::ReadWrite
            },
            returned: if marked("always") {
                Returned::Always
            } else if marked("never") {
                Returned::Never
            } else {
                Returned::Default
            },
            uniqueness: if marked("unique") { Uniqueness::Server } else { Uniqueness::None },
            reference_types: self.references.iter().map(|&v| v.to_owned()).collect(),
            sub_attributes: self.subs.iter().map(Row::build).collect(),
        }
    }
}

#[rustfmt::skip]
const COMMON: &[Row] = &[
    row("id", Text, "exact readOnly always unique", "identifier that the service provider assigned"),
    row("externalId", Text, "exact", "identifier that the provisioning client assigned"),
    complex("meta", "readOnly", "metadata of the resource", &[
        row("resourceType", Text, "exact readOnly", "name of the resource type"),
        row("created", DateTime, "readOnly", "when the resource was created"),
        row("lastModified", DateTime, "readOnly", "when the resource was last changed"),
        reference(row("location", Reference, "exact readOnly", "URI of the resource"), &["uri"]),
        row("version", Text, "exact readOnly", "entity tag of the resource"),
    ]),
    reference(row("schemas", Reference, "multi exact always", "URNs of the schemas that the resource uses"), &["uri"]),
];

#[rustfmt::skip]
const USER_ROWS: &[Row] = &[
    row("userName", Text, "required unique", "name by which the user signs in"),
    complex("name", "", "parts of the user's name", &[
        row("formatted", Text, "", "full name, ready for display"),
        row("familyName", Text, "", "family name"),
        row("givenName", Text, "", "given name"),
        row("middleName", Text, "", "middle names"),
        row("honorificPrefix", Text, "", "title before the name"),
        row("honorificSuffix", Text, "", "suffix after the name"),
    ]),
    row("displayName", Text, "", "name to show to people"),
    row("nickName", Text, "", "casual way to address the user"),
    reference(row("profileUrl", Reference, "exact", "URL of the user's page"), &["external"]),
    row("title", Text, "", "job title"),
    row("userType", Text, "", "relation of the user to the organisation"),
    row("preferredLanguage", Text, "", "languages as in the header field Accept-Language"),
    row("locale", Text, "", "where dates, numbers and currency are formatted as there"),
    row("timezone", Text, "", "time zone by its name in the IANA database"),
    row("active", Boolean, "", "whether the user may sign in"),
    row("password", Text, "writeOnly never", "clear-text password to set"),
    complex("emails", "multi", "e-mail addresses", &[
        row("value", Text, "", "e-mail address"),
        row("display", Text, "", "name of the address, for display"),
        canonical(row("type", Text, "", "what the address is for"), &["work", "home", "other"]),
        row("primary", Boolean, "", "whether this is the preferred address"),
    ]),
    complex("phoneNumbers", "multi", "telephone numbers", &[
        row("value", Text, "", "telephone number"),
        row("display", Text, "", "name of the number, for display"),
        canonical(row("type", Text, "", "what the number is for"), &["work", "home", "mobile", "fax", "pager", "other"]),
        row("primary", Boolean, "", "whether this is the preferred number"),
    ]),
    complex("ims", "multi", "instant messaging addresses", &[
        row("value", Text, "", "instant messaging address"),
        row("display", Text, "", "name of the address, for display"),
        canonical(row("type", Text, "", "messaging service"), &["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"]),
        row("primary", Boolean, "", "whether this is the preferred address"),
    ]),
    complex("photos", "multi", "pictures of the user", &[
        reference(row("value", Reference, "exact", "URL of the picture"), &["external"]),
        row("display", Text, "", "name of the picture, for display"),
        canonical(row("type", Text, "", "kind of picture"), &["photo", "thumbnail"]),
        row("primary", Boolean, "", "whether this is the preferred picture"),
    ]),
    complex("addresses", "multi", "postal addresses", &[
        row("formatted", Text, "", "full address, ready for display or a label"),
        row("streetAddress", Text, "", "street, house number, post box"),
        row("locality", Text, "", "city"),
        row("region", Text, "", "state or region"),
        row("postalCode", Text, "", "postal code"),
        row("country", Text, "", "country by its ISO 3166-1 alpha-2 code"),
        canonical(row("type", Text, "", "what the address is for"), &["work", "home", "other"]),
        row("primary", Boolean, "", "whether this is the preferred address"),
    ]),
    complex("groups", "multi readOnly", "groups that the user belongs to", &[
        row("value", Text, "readOnly", "id of the group"),
        reference(row("$ref", Reference, "exact readOnly", "URI of the group"), &["User", "Group"]),
        row("display", Text, "readOnly", "name of the group, for display"),
        canonical(row("type", Text, "readOnly", "how the user belongs to the group"), &["direct", "indirect"]),
    ]),
    complex("entitlements", "multi", "things that the user is entitled to", &[
        row("value", Text, "", "entitlement"),
        row("display", Text, "", "name of the entitlement, for display"),
        row("type", Text, "", "kind of entitlement"),
        row("primary", Boolean, "", "whether this is the main entitlement"),
    ]),
    complex("roles", "multi", "roles of the user", &[
        row("value", Text, "", "role"),
        row("display", Text, "", "name of the role, for display"),
        row("type", Text, "", "kind of role"),
        row("primary", Boolean, "", "whether this is the main role"),
    ]),
    complex("x509Certificates", "multi", "certificates issued to the user", &[
        row("value", Binary, "exact", "DER-encoded certificate in base64"),
        row("display", Text, "", "name of the certificate, for display"),
        row("type", Text, "", "kind of certificate"),
        row("primary", Boolean, "", "whether this is the main certificate"),
    ]),
];

#[rustfmt::skip]
const GROUP_ROWS: &[Row] = &[
    row("displayName", Text, "required", "name of the group, for display"),
    complex("members", "multi", "members of the group", &[
        row("value", Text, "immutable", "id of the member"),
        reference(row("$ref", Reference, "exact immutable", "URI of the member"), &["User", "Group"]),
        row("display", Text, "readOnly", "name of the member, for display"),
        canonical(row("type", Text, "immutable", "resource type of the member"), &["User", "Group"]),
    ]),
];

#[rustfmt::skip]
const ENTERPRISE_ROWS: &[Row] = &[
    row("employeeNumber", Text, "", "number or code that the organisation gave the user"),
    row("costCenter", Text, "", "cost centre"),
    row("organization", Text, "", "organisation"),
    row("division", Text, "", "division"),
    row("department", Text, "", "department"),
    complex("manager", "", "the user's manager", &[
        row("value", Text, "", "id of the manager's User resource"),
        reference(row("$ref", Reference, "exact", "URI of the manager's User resource"), &["User"]),
        row("displayName", Text, "readOnly", "name of the manager, for display"),
    ]),
];

fn schema(id: &str, name: &str, description: &str, rows: &[Row]) -> Schema {
    Schema {
        id: id.to_owned(),
        name: name.to_owned(),
        description: description.to_owned(),
        attributes: rows.iter().map(Row::build).collect(),
    }
}

/// The attributes that every resource has (RFC 7643 section 3.1): `id`, `externalId`, `meta`, `schemas`.
pub fn common_attributes() -> &'static [Attribute] {
    static COMMON_ATTRIBUTES: LazyLock<Vec<Attribute>> = LazyLock::new(|| COMMON.iter().map(Row::build).collect());
    &COMMON_ATTRIBUTES
}

/// The core User schema, whole.
pub fn user() -> Schema {
    schema(USER, "User", "User account", USER_ROWS)
}

/// The core Group schema, whole.
pub fn group() -> Schema {
    schema(GROUP, "Group", "Group", GROUP_ROWS)
}

/// The enterprise extension of User, whole.
pub fn enterprise_user() -> Schema {
    schema(ENTERPRISE_USER, "EnterpriseUser", "Enterprise user", ENTERPRISE_ROWS)
}

/// The resource type User with the whole of its core schema and the enterprise extension.
pub fn user_type() -> ResourceType {
    ResourceType {
        id: "User".to_owned(),
        name: "User".to_owned(),
        endpoint: "/Users".to_owned(),
        description: "User account".to_owned(),
        schema: user(),
        extensions: vec![(enterprise_user(), false)],
    }
}

/// The resource type Group with the whole of its core schema.
pub fn group_type() -> ResourceType {
    ResourceType {
        id: "Group".to_owned(),
        name: "Group".to_owned(),
        endpoint: "/Groups".to_owned(),
        description: "Group".to_owned(),
        schema: group(),
        extensions: Vec::new(),
    }
}

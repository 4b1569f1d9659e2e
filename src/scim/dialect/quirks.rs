//! The list of quirks: data, from which their documentation is made too.

use std::fmt::Write as _;

/// A known deviation and what is done about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Quirk {
    /// What documentation and tools call it.
    pub name: &'static str,
    /// What is recognised, and how it is understood.
    pub trigger: &'static str,
    /// Who sends it, and where that is documented or was observed.
    pub source: &'static str,
    /// What `strict: true` makes of it.
    pub strict: &'static str,
}

macro_rules! quirks {
    ($($id:ident = $name:literal, $trigger:literal, $source:literal, $strict:literal;)*) => {
        $(
            #[doc = $trigger]
            pub(in crate::scim) static $id: Quirk =
                Quirk { name: $name, trigger: $trigger, source: $source, strict: $strict };
        )*
        /// Every deviation that [`super::Leniency::Lenient`] understands.
        pub static QUIRKS: &[&Quirk] = &[$(&$id),*];
    };
}

quirks! {
    BARE_LITERAL = "bare-literal",
        "`externalId eq jyoung`, `active eq True`: a filter's value without quotes is a string, or a boolean in any letter case",
        "Entra ID: the SCIM reference's example requests",
        "400 `invalidFilter`";
    SINGULAR_NAME = "singular-name",
        "`email co \"x\"`: a filter on a multi-valued attribute by its singular",
        "PingFederate's SCIM connector: its filter expressions",
        "400 `invalidFilter`";
    OPERATION_CASE = "operation-case",
        "`\"op\": \"Replace\"`: the operation in any letter case",
        "Entra ID without the flag aadOptscim062020",
        "400 `invalidSyntax`";
    KEY_CASE = "key-case",
        "`operations`, `Op`, `Path`: the members of a PATCH request in any letter case",
        "older Entra ID and in-house clients",
        "400 `invalidSyntax`";
    STRING_BOOLEAN = "string-boolean",
        "`\"False\"`: a boolean as a string in any letter case",
        "Entra ID without the flag aadOptscim062020; OneLogin's JSON template",
        "400 `invalidValue`";
    STRING_NUMBER = "string-number",
        "`\"42\"`: a number as a string",
        "OneLogin's JSON template, in which everything may be a string",
        "400 `invalidValue`";
    SCALAR_FOR_STRING = "scalar-for-string",
        "`42`, `true`: a number or boolean where a string is defined",
        "custom attributes of Entra ID and Okta that have another type in the directory",
        "400 `invalidValue`";
    EMPTY_STRING = "empty-string",
        "`\"\"`: no value",
        "Entra ID clears attributes so (gallery test SCIM_Null_Update); Okta pushes empty values (OIN test C9337)",
        "an empty string is a value";
    EMPTY_ELEMENT = "empty-element",
        "`[{}]`, `[null]`, `[{\"type\": \"work\", \"display\": \"x\"}]`: an element without a value is left out where values are added, or where the list has others",
        "clients that send every field that they know of, filled or not",
        "400 `invalidValue`";
    LOOSE_DATE = "loose-date",
        "`2026-01-31`, `2026-01-31T08:00Z`, `2026-01-31T08:00:00+0100`: a date alone (midnight in UTC), or a time short of RFC 3339's form",
        "custom attributes whose source has dates, or ISO 8601's basic offsets",
        "400 `invalidValue`";
    ARRAY_FOR_SINGLE = "array-for-single",
        "`[\"x\"]`, `[{\"value\": \"x\"}]`: a list of one where one value is defined",
        "Entra ID, for displayName and for manager (SCIM reference, example 5)",
        "400 `invalidValue`";
    OBJECT_FOR_SCALAR = "object-for-scalar",
        "`{\"value\": \"x\"}`: an object with the one member `value` where a simple value is defined",
        "Entra ID, for displayName",
        "400 `invalidValue`";
    SINGLE_FOR_ARRAY = "single-for-array",
        "`{\"value\": \"a@example.com\"}`: one value where a list is defined",
        "OneLogin, for emails",
        "400 `invalidValue`";
    BARE_VALUE = "bare-value",
        "`\"271\"` for `{\"value\": \"271\"}`: the value of a complex attribute without its object",
        "Entra ID, for manager and roles; its Postman collection for members",
        "400 `invalidValue`";
    MANAGER_ID = "manager-id",
        "`managerId` for `value` in manager",
        "SCIM 1.1's name, in OneLogin's JSON template",
        "400 `invalidSyntax`";
    SEVERAL_PRIMARY = "several-primary",
        "more than one value marked as primary: the first one is",
        "Entra ID, for roles that each come with `primary`",
        "400 `invalidValue`";
    BROKEN_URN = "broken-urn",
        "`urn:…:enterprise:2.0User`: a schema's URN with a colon too few or too many",
        "Entra ID's older documentation",
        "400 `invalidPath`, in filters `invalidFilter`, as a key `invalidSyntax`";
    VERSION_1_URN = "version-1-urn",
        "`urn:scim:schemas:extension:enterprise:1.0`: the URN of SCIM 1.1 for the schema that has taken its place",
        "OneLogin's core connector; Okta's SCIM 1.1 profiles after a move to SCIM 2.0",
        "400 `invalidPath`, in filters `invalidFilter`, as a key `invalidSyntax`";
    CORE_URN_KEY = "core-urn-key",
        "the core schema's URN as a key, with its attributes inside",
        "clients that treat the core schema like an extension",
        "400 `invalidSyntax`";
    DOTTED_KEY = "dotted-key",
        "`\"name.givenName\": \"x\"`: a path as a key",
        "Entra ID with the flag aadOptscim062020",
        "400 `invalidSyntax`";
    BARE_EXTENSION_ATTRIBUTE = "bare-extension-attribute",
        "`manager`, `department`: an extension's attribute without its URN",
        "Entra ID (SCIM reference, example 5)",
        "400 `invalidPath`, in filters `invalidFilter`, as a key `invalidSyntax`";
    MISSING_SCHEMAS = "missing-schemas",
        "`schemas` is absent, incomplete, or names SCIM 1.1's core schema",
        "Entra ID for custom extensions; OneLogin's core connector; Okta's SCIM 1.1 tests",
        "400 `invalidSyntax`";
    UNKNOWN_SCHEMA = "unknown-schema",
        "`schemas` names a schema that is not served here: it means nothing",
        "Entra ID's `http://schemas.microsoft.com/…/ADSCIM/2.0/Group`; Okta's `urn:okta:custom:group:1.0`",
        "400 `invalidSyntax`";
    READ_ONLY_ECHO = "read-only-echo",
        "`id`, `meta`, `groups` and other readOnly attributes come back in a PATCH without a path: they are left out",
        "Okta, with `id` in every rename of a group; authentik, with `id` and `schemas`",
        "400 `mutability`";
    PLACEHOLDER_PASSWORD = "placeholder-password",
        "`password` in a POST where the application takes no passwords: it is left out, whatever `unmapped` says",
        "Okta sends a random one with every new user, also with password synchronisation off",
        "as `unmapped` says";
    EMPTY_OPERATIONS = "empty-operations",
        "`\"Operations\": []`: nothing to do",
        "Microsoft's SCIM validator",
        "400 `invalidSyntax`";
    SINGLE_OPERATION = "single-operation",
        "`Operations` is one object instead of a list",
        "in-house clients",
        "400 `invalidSyntax`";
    VALUE_WITH_REMOVE = "value-with-remove",
        "`{\"op\": \"remove\", \"path\": \"members\", \"value\": [{\"value\": \"x\"}]}` removes these values only; of anything else the value is ignored",
        "Entra ID without the flag aadOptscim062020; JumpCloud; ssosync; authentik",
        "400 `invalidValue`";
    LEADING_SLASH = "leading-slash",
        "`/displayName`: a PATCH path in the manner of JSON Patch",
        "in-house clients built on JSON Patch libraries",
        "400 `invalidPath`";
    CREATED_ELEMENT = "created-element",
        "`emails[type eq \"work\"].value` where there is no such e-mail: one is made, with the type that the filter names",
        "Entra ID, for every multi-valued attribute",
        "400 `noTarget`";
    TRAILING_SLASH = "trailing-slash",
        "`/Users/`: slashes after a path",
        "Entra ID and others, where the tenant URL is entered with a slash at its end",
        "404";
    STRAY_QUESTION_MARK = "stray-question-mark",
        "`?aadOptscim062020?filter=…`: a second question mark between parameters",
        "Entra ID, where the tenant URL ends in its feature flag",
        "400 `invalidValue`";
    PLUS_FOR_SPACE = "plus-for-space",
        "`filter=userName+eq+%22x%22`: a plus sign in a query is a space, as in HTML forms",
        "Entra ID, authentik",
        "a plus sign is one, so that such a filter is 400 `invalidFilter`";
    UNKNOWN_PARAMETER = "unknown-parameter",
        "`?aadOptscim062020`: a query parameter that SCIM does not define means nothing",
        "Entra ID's feature flags; Okta's provisioning agent",
        "400 `invalidValue`";
}

/// The documentation's page about them.
pub fn markdown() -> String {
    let mut out = "\
# What identity providers send beyond the RFCs

<!-- Made by `scim-edge quirks`. Change the list in src/scim/dialect/quirks.rs. -->

Each of these is understood unless the mapping says `strict: true`, and `scim-edge explain` names those that a request needs.

| Quirk | What is understood | Who sends it | With `strict: true` |
|---|---|---|---|
"
    .to_owned();
    for Quirk { name, trigger, source, strict } in QUIRKS {
        let _ = writeln!(out, "| {name} | {trigger} | {source} | {strict} |");
    }
    out
}

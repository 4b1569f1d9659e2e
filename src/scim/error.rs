//! SCIM errors (RFC 7644 section 3.12, RFC 9865 section 2.1).

use std::fmt;

use serde_json::{Value, json};

/// The schema URN of an error body.
pub const SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// The detail error keyword of RFC 7644 table 9 and RFC 9865.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScimType {
    /// 400: the filter's syntax is wrong, or the attribute and operator cannot be combined.
    InvalidFilter,
    /// 400: more results than the server is willing to calculate.
    TooMany,
    /// 409: a value that must be unique is in use already.
    Uniqueness,
    /// 400: the change is not compatible with the attribute's mutability.
    Mutability,
    /// 400: the body's structure is wrong.
    InvalidSyntax,
    /// 400: the `path` of a PATCH operation is malformed or names nothing.
    InvalidPath,
    /// 400: the path's value filter selected nothing to operate on.
    NoTarget,
    /// 400: a value is missing, or not compatible with the attribute's type.
    InvalidValue,
    /// 400: the protocol version is not supported.
    InvalidVers,
    /// 403: the request carries sensitive information in its URI.
    Sensitive,
    /// 400: the cursor is not one of this server's (RFC 9865).
    InvalidCursor,
    /// 400: the cursor has expired (RFC 9865).
    ExpiredCursor,
    /// 400: `count` is not acceptable, or differs from that of the cursor's first page (RFC 9865).
    InvalidCount,
}

impl ScimType {
    /// The keyword on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::TooMany => "tooMany",
            Self::Uniqueness => "uniqueness",
            Self::Mutability => "mutability",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::NoTarget => "noTarget",
            Self::InvalidValue => "invalidValue",
            Self::InvalidVers => "invalidVers",
            Self::Sensitive => "sensitive",
            Self::InvalidCursor => "invalidCursor",
            Self::ExpiredCursor => "expiredCursor",
            Self::InvalidCount => "invalidCount",
        }
    }

    /// The keyword's meaning, for reading a mapping: `uniqueness` and its like, exactly as on the wire.
    pub fn parse(keyword: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.as_str() == keyword)
    }

    /// The status code that the keyword goes with.
    pub const fn status(self) -> u16 {
        match self {
            Self::Uniqueness => 409,
            Self::Sensitive => 403,
            _ => 400,
        }
    }

    /// Every keyword.
    pub const ALL: [Self; 13] = [
        Self::InvalidFilter,
        Self::TooMany,
        Self::Uniqueness,
        Self::Mutability,
        Self::InvalidSyntax,
        Self::InvalidPath,
        Self::NoTarget,
        Self::InvalidValue,
        Self::InvalidVers,
        Self::Sensitive,
        Self::InvalidCursor,
        Self::ExpiredCursor,
        Self::InvalidCount,
    ];
}

/// A request that was not fulfilled, as its client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The HTTP status code.
    pub status: u16,
    /// The detail error keyword, where one applies.
    pub scim_type: Option<ScimType>,
    /// What happened, for the person who reads the identity provider's log.
    pub detail: String,
    /// Header fields that the response needs, names in lower case: `retry-after`, `allow`.
    pub headers: Vec<(String, String)>,
    /// Whether a write was refused because the resource has changed since it was read, so that the request can be made
    /// again on what it is now. No part of the response.
    pub conflict: bool,
    /// Whether an error rule of the mapping knows the reply, which is none of an application that is too busy, whatever the
    /// client is told. No part of the response.
    pub refused: bool,
    /// Whether some of what was asked for has been done all the same. No part of the response.
    pub partial: bool,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident => $kind:ident;)*) => {
        $($(#[$doc])*
        pub fn $name(detail: impl Into<String>) -> Self {
            Self::of(ScimType::$kind, detail)
        })*
    };
}

impl Error {
    /// The same, with what has been done all the same.
    #[must_use]
    pub fn with_done(self, done: &str) -> Self {
        Error { detail: format!("{}; {done}", self.detail), partial: true, ..self }
    }

    /// The same, with the keyword for a value that another resource has.
    #[must_use]
    pub fn of_uniqueness(self) -> Self {
        Error { scim_type: Some(ScimType::Uniqueness), ..self }
    }

    /// An error without a detail error keyword.
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        Error {
            status,
            scim_type: None,
            detail: detail.into(),
            headers: Vec::new(),
            conflict: false,
            refused: false,
            partial: false,
        }
    }

    /// An error of one kind, with that kind's status.
    pub fn of(scim_type: ScimType, detail: impl Into<String>) -> Self {
        Error { scim_type: Some(scim_type), ..Self::new(scim_type.status(), detail) }
    }

    /// The same error, with the part of the request that it is about before its detail.
    #[must_use]
    pub fn within(self, part: &str) -> Self {
        Error { detail: format!("{part}: {}", self.detail), ..self }
    }

    kinds! {
        /// 400 `invalidFilter`.
        invalid_filter => InvalidFilter;
        /// 400 `tooMany`.
        too_many => TooMany;
        /// 409 `uniqueness`.
        uniqueness => Uniqueness;
        /// 400 `mutability`.
        mutability => Mutability;
        /// 400 `invalidSyntax`.
        invalid_syntax => InvalidSyntax;
        /// 400 `invalidPath`.
        invalid_path => InvalidPath;
        /// 400 `noTarget`.
        no_target => NoTarget;
        /// 400 `invalidValue`.
        invalid_value => InvalidValue;
        /// 400 `invalidVers`.
        invalid_vers => InvalidVers;
        /// 403 `sensitive`.
        sensitive => Sensitive;
        /// 400 `invalidCursor` (RFC 9865).
        invalid_cursor => InvalidCursor;
        /// 400 `expiredCursor` (RFC 9865).
        expired_cursor => ExpiredCursor;
        /// 400 `invalidCount` (RFC 9865).
        invalid_count => InvalidCount;
    }

    /// 404: there is no resource `id` of the type named `resource_type` (`User`).
    pub fn not_found(resource_type: &str, id: &str) -> Self {
        Self::new(404, format!("{resource_type} `{id}` not found"))
    }

    /// The same error with one more header field on its response.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The response body (RFC 7644 section 3.12); `status` is a string there.
    pub fn body(&self) -> Value {
        let mut body = json!({
            "schemas": [SCHEMA],
            "status": self.status.to_string(),
            "detail": self.detail,
        });
        if let (Some(scim_type), Some(body)) = (self.scim_type, body.as_object_mut()) {
            body.insert("scimType".to_owned(), scim_type.as_str().into());
        }
        body
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scim_type {
            Some(kind) => write!(f, "{} {}: {}", self.status, kind.as_str(), self.detail),
            None => write!(f, "{}: {}", self.status, self.detail),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7644_3_12_body() {
        assert_eq!(
            Error::uniqueness("`bjensen` is in use").body(),
            json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
                "status": "409", "scimType": "uniqueness", "detail": "`bjensen` is in use",
            })
        );
        assert_eq!(
            Error::not_found("User", "2819").body(),
            json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
                "status": "404", "detail": "User `2819` not found",
            })
        );
    }

    #[test]
    fn keywords_read_back() {
        for kind in ScimType::ALL {
            assert_eq!(ScimType::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(ScimType::parse("Uniqueness"), None);
    }
}

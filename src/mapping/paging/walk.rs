//! Walks over native lists, page by page.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Paging, Style};
use crate::exchange::{Request, Response};
use crate::mapping::ReplyValue;
use crate::mapping::codec::text_of;
use crate::mapping::errors::{recognised, recognised_by_more};
use crate::scim::etag;

/// A walk over a native list.
#[derive(Debug)]
pub struct Walk<'a> {
    paging: &'a Paging,
    /// The 0-based index of the first row of the next page.
    at: usize,
    /// Rows of the next page that come before what is wanted.
    skip: usize,
    /// Rows on a page, as the application turns out to have them.
    size: usize,
    /// Whether that is known from a page.
    sized: bool,
    cursor: Option<String>,
    link: Option<String>,
    /// What the first row of the page before was.
    previous: Option<u64>,
    /// The cursors, markers and addresses that this walk has asked with.
    used: BTreeSet<String>,
    /// The number of all rows, as the application has said last.
    total: Option<usize>,
    /// Whether that was less than the rows that there were.
    estimated: bool,
    done: bool,
}

/// Where a walk stands, to go on in another request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    #[serde(default, rename = "a", skip_serializing_if = "is_zero")]
    at: usize,
    #[serde(default, rename = "k", skip_serializing_if = "is_zero")]
    skip: usize,
    #[serde(default, rename = "z", skip_serializing_if = "is_zero")]
    size: usize,
    #[serde(default, rename = "q", skip_serializing_if = "std::ops::Not::not")]
    sized: bool,
    #[serde(default, rename = "c", skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    #[serde(default, rename = "l", skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    #[serde(default, rename = "p", skip_serializing_if = "Option::is_none")]
    previous: Option<u64>,
}

impl Position {
    /// The position `rows` rows of the next page further on.
    #[must_use]
    pub fn past(mut self, rows: usize) -> Self {
        self.skip = self.skip.saturating_add(rows);
        self
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // As serde calls it.
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// One page of a walk.
#[derive(Debug, Default)]
pub struct Page {
    /// The rows that are wanted.
    pub items: Vec<Value>,
    /// The number of all rows, where the application tells it.
    pub total: Option<usize>,
}

impl<'a> Walk<'a> {
    /// A walk from the 0-based index `from`; `wanted` is how many rows are needed, if that is known.
    /// Styles without random access begin at the beginning and skip.
    pub fn new(paging: &'a Paging, from: usize, wanted: Option<usize>) -> Self {
        let (at, skip, size) = match &paging.style {
            Style::Page(numbered) => {
                let wanted = wanted.unwrap_or(numbered.max).clamp(1, numbered.max);
                let size = match numbered.size {
                    Some(_) if from.checked_rem(wanted) == Some(0) => wanted,
                    _ => numbered.max,
                };
                let skip = from.checked_rem(size).unwrap_or(0);
                (from - skip, skip, size)
            }
            Style::Offset(numbered) => {
                let size = match numbered.size {
                    Some(_) => wanted.unwrap_or(numbered.max).clamp(1, numbered.max),
                    None => numbered.max,
                };
                (from, 0, size)
            }
            _ => (0, from, 0),
        };
        Walk::resume(paging, Position { at, skip, size, ..Position::default() })
    }

    /// A walk from where another one stood.
    pub fn resume(paging: &'a Paging, position: Position) -> Self {
        Walk {
            paging,
            at: position.at,
            skip: position.skip,
            size: position.size,
            sized: position.sized,
            cursor: position.cursor,
            link: position.link,
            previous: position.previous,
            used: BTreeSet::new(),
            total: None,
            estimated: false,
            done: false,
        }
    }

    /// Where the walk stands: before the next page.
    pub fn position(&self) -> Position {
        Position {
            at: self.at,
            skip: self.skip,
            size: self.size,
            sized: self.sized,
            cursor: self.cursor.clone(),
            link: self.link.clone(),
            previous: self.previous,
        }
    }

    /// Whether there is no further page.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Whether the walk has ended before the rows that the application says it has. Rows that it leaves out of a page on
    /// its way are not missed: some count what the gateway may not see.
    pub fn ended_early(&self) -> bool {
        let numbered = matches!(self.paging.style, Style::Page(_) | Style::Offset(_));
        self.done && numbered && self.total.is_some_and(|total| self.at < total)
    }

    /// Ends the walk if `reply` says that there is no such page: the pages before it were all.
    pub fn is_past_end(&mut self, reply: &Response) -> bool {
        let further = self.at > 0 && matches!(self.paging.style, Style::Page(_) | Style::Offset(_));
        let past = further && (matches!(reply.status, 404 | 410) || recognised(&self.paging.end, reply));
        // A status alone does not tell a first page without rows from a wrong path.
        let past = past || recognised_by_more(&self.paging.end, reply);
        self.done |= past;
        past
    }

    /// The parameters of the next page.
    pub fn parameters(&self) -> Vec<(String, Value)> {
        let mut out = Vec::new();
        let mut put = |name: &str, value: Value| out.push((name.to_owned(), value));
        match &self.paging.style {
            Style::Whole | Style::Next(_) | Style::Link => {}
            Style::Page(numbered) => {
                let page = self.at.checked_div(self.size).unwrap_or(0);
                let page = page.saturating_add(numbered.first);
                put(&numbered.param, page.into());
                if let Some(size) = &numbered.size {
                    put(size, self.size.into());
                }
            }
            Style::Offset(numbered) => {
                put(&numbered.param, self.at.saturating_add(numbered.first).into());
                if let Some(size) = &numbered.size {
                    put(size, self.size.into());
                }
            }
            Style::Cursor { param, size, .. } | Style::Marker { param, size, .. } => {
                if let Some((name, size)) = size {
                    put(name, (*size).into());
                }
                if let Some(cursor) = &self.cursor {
                    put(param, cursor.as_str().into());
                }
            }
        }
        out
    }

    /// Makes `request`, rendered with [`Walk::parameters`], ask for the next page where that is an address.
    pub fn address(&self, request: &mut Request) {
        if let Some(link) = &self.link {
            request.target.clone_from(link);
        }
    }

    /// Takes the reply to `request`. The error is what is wrong with it, in words. `authority` is the
    /// application's own: an absolute address of a next page must not lead elsewhere.
    pub fn take(
        &mut self,
        request: &Request,
        reply: &Response,
        mut body: Value,
        authority: &str,
    ) -> Result<Page, String> {
        let total = self.paging.total.as_ref().and_then(|at| match at {
            ReplyValue::Body(at) => at.get(&body).and_then(whole_number),
            ReplyValue::Header(name) => reply.header(name)?.trim().parse().ok(),
        });
        let next = self.next(request, reply, &body, authority)?;
        let items = match (self.paging.items.take(&mut body), &self.paging.keyed) {
            (Some(Value::Object(rows)), Some(at)) => {
                let row = |(name, mut row)| {
                    at.set(&mut row, Value::String(name));
                    row
                };
                rows.into_iter().map(row).collect()
            }
            (Some(Value::Array(items)), _) => items,
            (Some(Value::Null), _) => Vec::new(),
            // Some leave an empty list out.
            (None, _) if total.is_some_and(|total| total <= self.at) => Vec::new(),
            _ => return Err(format!("there is no list at `{}`", self.paging.items)),
        };
        let count = items.len();
        let total = self.believed(total, count);
        let first = items.first().map(etag::hash_of);
        if first.is_some() && first == self.previous {
            if !matches!(self.paging.style, Style::Page(_) | Style::Offset(_)) {
                // It said that there is more, and does not know what it was asked for.
                return Err("its next page begins with the rows of the page before".to_owned());
            }
            if total.is_some() {
                return Err("its next page is the page before, although it says that there are more rows".to_owned());
            }
            // Some applications answer a page past the end with the last page.
            self.done = true;
            return Ok(Page::default());
        }
        self.previous = first;
        let asked = self.asked();
        match (&self.paging.style, total) {
            (Style::Page(numbered), Some(total)) => {
                if count > self.size && numbered.size.is_none() {
                    // Pages have a size of their own, and the first one lacked rows.
                    self.at = self.at.checked_div(self.size).unwrap_or(0).saturating_mul(count);
                    self.size = count;
                }
                // Neither a whole page nor the last one.
                let short = count > 0 && count < self.size && self.at.saturating_add(count) != total;
                if short && !self.sized {
                    // The application's largest page is smaller than what was asked for.
                    let from = self.at + self.skip;
                    self.sized = true;
                    self.size = count;
                    if self.at > 0 {
                        // Page numbers count in the application's own size: ask again with that.
                        self.skip = from.checked_rem(count).unwrap_or(0);
                        self.at = from - self.skip;
                        self.previous = None;
                        return Ok(Page { items: Vec::new(), total: Some(total) });
                    }
                }
                self.sized |= count > 0;
                // A page that lacks rows still has its number.
                if count > 0 {
                    self.at = self.at.saturating_add(self.size.max(count));
                }
                self.done = count == 0 || self.at >= total;
            }
            (Style::Offset(_), Some(total)) => {
                self.at = self.at.saturating_add(count);
                self.done = count == 0 || self.at >= total;
            }
            (Style::Page(_), None) => {
                // Without a total, a short page may be the application's own limit: only an empty one ends.
                self.at += if count == 0 { 0 } else { self.size };
                self.done = count == 0;
            }
            (Style::Offset(_), None) => {
                self.at += count;
                self.done = count == 0;
            }
            (Style::Whole, Some(total)) if count < total => {
                return Err(format!(
                    "it says that there are {total} rows and shows {count}: the mapping has no paging"
                ));
            }
            (Style::Whole, _) => self.done = true,
            (Style::Marker { field, .. }, _) => {
                self.cursor = items.last().and_then(|item| field.get(item)).map(text_of);
                self.done = count == 0 || self.cursor.is_none();
            }
            (Style::Cursor { .. }, _) => {
                self.done = next.is_none() || next == self.cursor;
                self.cursor = next;
            }
            (Style::Next(_) | Style::Link, _) => {
                self.done = next.is_none() || next == self.link;
                self.link = next;
            }
        }
        self.done |= self.paging.short_is_last && asked.is_some_and(|asked| count < asked);
        if let (Some(next), false) = (self.cursor.as_ref().or(self.link.as_ref()), self.done)
            && !self.used.insert(next.clone())
        {
            return Err("its next page is one that it has shown before".to_owned());
        }
        let skip = self.skip.min(count);
        self.skip -= skip;
        Ok(Page { items: items.into_iter().skip(skip).collect(), total })
    }

    /// The total, unless the rows that there are show that it is an estimate: that says nothing any more.
    fn believed(&mut self, total: Option<usize>, count: usize) -> Option<usize> {
        let is_here = self.at == 0 || self.sized || count >= self.size || !matches!(self.paging.style, Style::Page(_));
        let is_too_small = |total: usize| is_here && count > 0 && self.at.saturating_add(count) > total;
        self.estimated |= total.or(self.total).is_some_and(is_too_small);
        let total = total.filter(|_| !self.estimated);
        self.total = total.or(self.total).filter(|_| !self.estimated);
        total
    }

    /// How many rows the next page is asked to have, or has at the most.
    fn asked(&self) -> Option<usize> {
        match &self.paging.style {
            Style::Page(_) | Style::Offset(_) => Some(self.size),
            Style::Cursor { size, .. } | Style::Marker { size, .. } => size.as_ref().map(|(_, size)| *size),
            Style::Whole | Style::Next(_) | Style::Link => None,
        }
    }

    /// The cursor or the address of the page after `reply`.
    fn next(
        &self,
        request: &Request,
        reply: &Response,
        body: &Value,
        authority: &str,
    ) -> Result<Option<String>, String> {
        let found = match &self.paging.style {
            // Some hand out a cursor with the last page too.
            Style::Cursor { more: Some(at), .. } if at.get(body).is_some_and(|more| text_of(more) == "false") => None,
            Style::Cursor { next: ReplyValue::Body(at), .. } | Style::Next(ReplyValue::Body(at)) => {
                at.get(body).filter(|value| !value.is_null()).map(text_of)
            }
            Style::Cursor { next: ReplyValue::Header(name), .. } | Style::Next(ReplyValue::Header(name)) => {
                reply.header(name).map(str::to_owned)
            }
            Style::Link => {
                reply.headers.iter().filter(|(name, _)| name == "link").find_map(|(_, value)| next_link(value))
            }
            _ => None,
        };
        match found.filter(|next| !next.is_empty()) {
            Some(next) if matches!(self.paging.style, Style::Next(_) | Style::Link) => {
                resolve(&next, &request.target, authority).map(Some)
            }
            next => Ok(next),
        }
    }
}

fn whole_number(value: &Value) -> Option<usize> {
    text_of(value).parse().ok()
}

/// The address with `rel="next"` in a `Link` header field (RFC 8288).
fn next_link(field: &str) -> Option<String> {
    field.split('<').skip(1).find_map(|link| {
        let (address, parameters) = link.split_once('>')?;
        let is_next = parameters.split([';', ',']).any(|parameter| {
            parameter
                .trim()
                .to_ascii_lowercase()
                .strip_prefix("rel=")
                .is_some_and(|relations| relations.trim_matches('"').split(' ').any(|relation| relation == "next"))
        });
        is_next.then(|| address.to_owned())
    })
}

/// Path and query of `address`, seen from `target`.
fn resolve(address: &str, target: &str, authority: &str) -> Result<String, String> {
    let path = target.split('?').next().unwrap_or_default();
    let absolute = address.split_once("://").filter(|(scheme, _)| !scheme.contains(['/', '?']));
    let local = match absolute {
        Some((_, rest)) => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (host, local) = rest.split_at(end);
            if !host.eq_ignore_ascii_case(authority) {
                return Err(format!(
                    "its next page is at another host, `{host}`; if that is the application, set SCIM_EDGE_AUTHORITY to it"
                ));
            }
            local.to_owned()
        }
        None if address.starts_with("//") => {
            return Err("its next page is at another host".to_owned());
        }
        None if address.starts_with('?') => format!("{path}{address}"),
        None if address.starts_with('/') => address.to_owned(),
        None => beside(path, address),
    };
    if local.split('?').next() != Some(path) || local.chars().any(|c| c.is_control() || c == ' ') {
        return Err("its next page is at another path".to_owned());
    }
    Ok(local)
}

/// A relative reference, seen from `path` (RFC 3986 section 5.2).
fn beside(path: &str, address: &str) -> String {
    let (relative, query) = address.split_at(address.find('?').unwrap_or(address.len()));
    let mut segments: Vec<&str> = path.split('/').collect();
    segments.pop();
    for segment in relative.split('/') {
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    segments.join("/") + query
}

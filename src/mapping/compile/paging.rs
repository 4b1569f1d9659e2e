//! How native lists are paged.

use super::Compiler;
use crate::mapping::ReplyValue;
use crate::mapping::diagnostic::Code;
use crate::mapping::language as written;
use crate::mapping::paging::{Numbered, Paging, Style};
use crate::mapping::read::Spanned;

impl Compiler<'_> {
    /// A paging style; `items` is where the rows are if the paging does not say it.
    pub(super) fn paging(&mut self, own: Option<&written::Paging>, items: Option<&Spanned<String>>) -> Paging {
        let shared = self.paging.clone();
        let Some(written) = own.or(shared.as_ref()) else {
            let items = self.optional_pointer(items).unwrap_or_default();
            return Paging::whole(items);
        };
        let styles = [
            written.page.is_some(),
            written.offset.is_some(),
            written.cursor.is_some(),
            written.marker.is_some(),
            written.next.is_some(),
            written.link,
        ];
        if styles.iter().filter(|given| **given).count() > 1 {
            self.error(
                Code::ExactlyOne,
                written.place,
                "a list is paged in one style, and several are given",
                "keep one of page, offset, cursor, marker, next, link",
            );
        }
        let style = self.paging_style(written);
        let total = written.total.as_ref().and_then(|total| self.in_reply(total));
        let items = self.optional_pointer(items.or(written.items.as_ref())).unwrap_or_default();
        let sized = match &style {
            Style::Page(_) | Style::Offset(_) => true,
            Style::Cursor { size, .. } | Style::Marker { size, .. } => size.is_some(),
            Style::Whole | Style::Next(_) | Style::Link => false,
        };
        let end = written.end.iter().map(|it| self.recognised(it)).collect();
        if let (Some(short), false) = (&written.short_page, sized) {
            let help = "remove `short_page`, or say by `size` how many rows are asked for";
            self.error(Code::BadPaging, short.at, "no page is short where none has a size", help);
        }
        let keyed = self.optional_pointer(written.keyed.as_ref());
        Paging { style, items, keyed, total, end, short_is_last: written.short_page.is_some() }
    }

    fn in_reply(&mut self, written: &written::InReply) -> Option<ReplyValue> {
        match written {
            written::InReply::Body(at) => self.pointer(at).map(ReplyValue::Body),
            written::InReply::Header(name) => Some(ReplyValue::Header(name.to_lowercase())),
        }
    }

    fn paging_style(&mut self, written: &written::Paging) -> Style {
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let size = |name: &Option<String>, max: &Option<Spanned<u32>>| {
            name.clone().map(|name| (name, max.as_ref().map_or(100, |max| count(max.value).max(1))))
        };
        for max in [written.page.as_ref().map(|page| &page.max), written.offset.as_ref().map(|offset| &offset.max)]
            .into_iter()
            .flatten()
        {
            if max.value == 0 {
                self.error(
                    Code::BadPaging,
                    max.at,
                    "a page of 0 rows never ends",
                    "write the application's largest page",
                );
            }
        }
        if let Some(page) = &written.page {
            Style::Page(Numbered {
                param: page.param.clone(),
                first: count(page.first.unwrap_or(1)),
                size: page.size.clone(),
                max: count(page.max.value).max(1),
            })
        } else if let Some(offset) = &written.offset {
            Style::Offset(Numbered {
                param: offset.param.clone(),
                first: count(offset.first.unwrap_or(0)),
                size: offset.size.clone(),
                max: count(offset.max.value).max(1),
            })
        } else if let Some(cursor) = &written.cursor {
            match self.reply_value(&cursor.next) {
                Some(next) => Style::Cursor {
                    param: cursor.param.clone(),
                    next,
                    more: self.optional_pointer(cursor.more.as_ref()),
                    size: size(&cursor.size, &cursor.max),
                },
                None => Style::Whole,
            }
        } else if let Some(marker) = &written.marker {
            match self.pointer(&marker.field) {
                Some(field) => {
                    Style::Marker { param: marker.param.clone(), field, size: size(&marker.size, &marker.max) }
                }
                None => Style::Whole,
            }
        } else if let Some(next) = &written.next {
            self.in_reply(next).map_or(Style::Whole, Style::Next)
        } else if written.link {
            Style::Link
        } else {
            Style::Whole
        }
    }
}

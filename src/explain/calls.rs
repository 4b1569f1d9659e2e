//! Which of a mapping's calls a native call is.

use std::cmp::Reverse;

use crate::exchange::Request;
use crate::mapping::links::{Link, LinkSource, Links, MemberChange};
use crate::mapping::paging::Paging;
use crate::mapping::pointer::Pointer;
use crate::mapping::template::{CallTemplate, JsonTemplate, Said};
use crate::mapping::{Create, How, ListPart, Login, Mapping, Operation, ReplyValue, Resource, Update};

/// What a call is for.
#[derive(Clone, Copy)]
pub(super) enum Purpose<'m> {
    /// Logging the gateway in.
    Login(&'m Login),
    /// Reading what a resource is linked with.
    Links(&'m Links, &'m Paging, &'m Link),
    /// Finding a resource, which is in the reply.
    Object(&'m Operation),
    /// Finding a resource, whose id is there in the reply.
    Id(&'m Operation, &'m Pointer),
    /// Counting the rows of the native list with this number.
    Count(usize, &'m ReplyValue),
    /// Asking the native list with this number.
    List(usize, &'m ListPart),
    /// Reading one resource.
    Read,
    /// Creating one.
    Create(&'m Create),
    /// Updating one.
    Update(&'m Update),
    /// What is done and answers with nothing.
    Other,
}

/// A call of the mapping.
struct Known<'m> {
    resource: Option<&'m Resource>,
    purpose: Purpose<'m>,
    call: &'m CallTemplate,
    /// Its further parameters.
    parameters: &'m [(String, JsonTemplate)],
    /// What its body always has, beside what is written.
    set: &'m [(Pointer, JsonTemplate)],
}

impl Known<'_> {
    /// What `request` says, if it can be this call.
    fn read(&self, request: &Request) -> Option<Said> {
        self.call.read_with(request, self.parameters, self.set)
    }

    /// How much of it is always the same: of two calls that a request can be, it is the one that says more.
    fn certainty(&self) -> (usize, usize) {
        let values = self.parameters.iter().map(|(_, value)| value).chain(self.set.iter().map(|(_, value)| value));
        let (path, constants) = self.call.constants();
        (path, constants + values.map(JsonTemplate::constants).sum::<usize>())
    }
}

/// The resource type that a call is about, what it is for, and what it says.
pub(super) type Recognised<'m> = (Option<&'m Resource>, Purpose<'m>, Said);

/// Recognises a call: by everything that its template says where that is possible, since an application may have one path
/// for all its calls, else by method and path, since a value that is missing leaves its parameter out.
pub(super) fn recognised<'m>(mapping: &'m Mapping, request: &Request) -> Option<Recognised<'m>> {
    let known = known(mapping);
    let exact = known.iter().filter_map(|it| Some((it, it.read(request)?)));
    let best = exact.min_by_key(|(it, _)| Reverse(it.certainty()));
    let roughly = || known.iter().find_map(|it| Some((it, it.call.recognise(request)?)));
    best.or_else(roughly).map(|(it, said)| (it.resource, it.purpose, said))
}

/// Whether a call is the login.
pub(super) fn is_login(mapping: &Mapping, request: &Request) -> bool {
    mapping.login.is_some() && matches!(recognised(mapping, request), Some((_, Purpose::Login(_), _)))
}

/// Every call, of those that say the same the likeliest first.
fn known(mapping: &Mapping) -> Vec<Known<'_>> {
    let login = mapping.login.iter().map(|login| Known {
        resource: None,
        purpose: Purpose::Login(login),
        call: &login.call,
        parameters: &[],
        set: &[],
    });
    login.chain(mapping.resources.iter().flat_map(of_resource)).collect()
}

fn of_resource(resource: &Resource) -> Vec<Known<'_>> {
    let mut all = Vec::new();
    let mut add = |purpose, call, parameters, set| {
        all.push(Known { resource: Some(resource), purpose, call, parameters, set });
    };
    if let Some(links) = &resource.links
        && let LinkSource::List { call, paging, link, find } = &links.source
    {
        find.iter().for_each(|find| add(Purpose::Links(links, paging, link), find, &[], &[]));
        add(Purpose::Links(links, paging, link), call, &[], &[]);
    }
    if let Some(list) = &resource.list {
        let narrowed = list.filters.iter().map(|narrowing| &narrowing.how);
        for how in narrowed.clone() {
            match how {
                How::Call(operation) => add(Purpose::Object(operation), &operation.call, &[], always(operation)),
                How::Find(operation, at) => add(Purpose::Id(operation, at), &operation.call, &[], always(operation)),
                How::Query(..) | How::Read(_) => {}
            }
        }
        let others =
            narrowed.clone().filter_map(|how| if let How::Query(_, other) = how { other.as_deref() } else { None });
        let batches = list.batches.iter().map(|batch| &batch.list);
        let parts: Vec<&ListPart> = list.parts.iter().chain(others).chain(batches).collect();
        for (index, part) in parts.iter().enumerate() {
            part.count.iter().for_each(|(count, at)| add(Purpose::Count(index, at), count, &[], &[]));
        }
        let queries = narrowed.filter_map(|how| if let How::Query(query, None) = how { Some(query) } else { None });
        let queries: Vec<_> = queries.chain(&resource.row).collect();
        for (index, part) in parts.into_iter().enumerate() {
            queries.iter().for_each(|query| add(Purpose::List(index, part), &part.call, query, &[]));
            add(Purpose::List(index, part), &part.call, &[], &[]);
        }
    }
    add(Purpose::Read, &resource.read.call, &[], always(&resource.read));
    if let Some(create) = &resource.create {
        add(Purpose::Create(create), &create.operation.call, &[], &create.body.set);
    }
    if let Some(update) = &resource.update {
        add(Purpose::Update(update), &update.operation.call, &[], &update.body.set);
    }
    if let Some(delete) = &resource.delete {
        add(Purpose::Other, &delete.operation.call, &[], always(&delete.operation));
    }
    resource.actions.iter().for_each(|action| add(Purpose::Other, &action.call, &[], &[]));
    if let Some(members) = &resource.members {
        members.check.iter().for_each(|check| add(Purpose::Other, &check.call, &[], &[]));
        match &members.change {
            Some(MemberChange::Calls { add: more, remove }) => {
                [more, remove].into_iter().for_each(|change| add(Purpose::Other, &change.call, &[], &[]));
            }
            Some(MemberChange::Replace(replace)) => add(Purpose::Other, &replace.call, &[], &[]),
            Some(MemberChange::Update | MemberChange::Field(_)) | None => {}
        }
    }
    all
}

/// What the body of a call that carries no attributes has.
fn always(operation: &Operation) -> &[(Pointer, JsonTemplate)] {
    operation.fixed.as_ref().map_or(&[], |body| body.set.as_slice())
}

//! Native calls: the credential, what is made again, the meaning of replies, and nothing about SCIM operations.

mod credential;
mod repeat;
mod secrets;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use serde_json::Value;

use self::repeat::Effect;

use super::pages;
use super::turns::Turns;
use crate::Engine;
use crate::engine::Tenant;
use crate::exchange::{Moment, Reply, Request, Response, Upstream};
use crate::mapping::codec::text_of;
use crate::mapping::errors::{Recognised, json_body, not_understood, recognised, scim_error};
use crate::mapping::generate::Generate;
use crate::mapping::language::{Access, Guard};
use crate::mapping::template::{JsonTemplate, Scope, Slot, Unfit};
use crate::mapping::translate::Attributes;
use crate::mapping::{Item, ListPart, Mapping, Operation, Resource};
use crate::scim::Error;

/// The application, as handlers see it.
pub(super) struct Native<'e> {
    engine: &'e Engine,
    tenant: &'e Tenant,
    upstream: Upstream,
    moment: Moment,
    /// How many texts were made up.
    generated: Cell<u32>,
    /// What the request writes and nobody may read, so that no message of the application repeats it.
    secrets: RefCell<Vec<String>>,
}

impl<'e> Native<'e> {
    pub(super) fn new(engine: &'e Engine, tenant: &'e Tenant, upstream: Upstream, moment: Moment) -> Self {
        let (generated, secrets) = (Cell::new(0), RefCell::default());
        Native { engine, tenant, upstream, moment, generated, secrets }
    }

    pub(super) fn mapping(&self) -> &'e Mapping {
        &self.tenant.mapping
    }

    /// The name of the tenant that the client is; empty where there are no tenants.
    pub(super) fn tenant(&self) -> &'e str {
        &self.tenant.name
    }

    pub(super) fn engine(&self) -> &'e Engine {
        self.engine
    }

    pub(super) fn moment(&self) -> &Moment {
        &self.moment
    }

    /// A secret of its own for each resource.
    pub(super) fn generate(&self, how: &Generate) -> Value {
        let number = self.generated.get();
        self.generated.set(number.wrapping_add(1));
        how.nth(number, &self.moment.entropy).into()
    }

    /// Keeps what `desired` has of passwords and their like out of errors.
    pub(super) fn keep_secret(&self, resource: &Resource, desired: &Attributes) {
        let hidden = resource.rows.iter().filter(|row| row.access == Access::Write);
        let texts = hidden.filter_map(|row| row.place.get(desired)?.as_str());
        // Shorter ones would make any message unreadable, and give themselves away.
        self.secrets.borrow_mut().extend(texts.filter(|text| text.len() >= 6).map(str::to_owned));
    }

    /// The turns that this tenant's requests have.
    pub(super) fn turns(&self) -> &'e Turns {
        &self.tenant.turns
    }

    /// Lets time pass; `false` where the request has not so much left.
    pub(super) async fn pause(&self, duration: Duration) -> bool {
        self.upstream.pause(duration).await
    }

    /// The application's own host, which absolute addresses in its replies must have.
    pub(super) fn authority(&self) -> &'e str {
        self.engine.authority()
    }

    /// Makes one call that writes, whatever its status. `what` says in words what it is for.
    pub(super) async fn send(&self, what: &str, request: Request) -> Result<Response, Error> {
        one(self.call(what, vec![request], Effect::Writes, &[]).await?)
    }

    /// As [`Native::send`], for a call that must not be made twice, although its method allows it.
    pub(super) async fn send_once(&self, what: &str, request: Request) -> Result<Response, Error> {
        one(self.call(what, vec![request], Effect::Creates, &[]).await?)
    }

    /// Makes calls that write, as many at once as the mapping allows. The replies are in the order of the requests; the
    /// outer error is a login that failed, and then no call was made. Once the application is in trouble, what has not been
    /// sent yet is not: there are then fewer replies than requests. Replies that say that something is `absent` are none.
    pub(super) async fn send_all(
        &self,
        what: &str,
        requests: Vec<Request>,
        absent: &[Recognised],
    ) -> Result<Vec<Result<Response, Error>>, Error> {
        self.call(what, requests, Effect::Writes, absent).await
    }

    /// As [`Native::send`], for a call that reads, whatever its method.
    pub(super) async fn ask(&self, what: &str, request: Request) -> Result<Response, Error> {
        one(self.call(what, vec![request], Effect::Reads, &[]).await?)
    }

    /// As [`Native::send_all`], for calls that read.
    pub(super) async fn ask_all(
        &self,
        what: &str,
        requests: Vec<Request>,
        absent: &[Recognised],
    ) -> Result<Vec<Result<Response, Error>>, Error> {
        self.call(what, requests, Effect::Reads, absent).await
    }

    async fn call(
        &self,
        what: &str,
        requests: Vec<Request>,
        effect: Effect,
        absent: &[Recognised],
    ) -> Result<Vec<Result<Response, Error>>, Error> {
        let mut results = Vec::with_capacity(requests.len());
        for batch in requests.chunks(self.mapping().limits.concurrency) {
            let sent = results.len();
            results.extend(self.send_with_credential(what, batch, effect).await?);
            if results.iter().skip(sent).any(|reply| self.is_in_trouble(what, reply, absent)) {
                break;
            }
        }
        Ok(results)
    }

    /// Whether a reply says that the application can do nothing at the moment, so that more calls would be in vain.
    fn is_in_trouble(&self, what: &str, reply: &Result<Response, Error>, absent: &[Recognised]) -> bool {
        let failed = |error: &Error| error.status == 429 || error.status >= 500;
        match reply {
            Ok(reply) if reply.status < 400 || is_absent(reply, absent) => false,
            Ok(reply) => self.check(what, reply.clone()).is_err_and(|error| failed(&error)),
            Err(error) => failed(error),
        }
    }

    /// Whether a reply is a success. One that is recognised by an error rule is none, whatever its status, and neither
    /// is a web page: a login form or a maintenance notice that something before the application answers with.
    pub(super) fn check(&self, what: &str, reply: Response) -> Result<Response, Error> {
        let rules = &self.mapping().errors;
        let ok = (200..300).contains(&reply.status);
        if ok && is_web_page(&reply) {
            return Err(not_understood(what, "it is a web page"));
        }
        let may_be_error = |status: Option<u16>| status.is_none_or(|status| status < 300);
        if ok && !rules.iter().any(|rule| may_be_error(rule.when.status)) {
            return Ok(reply);
        }
        if ok {
            let body = json_body(&reply);
            if !rules.iter().any(|rule| may_be_error(rule.when.status) && rule.when.matches(&reply, &body)) {
                return Ok(reply);
            }
        }
        Err(self.error(what, &Ok(reply)))
    }

    fn error(&self, what: &str, reply: &Reply) -> Error {
        let mut error = scim_error(&self.mapping().errors, what, reply, self.moment.now);
        for secret in self.secrets.borrow().iter() {
            error.detail = secrets::masked(&error.detail, secret);
        }
        error
    }

    /// Whether a reply says that another resource has a value that was written: a conflict that no error rule explains.
    pub(super) fn is_taken(&self, reply: &Response) -> bool {
        reply.status == 409 && !self.is_declared(reply)
    }

    /// Whether an error rule says what a reply means.
    fn is_declared(&self, reply: &Response) -> bool {
        let body = json_body(reply);
        self.mapping().errors.iter().any(|rule| rule.when.matches(reply, &body))
    }

    /// As [`Native::check`], for a call whose path no resource of the client's is part of, or one that has just been
    /// read: a 404 is then no news about a resource, and an identity provider must not take it for some.
    pub(super) fn check_collection(&self, what: &str, reply: Response) -> Result<Response, Error> {
        let status = reply.status;
        if is_absent(&reply, &[]) && !self.is_declared(&reply) {
            return Err(Error::new(
                502,
                format!("the application could not {what}: it has nothing at this path (native status {status})"),
            ));
        }
        self.check(what, reply)
    }

    /// Makes a call that answers with an object: `None` where the application says that it is not there.
    pub(super) async fn object(
        &self,
        what: &str,
        resource: &Resource,
        operation: &Operation,
        scope: &Scope<'_>,
    ) -> Result<Option<Value>, Error> {
        let Ok(request) = operation.request(scope) else {
            return Ok(None);
        };
        let reply = self.ask(what, request).await?;
        self.object_in(what, resource, (operation, scope), reply)
    }

    /// As [`Native::object`], for several scopes, side by side.
    pub(super) async fn objects(
        &self,
        what: &str,
        resource: &Resource,
        operation: &Operation,
        scopes: &[Scope<'_>],
    ) -> Result<Vec<Option<Value>>, Error> {
        // What cannot stand in the call is not there; the call for it is left out.
        let rendered: Vec<Option<Request>> = scopes.iter().map(|scope| operation.request(scope).ok()).collect();
        let there: Vec<bool> = rendered.iter().map(Option::is_some).collect();
        let requests = rendered.into_iter().flatten().collect();
        let mut replies = self.ask_all(what, requests, &operation.absent).await?.into_iter();
        let mut found = Vec::with_capacity(there.len());
        for (there, scope) in there.into_iter().zip(scopes) {
            let reply = if there { replies.next() } else { None };
            found.push(match reply {
                Some(reply) => self.object_in(what, resource, (operation, scope), reply?)?,
                None => None,
            });
        }
        Ok(found)
    }

    fn object_in(
        &self,
        what: &str,
        resource: &Resource,
        (operation, scope): (&Operation, &Scope<'_>),
        reply: Response,
    ) -> Result<Option<Value>, Error> {
        if is_absent(&reply, &operation.absent) {
            return Ok(None);
        }
        let reply = self.check(what, reply)?;
        match item(resource, &operation.item, &reply) {
            Some(mut object) => {
                for (at, value) in &operation.set {
                    at.set(&mut object, value.render(scope));
                }
                Ok(Some(object))
            }
            None if operation.item.at.is_past_end(&json_body(&reply)) => Ok(None),
            None => Err(not_understood(what, &operation.item.problem())),
        }
    }

    /// The native objects with these ids, read side by side.
    pub(super) async fn read_all(&self, resource: &Resource, ids: &[Value]) -> Result<Vec<Option<Value>>, Error> {
        if resource.fixed.is_some() {
            return Ok(ids.iter().map(|id| resource.fixed_object(id).cloned()).collect());
        }
        let what = format!("read the {}", noun(resource));
        let scopes: Vec<Scope<'_>> = ids.iter().map(|id| Scope { id: Some(id), ..Scope::default() }).collect();
        let objects = match (&resource.row, &resource.list) {
            (Some(query), Some(list)) => self.rows_with_ids(&what, resource, (&list.parts, query), &scopes).await?,
            _ => self.objects(&what, resource, &resource.read, &scopes).await?,
        };
        objects.iter().flatten().try_for_each(|object| resource.refuse_nameless(&what, object))?;
        Ok(objects)
    }

    /// The rows of the list that have the ids of these scopes. A list that is not asked by the id is read once for all.
    async fn rows_with_ids(
        &self,
        what: &str,
        resource: &Resource,
        (parts, query): (&[ListPart], &[(String, JsonTemplate)]),
        scopes: &[Scope<'_>],
    ) -> Result<Vec<Option<Value>>, Error> {
        let by_id = query.iter().any(|(_, value)| value.any(&|slot| matches!(slot, Slot::Id)));
        let asked = scopes.get(..1).filter(|_| !by_id).unwrap_or(scopes);
        let lists = pages::rows_of_list(self, what, parts, query, asked).await?;
        let find = |(index, scope): (usize, &Scope<'_>)| {
            let wanted = scope.id.and_then(|id| resource.scim_id(id))?;
            let rows = lists.get(if by_id { index } else { 0 })?;
            rows.iter().find(|row| resource.scim_id_of(row).as_ref() == Some(&wanted)).cloned()
        };
        Ok(scopes.iter().enumerate().map(find).collect())
    }

    /// The native object with this id.
    pub(super) async fn read(&self, resource: &Resource, id: &Value) -> Result<Option<Value>, Error> {
        Ok(self.read_all(resource, std::slice::from_ref(id)).await?.pop().flatten())
    }

    /// Whether there is an object with this id, in the sense of the guard.
    pub(super) async fn has(&self, resource: &Resource, id: &Value, guard: Guard) -> Result<bool, Error> {
        if guard != Guard::Unused || resource.row.is_some() {
            return Ok(self.read(resource, id).await?.is_some());
        }
        let read = Operation { absent: Vec::new(), ..resource.read.clone() };
        let what = format!("read the {}", noun(resource));
        let scope = Scope { id: Some(id), ..Scope::default() };
        let found = self.object(&what, resource, &read, &scope).await?;
        Ok(found.is_some())
    }
}

fn one(mut replies: Vec<Result<Response, Error>>) -> Result<Response, Error> {
    replies.pop().unwrap_or_else(|| Err(Error::new(500, "a call has no reply")))
}

/// The resource type's name in the middle of a sentence.
pub(super) fn noun(resource: &Resource) -> String {
    resource.kind.name.to_lowercase()
}

/// Whether a reply says that the resource is not there.
pub(super) fn is_absent(reply: &Response, absent: &[Recognised]) -> bool {
    matches!(reply.status, 404 | 410) || recognised(absent, reply)
}

/// Some frameworks call everything `text/html`, and an empty body too, so the body decides as well.
fn is_web_page(reply: &Response) -> bool {
    let html = reply.header("content-type").is_some_and(|kind| kind.to_ascii_lowercase().contains("html"));
    html && reply.body.trim_ascii_start().starts_with(b"<")
}

/// The object in a reply.
pub(super) fn item(resource: &Resource, item: &Item, reply: &Response) -> Option<Value> {
    let mut body: Value = serde_json::from_slice(&reply.body).ok()?;
    if let Some(found) = item.at.take(&mut body) {
        return found.is_object().then_some(found);
    }
    let bare = !item.stated && resource.scim_id_of(&body).is_some();
    bare.then_some(body)
}

impl Item {
    /// What a reply lacks that has no object there.
    fn problem(&self) -> String {
        if self.at.is_root() { "it is no object".to_owned() } else { format!("there is no object at `{}`", self.at) }
    }
}

impl Resource {
    /// The fixed resource with this native id.
    fn fixed_object(&self, id: &Value) -> Option<&Value> {
        let at = self.id_row()?.native.as_ref()?;
        let mut fixed = self.fixed.iter().flatten();
        fixed.find(|object| at.get(object).is_some_and(|found| text_of(found) == text_of(id)))
    }

    /// Refuses an object that does not say which one it is: another thing that the path may lead to, or an error that is
    /// called a success.
    pub(super) fn refuse_nameless(&self, what: &str, native: &Value) -> Result<(), Error> {
        let at = self.id_row().and_then(|row| row.native.as_ref());
        match at.filter(|_| self.scim_id_of(native).is_none()) {
            Some(at) => {
                Err(not_understood(what, &format!("there is no id at `{at}` (see `read.set` in the mapping language)")))
            }
            None => Ok(()),
        }
    }

    /// The SCIM id of a native object.
    pub(super) fn scim_id_of(&self, native: &Value) -> Option<String> {
        self.scim_id(self.id_row()?.native.as_ref()?.get(native)?)
    }
}

/// The error for a value that cannot be sent where the mapping puts it.
pub(super) fn unfit(reason: &Unfit) -> Error {
    reason.clone().into()
}

#[cfg(test)]
mod tests;

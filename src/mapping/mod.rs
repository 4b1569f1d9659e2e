//! The mapping: the language as written ([`language`]), and what it compiles to.
//!
//! One attribute row drives reading, creating, patching, filtering and `/Schemas`. Nothing here knows a
//! particular application, and nothing here does IO: [`translate`] turns SCIM values into native ones and
//! back, [`template`] renders native calls, [`paging`] bridges index paging onto the native style.

mod bodies;
pub mod codec;
mod compile;
pub mod diagnostic;
pub mod errors;
pub mod generate;
pub mod language;
pub mod links;
pub mod node;
pub mod paging;
mod parts;
pub mod place;
pub mod pointer;
pub mod read;
pub mod template;
pub mod translate;
pub mod view;

#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::exchange::Response;
use crate::scim::resource::Omitted;
use crate::scim::{CompareOp, Kind, Leniency, Reading, ResourceType, path::AttributePath};
use codec::{Codec, text_of};
use errors::{ErrorRule, Recognised};
use generate::Generate;
use language::{Access, Guard, Part, Send, Unmapped, Unnarrowed};
use links::{Links, Members};
use paging::Paging;
use place::Place;
use pointer::Pointer;
use template::{CallTemplate, JsonTemplate, Template};

pub use compile::{SOME_TENANT, check, compile, diagnose, placeholders};
pub use diagnostic::{Diagnostic, Diagnostics};

/// The JSON Schema (2020-12) of the mapping language.
pub fn json_schema() -> Value {
    use read::Read;
    let mut definitions = std::collections::BTreeMap::new();
    let document = language::Document::schema(&mut definitions);
    let mut schema = serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "scim-edge mapping",
        "$defs": definitions,
    });
    if let (Some(schema), Value::Object(document)) = (schema.as_object_mut(), document) {
        schema.extend(document);
    }
    schema
}

/// A compiled mapping: everything in it is valid.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// Header fields of every native call; names in lower case.
    pub headers: Vec<(String, String)>,
    /// How native calls are authenticated beyond those.
    pub login: Option<Login>,
    /// Bounds on what one request may cost.
    pub limits: Limits,
    /// The resource types, in the order of the document.
    pub resources: Vec<Resource>,
    /// What native errors mean.
    pub errors: Vec<ErrorRule>,
    /// What PUT means for an attribute that its body leaves out.
    pub omitted: Omitted,
    /// What becomes of attributes without a row.
    pub unmapped: Unmapped,
    /// Whether the quirks of identity providers are understood.
    pub leniency: Leniency,
}

impl Mapping {
    /// The resource type with this name: `User`.
    pub fn resource(&self, name: &str) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.kind.name == name)
    }

    /// How requests are read.
    pub fn reading(&self) -> Reading {
        let Limits { filter, depth, operations, .. } = self.limits;
        Reading { leniency: self.leniency, filter, depth, operations }
    }
}

/// Bounds on what one request may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a request body.
    pub body: usize,
    /// Levels of nesting of a request body and of a filter.
    pub depth: usize,
    /// Bytes of a filter or attribute path.
    pub filter: usize,
    /// Operations in one PATCH.
    pub operations: usize,
    /// Native rows that a filter, a sort or a total may read.
    pub scan: usize,
    /// Seconds for the whole request.
    pub time: u32,
    /// Seconds for one native call.
    pub call: u32,
    /// How often a call that may be repeated is made again.
    pub retries: u32,
    /// Native calls under way at once.
    pub concurrency: usize,
    /// Bytes of one native reply.
    pub reply: usize,
    /// Resources in one list response.
    pub page: usize,
    /// Member changes in one request.
    pub members: usize,
    /// Operations in one bulk request; 0: no bulk requests.
    pub bulk: usize,
}

/// A login call and how its token is sent.
#[derive(Clone, Debug)]
pub struct Login {
    /// The call.
    pub call: CallTemplate,
    /// Where the token stands in the reply.
    pub token: ReplyValue,
    /// The header field that carries it, in lower case.
    pub header: String,
    /// The field's text, with `{token}`.
    pub value: Template,
    /// Milliseconds that a token is used.
    pub lifetime: Option<u64>,
    /// Where the reply says for how many seconds it can be used.
    pub expires: Option<Pointer>,
    /// Replies that mean that the token is refused, beside 401.
    pub refused: Vec<Recognised>,
}

/// A place in a reply.
#[derive(Clone, Debug)]
pub enum ReplyValue {
    /// In the body.
    Body(Pointer),
    /// A header field.
    Header(String),
}

impl ReplyValue {
    /// The text there.
    pub fn text(&self, reply: &Response) -> Option<String> {
        match self {
            ReplyValue::Body(at) => at.get(&errors::json_body(reply)).filter(|value| !value.is_null()).map(text_of),
            ReplyValue::Header(name) => reply.header(name).map(str::to_owned),
        }
    }
}

/// One resource type: its SCIM face and its native calls.
#[derive(Clone, Debug)]
pub struct Resource {
    /// The schema that clients see: exactly the attributes that have a home.
    pub kind: ResourceType,
    /// The attribute rows.
    pub rows: Vec<Row>,
    /// The index of the row of `id`.
    pub id: usize,
    /// Rows, by index, and the values that make a resource one that no client can change; values in lower case.
    pub protect: Vec<(usize, Vec<String>)>,
    /// Reading one resource.
    pub read: Operation,
    /// Reading it where no call does that: the parameters with which the list has its row.
    pub row: Option<Vec<(String, JsonTemplate)>>,
    /// Listing.
    pub list: Option<List>,
    /// Creating.
    pub create: Option<Create>,
    /// Updating.
    pub update: Option<Update>,
    /// Deleting.
    pub delete: Option<Delete>,
    /// Calls that own attributes.
    pub actions: Vec<Action>,
    /// What a resource shows of those that it is linked with: the members of a group, the groups of a user.
    pub links: Option<Links>,
    /// How the members of a group are changed.
    pub members: Option<Members>,
    /// The resources themselves, where the application has no calls for them.
    pub fixed: Option<Vec<Value>>,
    /// Whether a request that asks for no attributes in particular gets all that the application says.
    pub shows_all: bool,
}

/// One attribute row.
#[derive(Clone, Debug)]
pub struct Row {
    /// The SCIM path as it was written, for messages.
    pub name: String,
    /// Where the value is in a SCIM resource.
    pub place: Place,
    /// Where it is in the native object.
    pub native: Option<Pointer>,
    /// How it is converted.
    pub codec: Codec,
    /// The SCIM type of the value.
    pub kind: Kind,
    /// Whether the value is a list.
    pub multi: bool,
    /// What an element of such a list has, where it has parts.
    pub subs: Vec<(String, Kind)>,
    /// The row, by index, whose native field this one's is, and which writes it.
    pub same_as: Option<usize>,
    /// Who may read and write it.
    pub access: Access,
    /// The actions that write it, by index; empty: the create and update bodies do.
    pub actions: Vec<usize>,
    /// Whether the create body carries it although an action writes it.
    pub on_create: bool,
    /// Whether it is an element of a list that a resource must have, and clients must give.
    pub required: bool,
    /// The SCIM value that a native object without the field stands for.
    pub missing: Option<Value>,
    /// The part of the native text that it owns.
    pub part: Option<Part>,
    /// The fixed SCIM value.
    pub constant: Option<Value>,
    /// The SCIM value of a new resource when the client gives none.
    pub default: Option<Value>,
    /// How that value is made up, where it is a secret of each resource's own.
    pub generate: Option<Generate>,
    /// What clearing sends, where that is not `null`, or for an element of a list its absence.
    pub clear: Option<Value>,
    /// Whether it is fixed once the resource is created, and never shown, so that nobody can tell a change from none.
    pub sealed: bool,
    /// Whether no other resource may have a value that is written, which is looked up first.
    pub looked_up: bool,
}

impl Row {
    /// Whether the value is part of what clients read.
    pub fn readable(&self) -> bool {
        self.access != Access::Write && !self.sealed
    }

    /// Whether the update body carries it.
    pub fn in_update(&self) -> bool {
        self.is_written() && self.actions.is_empty()
    }

    /// Whether the create body carries it.
    pub fn in_create(&self) -> bool {
        self.in_update() || (self.on_create && self.is_written())
    }

    /// The name of the native field.
    pub fn native_name(&self) -> String {
        self.native
            .as_ref()
            .map(|at| at.to_string().rsplit('.').next().unwrap_or_default().to_owned())
            .unwrap_or_default()
    }

    fn is_written(&self) -> bool {
        self.access != Access::Read && self.native.is_some() && self.same_as.is_none()
    }
}

/// A native call that answers with an object.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The call.
    pub call: CallTemplate,
    /// The body of a call that carries no attributes.
    pub fixed: Option<Body>,
    /// Where the object is in the reply.
    pub item: Item,
    /// Fields that the object has and the reply does not show.
    pub set: Vec<(Pointer, JsonTemplate)>,
    /// Replies that mean that the resource is not there, beside 404.
    pub absent: Vec<Recognised>,
    /// What a create or a delete makes sure of first.
    pub guard: Option<Guard>,
}

/// Where an object is in a reply.
#[derive(Clone, Debug)]
pub struct Item {
    /// The place.
    pub at: Pointer,
    /// Whether the operation itself says so; if not, a reply that is the bare object is understood too.
    pub stated: bool,
}

/// How bodies are made.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// The name under which the object is wrapped; the root if it is not.
    pub wrap: Pointer,
    /// Fields that are always sent.
    pub set: Vec<(Pointer, JsonTemplate)>,
    /// Native fields that are never sent back.
    pub omit: Vec<Pointer>,
}

/// Creating a resource.
#[derive(Clone, Debug)]
pub struct Create {
    /// The call.
    pub operation: Operation,
    /// Its body.
    pub body: Body,
    /// Where the new id is when the reply has no object.
    pub id: Option<NewId>,
    /// Replies that mean that there is one already.
    pub taken: Vec<Recognised>,
    /// Whether the resource is deleted again when what follows the create call fails.
    pub undo: bool,
}

/// Where a created resource's id is.
#[derive(Clone, Debug)]
pub enum NewId {
    /// The last segment of this header field's path.
    Header(String),
    /// A place in the body.
    Body(Pointer),
    /// The resource is looked up by the row with this index.
    Lookup(usize),
}

/// Updating a resource.
#[derive(Clone, Debug)]
pub struct Update {
    /// The call.
    pub operation: Operation,
    /// Its body.
    pub body: Body,
    /// Which attributes it sends.
    pub send: Send,
    /// Whether the other elements of a list are sent with one that is changed.
    pub whole_lists: bool,
    /// Whether the other fields of an object are sent with one that is changed.
    pub whole_objects: bool,
}

/// Deleting a resource.
#[derive(Clone, Debug)]
pub struct Delete {
    /// The call.
    pub operation: Operation,
    /// The row indices and values that a resource is brought to first.
    pub from: Vec<(usize, Value)>,
}

impl Delete {
    /// Whether the resource has to be read first.
    pub fn needs_current(&self) -> bool {
        !self.from.is_empty() || self.operation.guard.is_some() || self.operation.needs_native()
    }
}

/// Listing.
#[derive(Clone, Debug)]
pub struct List {
    /// The native lists that it is the union of: one, mostly.
    pub parts: Vec<ListPart>,
    /// What narrows it.
    pub filters: Vec<Narrowing>,
    /// What finds several resources at once.
    pub batches: Vec<Batch>,
    /// What becomes of a filter that nothing narrows.
    pub otherwise: Unnarrowed,
    /// What rows lack, so that each must be read on its own.
    pub partial: Partial,
}

impl List {
    /// All parts.
    pub fn all_parts(&self) -> Vec<&ListPart> {
        self.parts.iter().collect()
    }
}

/// What the rows of a list lack.
#[derive(Clone, Debug)]
pub enum Partial {
    /// Nothing.
    Nothing,
    /// Anything.
    Anything,
    /// These attributes.
    These(Vec<AttributePath>),
}

impl Partial {
    /// Whether rows may lack an attribute that is `wanted`.
    pub fn lacks(&self, wanted: impl FnMut(&AttributePath) -> bool) -> bool {
        match self {
            Partial::Nothing => false,
            Partial::Anything => true,
            Partial::These(attributes) => attributes.iter().any(wanted),
        }
    }
}

impl List {
    /// Whether the number of all rows is told, so that a page costs no walk over what comes after it.
    pub fn is_counted(&self) -> bool {
        self.parts.iter().all(|part| part.count.is_some() || part.paging.total.is_some())
    }
}

/// A native list.
#[derive(Clone, Debug)]
pub struct ListPart {
    /// The call.
    pub call: CallTemplate,
    /// How it is paged.
    pub paging: Paging,
    /// The call that counts its rows, and where the number is.
    pub count: Option<(CallTemplate, ReplyValue)>,
    /// Fields that its rows have and do not show.
    pub set: Vec<(Pointer, Value)>,
    /// Fields whose place in rows is the first, and in the resource the second.
    pub rename: Vec<(Pointer, Pointer)>,
}

impl ListPart {
    /// As [`ListPart::row`].
    pub fn rows(&self, rows: Vec<Value>) -> impl Iterator<Item = Value> {
        rows.into_iter().map(|row| self.row(row))
    }

    /// A row as the resource that it is when it is read on its own.
    pub fn row(&self, mut row: Value) -> Value {
        for (from, to) in &self.rename {
            if let Some(value) = from.get(&row).cloned() {
                to.set(&mut row, value);
            }
        }
        for (at, value) in &self.set {
            at.set(&mut row, value.clone());
        }
        row
    }
}

/// A native query for one kind of filter term.
#[derive(Clone, Debug)]
pub struct Narrowing {
    /// The canonical SCIM path.
    pub path: AttributePath,
    /// The row that encodes the value; `None` for `members.value` and `groups.value`, whose values are ids.
    pub row: Option<usize>,
    /// The operator.
    pub op: CompareOp,
    /// The query.
    pub how: How,
}

/// A native query for the resources whose row has one of several values.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The row that encodes the values.
    pub row: usize,
    /// The list that is asked, with the values in its call.
    pub list: ListPart,
    /// The most values at once.
    pub max: usize,
}

/// How a filter narrows.
#[derive(Clone, Debug)]
pub enum How {
    /// Further parameters of the list, or of another list that is asked instead.
    Query(Vec<(String, JsonTemplate)>, Option<Box<ListPart>>),
    /// The resource with this id is read.
    Read(Template),
    /// A call that answers with one object, or that it is not there.
    Call(Operation),
    /// A call whose answer has the id here, or that it is not there. The resource is then read.
    Find(Operation, Pointer),
}

/// A call that owns attributes.
#[derive(Clone, Debug)]
pub struct Action {
    /// The name, for messages.
    pub name: String,
    /// The row indices and values that it brings about; empty: any value of the rows that name it.
    pub when: Vec<(usize, Value)>,
    /// The call.
    pub call: CallTemplate,
    /// Where the object is in the reply, if it is there.
    pub item: Option<Pointer>,
}

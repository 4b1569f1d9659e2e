//! Resources that refer to each other: the members of groups, the groups of users.

use std::borrow::Cow;

use serde_json::Value;

use super::codec::{Codec, is_no_element, text_of};
use super::errors::Recognised;
use super::language::Returned;
use super::paging::Paging;
use super::pointer::Pointer;
use super::template::{CallTemplate, JsonTemplate, Scope, Slot};
use crate::scim::Kind;
use crate::scim::json::object;

/// What links lead to, and what the application knows it by.
#[derive(Clone, Debug)]
pub struct Target {
    /// The resource type.
    pub kind: &'static str,
    /// The row whose native value stands in calls and lists, by index; `None`: the id.
    pub by: Option<usize>,
    /// How that value is written in calls and lists.
    pub codec: Codec,
    /// Those that are neither shown nor changed, by the text that they are known by.
    pub except: Vec<String>,
}

impl Target {
    /// Whether what calls name so is neither shown nor changed.
    pub fn excepts(&self, native: &Value) -> bool {
        !self.except.is_empty() && self.except.contains(&text_of(native))
    }

    /// What calls and lists name the one by whose id, or value of the row `by`, this is; `None` where nobody can have it.
    pub fn name(&self, key: &Value) -> Option<Value> {
        if self.codec == Codec::Same { Some(key.clone()) } else { self.codec.encode(key).ok() }
    }

    /// Whose id, or value of the row `by`, a name stands for; `None` where it is the name of something else.
    pub fn key(&self, name: &Value) -> Option<Value> {
        if self.codec == Codec::Same {
            return Some(name.clone());
        }
        self.codec.decode(Cow::Borrowed(name), Kind::String).map(Cow::into_owned)
    }
}

/// What a resource shows of the resources that it is linked with.
#[derive(Clone, Debug)]
pub struct Links {
    /// The SCIM attribute: `members` or `groups`.
    pub attribute: &'static str,
    /// Their other end.
    pub target: Target,
    /// Where they are read.
    pub source: LinkSource,
    /// When they are returned.
    pub returned: Returned,
}

impl Links {
    /// Whether what calls know the other end by can be seen where the links are read: not where that is the id only.
    pub fn shows_keys(&self) -> bool {
        match &self.source {
            LinkSource::List { link, .. } | LinkSource::Inline { link, .. } => {
                self.target.by.is_none() || link.id.as_ref() != Some(&link.at)
            }
            LinkSource::Field(_) => true,
        }
    }
}

/// Where links are read.
#[derive(Clone, Debug)]
pub enum LinkSource {
    /// By a call of their own.
    List {
        /// The call.
        call: CallTemplate,
        /// How it is paged.
        paging: Box<Paging>,
        /// What a row says.
        link: Link,
        /// The call that finds the row of one `{member}`.
        find: Option<CallTemplate>,
    },
    /// In the resource's own object: a list, or a single one.
    Inline {
        /// The place.
        at: Pointer,
        /// Where the object says how many there are, so that a list that is cut short is not taken for whole.
        total: Option<Pointer>,
        /// Whether what is no list is its only element.
        single: bool,
        /// What an element says.
        link: Link,
    },
    /// In the objects at the other end.
    Field(UserField),
}

/// What one row or element says about a link.
#[derive(Clone, Debug, Default)]
pub struct Link {
    /// Where the other end is, as its [`Target`] knows it.
    pub at: Pointer,
    /// Where its id is, if that is something else.
    pub id: Option<Pointer>,
    /// Where the link's own key is.
    pub key: Option<Pointer>,
    /// Where the other end's name is.
    pub display: Option<Pointer>,
    /// Where it says which resource type the other end has, and the native value of each.
    pub kinds: Option<(Pointer, Vec<(String, Value)>)>,
}

impl Link {
    /// The resource type at the other end, `usual` where nothing says it; `None` where it is none of ours.
    pub fn kind<'k>(&'k self, native: &Value, usual: &'k str) -> Option<&'k str> {
        let Some((at, kinds)) = &self.kinds else { return Some(usual) };
        let found = text_of(at.get(native)?);
        kinds.iter().find(|(_, value)| text_of(value) == found).map(|(kind, _)| kind.as_str())
    }
}

/// Membership that is a field of the user.
#[derive(Clone, Debug)]
pub struct UserField {
    /// The field.
    pub at: Pointer,
    /// Whether it is a list of groups.
    pub list: bool,
    /// Where the group's id is in an element of the list.
    pub group: Pointer,
    /// The list of the users who have the group `{id}` there.
    pub find: Option<Vec<(String, JsonTemplate)>>,
    /// The field of a user without a group.
    pub clear: Value,
}

impl UserField {
    /// The native ids of the groups that a native user has.
    pub fn groups<'v>(&'v self, user: &'v Value) -> Vec<&'v Value> {
        match self.at.get(user) {
            None => Vec::new(),
            Some(nothing) if is_no_element(nothing) => Vec::new(),
            Some(Value::Array(items)) if self.list => items.iter().filter_map(|item| self.group.get(item)).collect(),
            Some(group) => vec![group],
        }
    }

    /// Whether a native user has this group.
    pub fn has(&self, user: &Value, group: &Value) -> bool {
        self.groups(user).into_iter().any(|found| text_of(found) == text_of(group))
    }

    /// The field of a native user who gets the group, or loses it; `None` where nothing changes. The error says, in words,
    /// why it must not be written over.
    pub fn changed(&self, user: &Value, group: &Value, add: bool) -> Result<Option<Value>, String> {
        let mut items = match self.at.get(user) {
            Some(Value::Array(_)) if !self.list => return Err(format!("there is a list at `{}`", self.at)),
            _ if !self.list => Vec::new(),
            None => Vec::new(),
            Some(nothing) if is_no_element(nothing) => Vec::new(),
            Some(Value::Array(items)) => items.clone(),
            Some(_) => return Err(format!("there is no list at `{}`", self.at)),
        };
        if self.has(user, group) == add {
            return Ok(None);
        }
        if !self.list {
            return Ok(Some(if add { group.clone() } else { self.clear.clone() }));
        }
        if add {
            let mut element = Value::Null;
            self.group.set(&mut element, group.clone());
            items.push(element);
        } else {
            items.retain(|item| self.group.get(item).is_none_or(|found| text_of(found) != text_of(group)));
        }
        Ok(Some(Value::Array(items)))
    }
}

/// How the members of a group are changed.
#[derive(Clone, Debug)]
pub struct Members {
    /// What members are, and what calls name them by.
    pub target: Target,
    /// A call that tells whether one user is a member.
    pub check: Option<MemberCall>,
    /// What changes them; `None`: nothing does.
    pub change: Option<MemberChange>,
}

/// What changes the members of a group.
#[derive(Clone, Debug)]
pub enum MemberChange {
    /// Calls for those who come and those who go.
    Calls {
        /// Adding.
        add: MemberCall,
        /// Removing.
        remove: MemberCall,
    },
    /// A call with all members.
    Replace(MemberCall),
    /// The group's own update, the list being in its object.
    Update,
    /// The users' updates.
    Field(UserField),
}

impl MemberChange {
    /// Whether its calls have fields of the group's native object.
    pub fn needs_native(&self) -> bool {
        match self {
            MemberChange::Calls { add, remove } => add.call.needs_native() || remove.call.needs_native(),
            MemberChange::Replace(replace) => replace.call.needs_native(),
            // The group's id as its own object has it.
            MemberChange::Field(_) => true,
            MemberChange::Update => false,
        }
    }
}

/// A call about members.
#[derive(Clone, Debug)]
pub struct MemberCall {
    /// The call.
    pub call: CallTemplate,
    /// Replies that mean that there was nothing to do.
    pub done: Vec<Recognised>,
    /// Replies that mean that the user or the group is not there, beside 404.
    pub absent: Vec<Recognised>,
    /// How a call takes several members; `None`: it takes one.
    pub batch: Option<MemberBatch>,
    /// Whether the membership's key is needed.
    pub keyed: bool,
}

/// How a call takes several members.
#[derive(Clone, Debug)]
pub struct MemberBatch {
    /// What each is in the list.
    pub each: Option<JsonTemplate>,
    /// The most in one call.
    pub max: usize,
}

impl MemberBatch {
    /// What `{members}` is for these: a list, or, where each is a field that is named by the member, the object that has
    /// the fields of all.
    pub fn members<'v>(&self, natives: impl Iterator<Item = &'v Value>) -> Value {
        let element = |native| match &self.each {
            Some(each) => each.render(&Scope { member: Some(native), ..Scope::default() }),
            None => Value::clone(native),
        };
        let elements = natives.map(element);
        if !self.each.as_ref().is_some_and(JsonTemplate::is_keyed) {
            return elements.collect();
        }
        let fields = elements.filter_map(|element| match element {
            Value::Object(fields) => Some(fields),
            _ => None,
        });
        Value::Object(object(fields.flatten()))
    }

    /// What the members are that `{members}` stood for.
    pub fn named(&self, members: &Value) -> Vec<Option<Value>> {
        let Some(each) = &self.each else { return elements(members).to_vec().into_iter().map(Some).collect() };
        let named = |element: &Value| {
            let mut said = Vec::new();
            each.read(element, &mut said)?;
            said.into_iter().find(|(slot, _)| *slot == Slot::Member).map(|(_, value)| value)
        };
        match members {
            Value::Object(fields) if each.is_keyed() => each.apart(fields).iter().map(named).collect(),
            members => elements(members).iter().map(named).collect(),
        }
    }
}

fn elements(list: &Value) -> &[Value] {
    list.as_array().map_or(std::slice::from_ref(list), Vec::as_slice)
}

//! PATCH against a reference that is as plain as can be: a user is a handful of fields and a list of e-mails, and each
//! operation is carried out on them by loops over everything. Random operations must come to the same.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{SCHEMA, apply, parse};
use crate::scim::ScimType;
use crate::scim::core::{ENTERPRISE_USER as ENT, user_type};
use crate::scim::dialect::Leniency::{self, Lenient, Strict};

#[derive(Clone, Debug, Default, PartialEq)]
struct Email {
    kind: Option<&'static str>,
    value: Option<&'static str>,
    primary: Option<bool>,
}

#[derive(Clone, Debug, Default)]
struct User {
    title: Option<&'static str>,
    given: Option<&'static str>,
    family: Option<&'static str>,
    department: Option<&'static str>,
    emails: Vec<Email>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verb {
    Add,
    Replace,
    Remove,
}

/// What stands between brackets.
#[derive(Clone, Debug)]
enum Test {
    Kind(&'static str),
    Value(&'static str),
    Primary(bool),
    HasValue,
    Both(Box<Test>, Box<Test>),
    Not(Box<Test>),
}

#[derive(Clone, Copy, Debug)]
enum Sub {
    Kind,
    Value,
}

#[derive(Clone, Debug)]
enum Change {
    Title(Verb, &'static str),
    Name(Verb, &'static str, &'static str),
    Given(Verb, &'static str),
    Department(Verb, &'static str),
    /// All at once, without a path.
    Several(Verb, &'static str, &'static str, Vec<Email>),
    Emails(Verb, Vec<Email>),
    Selected(Verb, Test, Email),
    SelectedSub(Verb, Test, Sub, &'static str),
}

/// Strictly, a filter that selects nothing is an error.
struct NoTarget;

impl Test {
    fn holds(&self, email: &Email) -> bool {
        let same = |a: Option<&str>, b: &str| a.is_some_and(|a| a.to_lowercase() == b.to_lowercase());
        match self {
            Test::Kind(kind) => same(email.kind, kind),
            Test::Value(value) => same(email.value, value),
            Test::Primary(primary) => email.primary == Some(*primary),
            Test::HasValue => email.value.is_some(),
            Test::Both(a, b) => a.holds(email) && b.holds(email),
            Test::Not(test) => !test.holds(email),
        }
    }

    /// Gives an e-mail what the filter says it equals.
    fn fill(&self, email: &mut Email) {
        match self {
            Test::Kind(kind) => email.kind = email.kind.or(Some(kind)),
            Test::Value(value) => email.value = email.value.or(Some(value)),
            Test::Primary(primary) => email.primary = email.primary.or(Some(*primary)),
            Test::Both(a, b) => {
                a.fill(email);
                b.fill(email);
            }
            Test::HasValue | Test::Not(_) => {}
        }
    }

    fn text(&self) -> String {
        match self {
            Test::Kind(kind) => format!("type eq \"{kind}\""),
            Test::Value(value) => format!("value eq \"{value}\""),
            Test::Primary(primary) => format!("primary eq {primary}"),
            Test::HasValue => "value pr".to_owned(),
            Test::Both(a, b) => format!("{} and {}", a.text(), b.text()),
            Test::Not(test) => format!("not ({})", test.text()),
        }
    }
}

impl Email {
    /// The same address: in any letter case, and of no other type.
    fn is(&self, other: &Email) -> bool {
        let lower = |text: Option<&str>| text.map(str::to_lowercase);
        match (self.value, other.value) {
            (Some(_), Some(_)) => {
                let of_other_kind = self.kind.is_some() && other.kind.is_some() && self.kind != other.kind;
                lower(self.value) == lower(other.value) && !of_other_kind
            }
            _ => self == other,
        }
    }

    fn take(&mut self, new: &Email) {
        self.kind = new.kind.or(self.kind);
        self.value = new.value.or(self.value);
        self.primary = new.primary.or(self.primary);
    }
}

impl User {
    fn make(&mut self, change: &Change, leniency: Leniency) -> Result<(), NoTarget> {
        let set = |field: &mut Option<&'static str>, verb: Verb, value: &'static str| {
            // Nothing, and leniently an empty string, is no value.
            *field = Some(value).filter(|value| verb != Verb::Remove && !value.is_empty());
        };
        match change {
            Change::Title(verb, value) => set(&mut self.title, *verb, value),
            Change::Given(verb, value) => set(&mut self.given, *verb, value),
            Change::Department(verb, value) => set(&mut self.department, *verb, value),
            Change::Name(Verb::Remove, ..) => (self.given, self.family) = (None, None),
            Change::Name(verb, given, family) => {
                set(&mut self.given, *verb, given);
                set(&mut self.family, *verb, family);
            }
            Change::Several(verb, title, department, emails) => {
                set(&mut self.title, *verb, title);
                set(&mut self.department, *verb, department);
                self.whole(*verb, emails);
            }
            Change::Emails(verb, emails) => self.whole(*verb, emails),
            Change::Selected(verb, test, new) => self.selected(*verb, test, leniency, &|email| match verb {
                Verb::Add => email.take(new),
                Verb::Replace => {
                    *email = new.clone();
                    test.fill(email);
                }
                Verb::Remove => *email = Email::default(),
            })?,
            Change::SelectedSub(verb, test, sub, value) => self.selected(*verb, test, leniency, &|email| {
                let field = match sub {
                    Sub::Kind => &mut email.kind,
                    Sub::Value => &mut email.value,
                };
                *field = Some(*value).filter(|_| *verb != Verb::Remove);
            })?,
        }
        Ok(())
    }

    fn whole(&mut self, verb: Verb, emails: &[Email]) {
        if verb != Verb::Add {
            self.emails.clear();
        }
        for new in emails.iter().filter(|_| verb != Verb::Remove) {
            let index = match self.emails.iter().position(|email| email.is(new)) {
                Some(index) => {
                    let value = self.emails[index].value;
                    self.emails[index].take(new);
                    self.emails[index].value = value;
                    index
                }
                None => {
                    self.emails.push(new.clone());
                    self.emails.len() - 1
                }
            };
            if new.primary == Some(true) {
                self.only_primary(index);
            }
        }
    }

    fn only_primary(&mut self, index: usize) {
        for (other, email) in self.emails.iter_mut().enumerate() {
            if other != index && email.primary == Some(true) {
                email.primary = Some(false);
            }
        }
    }

    fn selected(
        &mut self,
        verb: Verb,
        test: &Test,
        leniency: Leniency,
        change: &dyn Fn(&mut Email),
    ) -> Result<(), NoTarget> {
        let before = self.emails.clone();
        let selected: Vec<usize> = (0..before.len()).filter(|index| test.holds(&before[*index])).collect();
        if selected.is_empty() {
            if verb == Verb::Remove && leniency == Lenient {
                return Ok(());
            }
            let mut new = Email::default();
            test.fill(&mut new);
            if leniency == Strict || !test.holds(&new) {
                return Err(NoTarget);
            }
            let made = new.clone();
            change(&mut new);
            // What the filter says is there besides.
            self.emails.push(Email { kind: new.kind.or(made.kind), ..new });
            let last = self.emails.len() - 1;
            if self.emails[last].primary == Some(true) {
                self.only_primary(last);
            }
            return Ok(());
        }
        for index in &selected {
            change(&mut self.emails[*index]);
        }
        let primary = |emails: &[Email], index: usize| emails[index].primary == Some(true);
        let now: Vec<usize> = selected.into_iter().filter(|index| primary(&self.emails, *index)).collect();
        let was = now.iter().copied().find(|index| primary(&before, *index));
        if let Some(index) = was.or(now.first().copied())
            && verb != Verb::Remove
        {
            self.only_primary(index);
        }
        if verb == Verb::Remove {
            // What is left without an address is no e-mail.
            let emails = std::mem::take(&mut self.emails).into_iter().zip(&before);
            let kept = emails.filter(|(email, before)| email.value.is_some() || !test.holds(before));
            self.emails = kept.map(|(email, _)| email).collect();
        }
        Ok(())
    }
}

fn email_json(email: &Email) -> Value {
    let members = [
        ("type", email.kind.map(Value::from)),
        ("value", email.value.map(Value::from)),
        ("primary", email.primary.map(Value::from)),
    ];
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect::<Map<_, _>>().into()
}

fn emails_json(emails: &[Email]) -> Value {
    emails.iter().map(email_json).collect()
}

impl User {
    fn json(&self) -> Value {
        let mut user = json!({ "id": "1", "userName": "u" });
        let put = |object: &mut Value, name: &str, value: Option<&str>| {
            if let Some(value) = value {
                object[name] = value.into();
            }
        };
        let mut name = json!({});
        put(&mut name, "givenName", self.given);
        put(&mut name, "familyName", self.family);
        if name != json!({}) {
            user["name"] = name;
        }
        put(&mut user, "title", self.title);
        if let Some(department) = self.department {
            user[ENT] = json!({ "department": department });
        }
        if !self.emails.is_empty() {
            user["emails"] = emails_json(&self.emails);
        }
        user
    }
}

/// The operation as a client sends it.
fn operation(change: &Change) -> Value {
    let operation = |verb: &Verb, path: &str, value: Value| {
        let op = format!("{verb:?}").to_lowercase();
        match verb {
            Verb::Remove => json!({ "op": op, "path": path }),
            _ => json!({ "op": op, "path": path, "value": value }),
        }
    };
    let or_null = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
    match change {
        Change::Title(verb, value) => operation(verb, "title", or_null(value)),
        Change::Name(verb, given, family) => {
            operation(verb, "name", json!({ "givenName": or_null(given), "familyName": or_null(family) }))
        }
        Change::Given(verb, value) => operation(verb, "name.givenName", or_null(value)),
        Change::Department(verb, value) => operation(verb, &format!("{ENT}:department"), or_null(value)),
        Change::Several(verb, title, department, emails) => json!({
            "op": format!("{verb:?}").to_lowercase(),
            "value": { "title": or_null(title), ENT: { "department": or_null(department) }, "emails": emails_json(emails) },
        }),
        Change::Emails(verb, emails) => operation(verb, "emails", emails_json(emails)),
        Change::Selected(verb, test, email) => operation(verb, &format!("emails[{}]", test.text()), email_json(email)),
        Change::SelectedSub(verb, test, sub, value) => {
            let sub = if matches!(sub, Sub::Kind) { "type" } else { "value" };
            operation(verb, &format!("emails[{}].{sub}", test.text()), or_null(value))
        }
    }
}

fn verb() -> impl Strategy<Value = Verb> {
    prop::sample::select(vec![Verb::Add, Verb::Replace, Verb::Remove])
}

fn kind() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["work", "home", "other"])
}

fn address() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a@x", "A@x", "b@x", "c@x"])
}

fn text() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["p", "q", ""])
}

/// With an address, so that it is an e-mail at all; not primary.
fn email() -> impl Strategy<Value = Email> {
    (prop::option::of(kind()), address(), prop::option::of(Just(false))).prop_map(|(kind, value, primary)| Email {
        kind,
        value: Some(value),
        primary,
    })
}

/// At most one is primary.
fn emails() -> impl Strategy<Value = Vec<Email>> {
    (prop::collection::vec(email(), 0..4), any::<prop::sample::Index>(), any::<bool>()).prop_map(
        |(mut emails, index, primary)| {
            if primary && !emails.is_empty() {
                let index = index.index(emails.len());
                emails[index].primary = Some(true);
            }
            emails
        },
    )
}

fn test() -> impl Strategy<Value = Test> {
    let leaf = prop_oneof![
        kind().prop_map(Test::Kind),
        address().prop_map(Test::Value),
        any::<bool>().prop_map(Test::Primary),
        Just(Test::HasValue),
    ];
    leaf.prop_recursive(2, 4, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Test::Both(Box::new(a), Box::new(b))),
            inner.prop_map(|test| Test::Not(Box::new(test))),
        ]
    })
}

fn change() -> impl Strategy<Value = Change> {
    let sub = prop_oneof![(Just(Sub::Kind), kind()), (Just(Sub::Value), address()),];
    let primary = (email(), prop::option::of(any::<bool>())).prop_map(|(email, primary)| Email { primary, ..email });
    let additive = prop::sample::select(vec![Verb::Add, Verb::Replace]);
    prop_oneof![
        1 => (verb(), text()).prop_map(|(verb, text)| Change::Title(verb, text)),
        1 => (verb(), text(), text()).prop_map(|(verb, given, family)| Change::Name(verb, given, family)),
        1 => (verb(), text()).prop_map(|(verb, text)| Change::Given(verb, text)),
        1 => (verb(), text()).prop_map(|(verb, text)| Change::Department(verb, text)),
        1 => (additive, text(), text(), emails()).prop_map(|(verb, a, b, emails)| Change::Several(verb, a, b, emails)),
        2 => (verb(), emails()).prop_map(|(verb, emails)| Change::Emails(verb, emails)),
        3 => (verb(), test(), primary).prop_map(|(verb, test, email)| Change::Selected(verb, test, email)),
        3 => (verb(), test(), sub).prop_map(|(verb, test, (sub, value))| Change::SelectedSub(verb, test, sub, value)),
    ]
}

/// A user as an application can have it: no address twice.
fn user() -> impl Strategy<Value = User> {
    let some = || prop::option::of(prop::sample::select(vec!["p", "q"]));
    (some(), some(), some(), some(), emails()).prop_map(|(title, given, family, department, emails)| {
        let mut user = User { title, given, family, department, emails: Vec::new() };
        user.whole(Verb::Replace, &emails);
        user
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn random_operations_come_to_what_the_model_says(
        before in user(), changes in prop::collection::vec(change(), 1..6),
        leniency in prop::sample::select(vec![Lenient, Strict]),
    ) {
        let body = json!({ "schemas": [SCHEMA], "Operations": changes.iter().map(operation).collect::<Vec<_>>() });
        let rt = user_type();
        let mut expected = before.clone();
        let outcome = changes.iter().try_for_each(|change| expected.make(change, leniency));
        let mut patched = before.json();
        let patch = parse(&rt, body.clone(), leniency).map_err(|error| TestCaseError::fail(format!("{body:#}: {error}")))?;
        match (apply(&rt, &mut patched, &patch.operations), outcome) {
            (Ok(_), Ok(())) => prop_assert_eq!(patched, expected.json(), "{:#}", body),
            (Err(error), Err(NoTarget)) => {
                prop_assert_eq!(error.scim_type, Some(ScimType::NoTarget));
                prop_assert_eq!(patched, before.json(), "a PATCH with an error has changed something");
            }
            (outcome, expected) => prop_assert!(false, "{:?}, but the model: {} for {:#}", outcome, expected.is_ok(), body),
        }
    }
}

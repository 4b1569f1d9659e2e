//! Filters (RFC 7644 section 3.4.2.2).

pub(super) mod eval;
pub(super) mod parse;
pub(super) mod select;
pub(super) mod terms;
pub(super) mod text;

use std::fmt;

use serde_json::Value;

use super::dialect::Leniency;
use super::error::Error;
use super::path::AttributePath;
use super::schema::{Attribute, ResourceType};

/// How many comparisons a filter may have.
pub const MAX_TERMS: usize = 1000;

/// An attribute operator with an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Contains.
    Co,
    /// Starts with.
    Sw,
    /// Ends with.
    Ew,
    /// Greater than; of dates: after.
    Gt,
    /// Greater than or equal.
    Ge,
    /// Less than; of dates: before.
    Lt,
    /// Less than or equal.
    Le,
}

impl CompareOp {
    /// Every operator.
    pub const ALL: [Self; 9] =
        [Self::Eq, Self::Ne, Self::Co, Self::Sw, Self::Ew, Self::Gt, Self::Ge, Self::Lt, Self::Le];

    /// The operator as RFC 7644 spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Co => "co",
            Self::Sw => "sw",
            Self::Ew => "ew",
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::Lt => "lt",
            Self::Le => "le",
        }
    }

    /// The operator called `word`, in any letter case.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.as_str().eq_ignore_ascii_case(word))
    }
}

/// A filter. `And` and `Or` hold two or more operands, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Every operand holds.
    And(Vec<Filter>),
    /// At least one operand holds.
    Or(Vec<Filter>),
    /// The operand does not hold.
    Not(Box<Filter>),
    /// `userName eq "bjensen"`. The path may carry a value filter: `emails[type eq "work"].value eq "x"`.
    Compare {
        /// What is compared.
        path: AttributePath,
        /// How.
        op: CompareOp,
        /// With which string, number, boolean or null.
        value: Value,
    },
    /// `title pr`.
    Present(AttributePath),
    /// `emails[type eq "work" and value co "@example.com"]`: one element satisfies the whole inner filter.
    ValuePath {
        /// The multi-valued attribute; its own `filter` is `None`.
        path: AttributePath,
        /// The filter on one element, whose paths are relative to the attribute.
        filter: Box<Filter>,
    },
}

/// One `attribute op literal` that a resource must satisfy for the whole filter to hold, in canonical form.
#[derive(Clone, Debug, PartialEq)]
pub struct Term<'a> {
    /// The canonical path, down to the simple attribute: `emails[type eq "work"].value`, `members.value`.
    pub path: AttributePath,
    /// The operator.
    pub op: CompareOp,
    /// The literal.
    pub value: &'a Value,
}

impl Filter {
    /// Reads a filter by the letter; [`super::dialect::filter`] reads what clients send. Errors are
    /// `invalidFilter` and say at which character.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let parser = parse::Parser::new(text, Leniency::Strict.into(), Error::invalid_filter)?;
        parser.whole_filter().map(|(filter, _)| filter)
    }

    /// Refuses what cannot be compared: ordering or substrings of booleans, ordering of binary values.
    /// Attributes that the resource type lacks are no error; they are never present.
    pub fn validate(&self, rt: &ResourceType) -> Result<(), Error> {
        eval::validate(self, rt)
    }

    /// Whether a resource (with canonical names) satisfies the filter.
    pub fn matches(&self, rt: &ResourceType, resource: &Value) -> bool {
        eval::matches(self, rt, resource)
    }

    /// Whether a part of it is about an attribute of this name, in any letter case and of whatever schema.
    pub fn names(&self, attribute: &str) -> bool {
        match self {
            Self::And(operands) | Self::Or(operands) => operands.iter().any(|operand| operand.names(attribute)),
            Self::Not(operand) => operand.names(attribute),
            Self::Compare { path, .. } | Self::Present(path) | Self::ValuePath { path, .. } => {
                path.attribute.eq_ignore_ascii_case(attribute)
            }
        }
    }

    /// Whether one element of a multi-valued attribute satisfies a filter that stood between brackets.
    pub fn matches_element(&self, attribute: &Attribute, element: &Value) -> bool {
        eval::element_matches(self, attribute, element)
    }

    /// What a filter between brackets says that an element equals: `type` and `work`, of `type eq "work"`. With these
    /// members an element can be made that satisfies it, if it asks for nothing else.
    pub fn equalities(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.conjuncts().into_iter().filter_map(|term| match term {
            Self::Compare { path, op: CompareOp::Eq, value } => Some((path.attribute.as_str(), value)),
            _ => None,
        })
    }

    /// The operands that must all hold: those of nested `and`s, else the filter itself.
    pub fn conjuncts(&self) -> Vec<&Filter> {
        match self {
            Self::And(operands) => operands.iter().flat_map(Filter::conjuncts).collect(),
            _ => vec![self],
        }
    }

    /// The operands of which one must hold: those of nested `or`s, else the filter itself.
    pub fn disjuncts(&self) -> Vec<&Filter> {
        match self {
            Self::Or(operands) => operands.iter().flat_map(Filter::disjuncts).collect(),
            _ => vec![self],
        }
    }

    /// Those conjuncts that are an attribute, an operator and a literal, in canonical form, so that a caller
    /// finds the one it can answer natively by comparing paths. `emails[type eq "work" and value eq "x"]`
    /// yields `emails[type eq "work"].value eq "x"`. Every conjunct it leaves out still has to be evaluated.
    pub fn terms(&self, rt: &ResourceType) -> Vec<Term<'_>> {
        terms::terms(self, rt)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(operands) => join(f, operands, " and ", |o| matches!(o, Self::And(_) | Self::Or(_))),
            Self::Or(operands) => join(f, operands, " or ", |o| matches!(o, Self::Or(_))),
            Self::Not(operand) => write!(f, "not ({operand})"),
            Self::Compare { path, op, value } => write!(f, "{path} {} {value}", op.as_str()),
            Self::Present(path) => write!(f, "{path} pr"),
            Self::ValuePath { path, filter } => write!(f, "{path}[{filter}]"),
        }
    }
}

fn join(
    f: &mut fmt::Formatter<'_>,
    operands: &[Filter],
    separator: &str,
    grouped: impl Fn(&Filter) -> bool,
) -> fmt::Result {
    for (index, operand) in operands.iter().enumerate() {
        if index > 0 {
            f.write_str(separator)?;
        }
        if grouped(operand) {
            write!(f, "({operand})")?;
        } else {
            write!(f, "{operand}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

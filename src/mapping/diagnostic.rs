//! What is wrong with a mapping: every mistake at once, each with code, place, reason and suggestion.

use std::fmt;

use serde_json::{Value, json};

use super::node::Mark;

macro_rules! codes {
    ($( $(#[doc = $doc:literal])+ $name:ident = $code:literal, )*) => {
        /// The stable codes of diagnostics. A code is never given a second meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code { $( $(#[doc = $doc])+ $name, )* }

        impl Code {
            /// Every code there is.
            pub const ALL: &'static [Code] = &[ $( Code::$name, )* ];

            /// The code as it is printed: `M101`.
            pub fn as_str(self) -> &'static str {
                match self { $( Code::$name => $code, )* }
            }

            /// What the code stands for, in one sentence.
            pub fn explanation(self) -> &'static str {
                match self { $( Code::$name => concat!($($doc),+), )* }
            }
        }
    };
}

codes! {
    /// The document is not well-formed YAML or JSON.
    Syntax = "M001",
    /// A key stands twice in one table.
    DuplicateKey = "M002",
    /// A key that the language does not know, or that means nothing where it stands.
    UnknownKey = "M003",
    /// A key that must be there is missing.
    MissingKey = "M004",
    /// A value of the wrong kind: a list where text is expected, say.
    WrongKind = "M005",
    /// A word that is not one of the words allowed here.
    UnknownWord = "M006",
    /// A number outside its range.
    OutOfRange = "M007",
    /// Exactly one of several keys must be given.
    ExactlyOne = "M008",
    /// A SCIM attribute path that cannot be read.
    BadPath = "M101",
    /// An attribute that no schema declares and whose type is not given.
    UnknownAttribute = "M102",
    /// Two rows claim the same SCIM attribute or the same native field.
    OwnedTwice = "M103",
    /// A SCIM attribute that must have a row has none.
    MissingAttribute = "M104",
    /// An enum that cannot be turned around: two SCIM values for one native value, or values left over.
    NotInvertible = "M105",
    /// The row contradicts itself: a codec that cannot write, say.
    BadRow = "M106",
    /// A template with braces that do not match.
    BadTemplate = "M201",
    /// A placeholder that has no value where it stands.
    UnknownPlaceholder = "M202",
    /// An action that nothing triggers, or that an attribute names but no one declares.
    BadAction = "M203",
    /// A paging style that cannot stop or cannot begin.
    BadPaging = "M204",
    /// A filter key that cannot be read, or that names no row.
    BadFilter = "M205",
    /// A member call that is incomplete.
    BadMembers = "M206",
    /// An error rule that an earlier one leaves nothing for.
    Unreached = "M207",
    /// A protection that protects nothing.
    BadProtection = "M208",
    /// A list whose parts, count or rows contradict each other.
    BadList = "M209",
    /// A call that cannot do what it is for: it names no resource, or a body takes the place of its own object.
    BadCall = "M210",
    /// One address for everything, whose replies are all taken for successes. A warning: the mapping works.
    SilentFailures = "M211",
    /// An environment variable that the mapping needs is not set.
    MissingSecret = "M301",
    /// A secret that stands in the mapping itself. A warning: the mapping works.
    LiteralSecret = "M302",
    /// The mapping speaks of a tenant, and there is none.
    MissingTenant = "M303",
}

impl Code {
    /// Whether a mapping with it works all the same.
    pub fn is_warning(self) -> bool {
        matches!(self, Code::LiteralSecret | Code::SilentFailures)
    }

    fn severity(self) -> &'static str {
        if self.is_warning() { "warning" } else { "error" }
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The kind of mistake.
    pub code: Code,
    /// Where it stands.
    pub at: Mark,
    /// The reason, in one line.
    pub message: String,
    /// What to write instead.
    pub suggestion: String,
}

impl Diagnostic {
    /// Completes the diagnostic with what to do about it.
    pub fn suggest(&mut self, suggestion: impl Into<String>) {
        self.suggestion = suggestion.into();
    }
}

/// Collects diagnostics while a mapping is read and compiled.
#[derive(Debug, Default)]
pub struct Report(Vec<Diagnostic>);

impl Report {
    /// Adds a diagnostic; the suggestion is given through what is returned.
    pub fn add(&mut self, code: Code, at: Mark, message: impl Into<String>) -> &mut Diagnostic {
        let diagnostic = Diagnostic { code, at, message: message.into(), suggestion: String::new() };
        self.0.push_mut(diagnostic)
    }

    /// Whether nothing is wrong so far. Warnings do not count.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|it| it.code.is_warning())
    }

    /// How much is said so far.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// All diagnostics in the order of the document, `file` being its name.
    pub fn finish(mut self, file: &str) -> Diagnostics {
        self.0.sort_by_key(|diagnostic| (diagnostic.at, diagnostic.code));
        self.0.dedup();
        Diagnostics { file: file.to_owned(), all: self.0 }
    }
}

/// Everything that is wrong with one mapping. Displayed, it is what `scim-edge check` prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics {
    /// The document's name.
    pub file: String,
    /// The diagnostics in the order of the document. There is at least one where they are an error.
    pub all: Vec<Diagnostic>,
}

impl Diagnostics {
    /// The diagnostics for programs: a list of objects.
    pub fn to_json(&self) -> Value {
        let all = self.all.iter().map(|it| {
            json!({
                "file": self.file, "line": it.at.line, "column": it.at.column, "code": it.code.as_str(),
                "severity": it.code.severity(), "message": it.message, "suggestion": it.suggestion,
            })
        });
        all.collect()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.all.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            let Diagnostic { code, at, message, suggestion } = diagnostic;
            let (file, code) = (&self.file, code.as_str());
            let severity = diagnostic.code.severity();
            write!(f, "{file}:{}:{}: {severity}[{code}]: {message}", at.line, at.column)?;
            if !suggestion.is_empty() {
                write!(f, "\n  help: {suggestion}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

/// The candidate that `word` most likely meant, if one is near.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (distance(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The Levenshtein distance, in one row.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(i + 1);
        for (j, (y, window)) in b.iter().zip(row.windows(2)).enumerate() {
            if let (&[diagonal, above], Some(&left)) = (window, next.get(j)) {
                next.push((diagonal + usize::from(x != *y)).min(above + 1).min(left + 1));
            }
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

//! The application: its address and how it is authenticated to.

use super::calls::Call;
use super::values::{Match, Text};
use crate::mapping::read::{Spanned, Table, tables, words};

words! {
    /// How an OAuth client says who it is (RFC 6749 section 2.3.1).
    ClientAuthentication {
        /// By HTTP basic authentication.
        Basic = "basic",
        /// By the fields `client_id` and `client_secret` of the form.
        Body = "body",
    }
}

tables! {
    /// The application.
    Upstream {
        /// The prefix of every native path.
        base: Option<Spanned<String>>,
        /// Header fields of every native call.
        headers: Table<Text>,
        /// How the calls are authenticated, where a fixed header is not enough.
        auth: Option<Auth>,
    }

    /// Credentials for the application: exactly one of these.
    Auth {
        /// A fixed bearer token.
        bearer: Option<Text>,
        /// A name and a password in every call (RFC 7617).
        basic: Option<Basic>,
        /// A call that answers with a token, which later calls carry.
        login: Option<Login>,
        /// OAuth 2 client credentials (RFC 6749 section 4.4).
        oauth: Option<OAuth>,
    }

    /// HTTP basic authentication.
    Basic {
        /// The name.
        username: Text,
        /// The password.
        password: Text,
    }

    /// A login call. Its token is kept until it is refused, and renewed once when it is.
    Login {
        /// The call.
        call: Call,
        /// Where the token stands in the reply.
        token: ValueSource,
        /// The header field that carries it: `Authorization` unless it is said.
        header: Option<String>,
        /// The field's text around the token: `Bearer {token}` in `Authorization`, `{token}` elsewhere.
        value: Option<Spanned<String>>,
        /// Replies that mean that the token is refused, beside 401.
        refused: Vec<Match>,
        /// How many seconds the token is used before it is renewed.
        lifetime: Option<Spanned<u32>>,
        /// A pointer to that number in the reply's body, instead.
        expires: Option<Spanned<String>>,
    }

    /// OAuth 2 client credentials. The token is kept until shortly before it expires, and renewed once when it is refused.
    OAuth {
        /// The token endpoint: a path of the application, which `base` is no part of, or an address elsewhere. For one
        /// elsewhere Envoy needs the setting `SCIM_EDGE_TOKEN_UPSTREAM`, the name of its cluster.
        token_url: Spanned<String>,
        /// The client's name.
        client_id: Text,
        /// The client's secret.
        client_secret: Text,
        /// Replies that mean that the token is refused, beside 401.
        refused: Vec<Match>,
        /// How the client says who it is: `basic` unless it is said.
        client: Option<ClientAuthentication>,
        /// The scope that is asked for.
        scope: Option<Text>,
        /// The audience that is asked for.
        audience: Option<Text>,
        /// Further fields of the form.
        parameters: Table<Text>,
    }

    /// A place in a reply: exactly one of these.
    ValueSource {
        /// A pointer into the body.
        body: Option<Spanned<String>>,
        /// A header field.
        header: Option<String>,
    }
}

//! The catalogue of a service's problems.

use std::fmt::Debug;

use axum::http::StatusCode;

/// What all problems with the same code share.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// The stable name: the last part of a problem's `type`.
    pub code: &'static str,
    pub status: StatusCode,
    pub title: &'static str,
    /// What it means and what to do. Code stands in backquotes.
    pub help: &'static str,
}

impl Kind {
    /// The page of this problem, in HTML.
    pub(super) fn page(&self) -> String {
        let Self { code, status, title, help } = self;
        let mut parts = help.split('`');
        let mut text = parts.next().unwrap_or_default().to_owned();
        for (index, part) in parts.enumerate() {
            text += if index % 2 == 0 { "<code>" } else { "</code>" };
            text += part;
        }
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{code}</title>\n\
             <h1>{title}</h1>\n<p><code>{code}</code>, status {status}</p>\n<p>{text}</p>\n</html>\n"
        )
    }
}

/// The codes of one service, as [`problem_catalogue!`](crate::problem_catalogue) declares them. The
/// named ones are in every catalogue.
pub trait Catalogue: Debug + Copy + Eq + Send + Sync + 'static {
    const ALL: &'static [Self];
    const BODY_TOO_LARGE: Self;
    const FORBIDDEN: Self;
    const FORBIDDEN_HOST: Self;
    const FORBIDDEN_ORIGIN: Self;
    const INTERNAL: Self;
    const MALFORMED_BODY: Self;
    const METHOD_NOT_ALLOWED: Self;
    const NOT_FOUND: Self;
    const RATE_LIMITED: Self;
    const UNAUTHENTICATED: Self;
    const UNAVAILABLE: Self;
    const UNSUPPORTED_MEDIA_TYPE: Self;
    const VALIDATION_FAILED: Self;

    fn kind(self) -> Kind;
}

/// Declares `Code`, the problems of a service, and `Problem`, one of them on its way to the caller.
/// Each line has the variant, the code, the status, the title and the help text. The problems that
/// every HTTP service has are added to them; `Unavailable` is in every catalogue, in its own words.
#[macro_export]
macro_rules! problem_catalogue {
    ($($variant:ident $code:literal $status:ident $title:literal $help:literal)+) => {
        $crate::problem_catalogue! { @all
            $($variant $code $status $title $help)+
            MalformedBody "malformed_body" BAD_REQUEST "The body is not JSON"
                "There is no body, it did not arrive in time, or it is not one JSON text in UTF-8. \
                 An object that names a member twice counts as not JSON, because readers disagree \
                 on which one holds."
            ValidationFailed "validation_failed" UNPROCESSABLE_ENTITY "The request is not valid"
                "A value has the wrong type or is out of its range, or a member is unknown or \
                 missing. `errors` lists every fault, each with an RFC 6901 pointer to its place: a \
                 member of the body, or the name of a path parameter, query parameter or header."
            NotFound "not_found" NOT_FOUND "There is nothing here"
                "The path leads nowhere, or to something that does not exist. `/docs` lists the \
                 paths of this service."
            MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED
                "The method is not allowed here"
                "The path exists, but not with this method. The Allow header lists its methods."
            BodyTooLarge "body_too_large" PAYLOAD_TOO_LARGE "The body is too large"
                "A body has at most `limit` bytes. Divide the request."
            UnsupportedMediaType "unsupported_media_type" UNSUPPORTED_MEDIA_TYPE
                "The media type is not supported"
                "Send the body as `Content-Type: application/json`, in UTF-8, without a content \
                 coding such as gzip."
            ForbiddenHost "forbidden_host" FORBIDDEN "The service does not answer for this host"
                "A service without sign-in that listens on loopback answers only for `localhost`, \
                 loopback addresses and the hosts that `ALLOWED_HOSTS` names. Otherwise a web page \
                 could reach it under its own name."
            ForbiddenOrigin "forbidden_origin" FORBIDDEN
                "Pages of this origin may not send commands"
                "A service without sign-in that listens on loopback takes commands only from \
                 programs, from its own pages and from those that `CORS_ORIGINS` names."
            Unauthenticated "unauthenticated" UNAUTHORIZED "It is not known who asks"
                "Send `Authorization: Bearer` with an API key (`sbk_…`) or a token of the trusted issuer. \
                 A key may be revoked or expired; a token may be expired, for another audience, or \
                 signed by somebody else."
            Forbidden "forbidden" FORBIDDEN "The credential may not do this"
                "It lacks the `scope`, or the request concerns a `location` that is not its own; `*` \
                 stands for all locations. `/openapi.json` says which scope each route needs. The \
                 header `Actor` needs `act_as`. Nothing was recorded."
            RateLimited "rate_limited" TOO_MANY_REQUESTS "The credential sends too many requests"
                "Each credential may send so many requests a second. Try again after Retry-After \
                 seconds. Nothing was recorded."
            Internal "internal" INTERNAL_SERVER_ERROR "Something went wrong here"
                "The service met something that it does not understand. Its log has the cause \
                 under `id`."
        }
    };
    (@all $($variant:ident $code:literal $status:ident $title:literal $help:literal)+) => {
        /// The kinds of problems that this service knows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $($variant,)+
        }

        impl $crate::problem::Catalogue for Code {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];
            const BODY_TOO_LARGE: Self = Self::BodyTooLarge;
            const FORBIDDEN: Self = Self::Forbidden;
            const FORBIDDEN_HOST: Self = Self::ForbiddenHost;
            const FORBIDDEN_ORIGIN: Self = Self::ForbiddenOrigin;
            const INTERNAL: Self = Self::Internal;
            const MALFORMED_BODY: Self = Self::MalformedBody;
            const METHOD_NOT_ALLOWED: Self = Self::MethodNotAllowed;
            const NOT_FOUND: Self = Self::NotFound;
            const RATE_LIMITED: Self = Self::RateLimited;
            const UNAUTHENTICATED: Self = Self::Unauthenticated;
            const UNAVAILABLE: Self = Self::Unavailable;
            const UNSUPPORTED_MEDIA_TYPE: Self = Self::UnsupportedMediaType;
            const VALIDATION_FAILED: Self = Self::ValidationFailed;

            fn kind(self) -> $crate::problem::Kind {
                self.kind()
            }
        }

        impl Code {
            /// What all problems with this code share.
            pub fn kind(self) -> $crate::problem::Kind {
                let (code, status, title, help) = match self {
                    $(Self::$variant => (
                        $code,
                        ::axum::http::StatusCode::$status,
                        $title,
                        $help,
                    ),)+
                };
                $crate::problem::Kind { code, status, title, help }
            }
        }

        /// One refusal or failure, on its way to the caller.
        #[derive(Debug, Clone, ::serde::Serialize)]
        #[serde(transparent)]
        pub struct Problem($crate::problem::Document<Code>);

        impl Problem {
            pub fn new(code: Code, detail: impl Into<::std::borrow::Cow<'static, str>>) -> Self {
                Self($crate::problem::Document::new(code, detail))
            }

            /// Adds a member.
            pub fn with(self, name: &'static str, value: impl ::serde::Serialize) -> Self {
                Self(self.0.with(name, value))
            }

            pub fn retry_after(self, pause: ::std::time::Duration) -> Self {
                Self(self.0.retry_after(pause))
            }

            /// Something that should not happen. The cause goes to the log under an id; the caller
            /// gets the id.
            pub fn internal(cause: &dyn ::std::fmt::Display) -> Self {
                Self($crate::problem::Document::internal(cause))
            }

            /// All faults of a request at once.
            pub fn validation_failed(errors: Vec<$crate::problem::Fault>) -> Self {
                Self($crate::problem::Document::validation_failed(errors))
            }

            /// A body beyond the limit, in bytes.
            pub fn body_too_large(limit: usize) -> Self {
                Self($crate::problem::Document::body_too_large(limit))
            }

            pub fn code(&self) -> Code {
                self.0.code()
            }

            pub fn status(&self) -> ::axum::http::StatusCode {
                self.code().kind().status
            }
        }

        impl From<$crate::problem::Document<Code>> for Problem {
            fn from(document: $crate::problem::Document<Code>) -> Self {
                Self(document)
            }
        }

        impl ::axum::response::IntoResponse for Problem {
            fn into_response(self) -> ::axum::response::Response {
                self.0.into_response()
            }
        }
    };
}

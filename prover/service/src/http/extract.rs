//! What callers send, read strictly: anything unexpected is a [`Problem`] with a sentence.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{header, StatusCode};
use serde::de::{DeserializeOwned, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::problem::Problem;

/// A body of JSON.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let content = request.headers().get(header::CONTENT_TYPE);
        let content = content.and_then(|value| value.to_str().ok());
        let essence = content.map(|value| value.split(';').next().unwrap_or_default().trim());
        if !essence.is_some_and(|value| value.eq_ignore_ascii_case("application/json")) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "send JSON, and say so: Content-Type: application/json",
            ));
        }
        let Body(bytes) = Body::from_request(request, state).await?;
        let value = serde_json::from_slice(&bytes);
        value.map(Json).map_err(|error| {
            let words: Vec<String> = error
                .to_string()
                .split_whitespace()
                .map(String::from)
                .collect();
            Problem::bad_request(format!("the body is not as expected: {}", words.join(" ")))
        })
    }
}

/// A body of bytes, within the limit.
pub(super) struct Body(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, state).await;
        bytes
            .map(Body)
            .map_err(|rejection| match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "the body is longer than this service takes",
                ),
                _ => Problem::bad_request("the body could not be read to its end"),
            })
    }
}

/// The parameters after `?`.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::from_request_parts(parts, state).await;
        query
            .map(|axum::extract::Query(value)| Query(value))
            .map_err(|rejection| Problem::bad_request(rejection.body_text()))
    }
}

/// The variable part of the path.
pub(super) struct Segment(pub(super) String);

impl Segment {
    /// As a number.
    pub(super) fn number(&self, what: &str) -> Result<u64, Problem> {
        let number = self.0.parse().ok().filter(|n| *n <= MOST_NUMBER);
        number.ok_or_else(|| {
            Problem::bad_request(format!(
                "{what}: give a whole number of at most {MOST_NUMBER}"
            ))
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(text)| Segment(text))
            .map_err(|rejection| Problem::bad_request(rejection.body_text()))
    }
}

/// Numbers, listed or by name; a name that comes twice is refused.
#[derive(Debug)]
pub(super) enum Numbers {
    Listed(Vec<f64>),
    Named(BTreeMap<String, f64>),
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Numbers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of numbers, or an object of numbers by name")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Numbers, A::Error> {
                let mut numbers = vec![];
                while let Some(number) = items.next_element()? {
                    numbers.push(number);
                }
                Ok(Numbers::Listed(numbers))
            }

            fn visit_map<A: MapAccess<'de>>(self, items: A) -> Result<Numbers, A::Error> {
                members(items).map(Numbers::Named)
            }
        }
        from.deserialize_any(Either)
    }
}

/// An object whose names come once each.
#[derive(Debug, Default)]
pub(super) struct Object(pub(super) BTreeMap<String, serde_json::Value>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = BTreeMap<String, T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
                members(items)
            }
        }
        from.deserialize_map(Members(PhantomData)).map(Object)
    }
}

fn members<'de, A, T>(mut items: A) -> Result<BTreeMap<String, T>, A::Error>
where
    A: MapAccess<'de>,
    T: Deserialize<'de>,
{
    let mut members = BTreeMap::new();
    while let Some(name) = items.next_key::<String>()? {
        let value = items.next_value()?;
        if members.contains_key(&name) {
            return Err(A::Error::custom(format_args!("\"{name}\" comes twice")));
        }
        members.insert(name, value);
    }
    Ok(members)
}

/// Sequence numbers, sizes and times: what both stores and JavaScript can hold.
pub(super) const MOST_NUMBER: u64 = (1 << 53) - 1;

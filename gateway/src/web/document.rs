//! The API's document: its head, and what the standard asks of every answer.
//!
//! The routes describe themselves, here is only what they have in common. Invariant: each response has a
//! description (OpenAPI 3.1, Response Object), so that any generator of clients takes the document.

use axum::http::StatusCode;
use utoipa::OpenApi;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Operation, PathItem};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sitewarden",
        description = "API of the on-site security gateway. Times are RFC 3339 in UTC, ids are text, lists are pages \
                       of `items` with a `next` cursor, errors are problem+json (RFC 9457).",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    components(schemas(sitewarden_http::Problem)),
    modifiers(&Security)
)]
struct Document;

/// Both ways to say who asks.
struct Security;

impl utoipa::Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
        let components = document.components.get_or_insert_default();
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("api_key", bearer);
        let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("__Host-session")));
        components.add_security_scheme("session", cookie);
    }
}

/// The document before the routes have added theirs.
pub(super) fn head() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// Gives each response that says nothing more the name of its status.
pub(super) fn complete(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        for (status, response) in &mut operation.responses.responses {
            let RefOr::T(response) = response else { continue };
            if response.description.is_empty() {
                response.description = name_of(status).to_owned();
            }
        }
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten()
}

fn name_of(status: &str) -> &'static str {
    status.parse::<StatusCode>().ok().and_then(|status| status.canonical_reason()).unwrap_or("Answer")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    /// Of the committed document; that it is what the routes give, another test holds.
    #[test]
    fn each_response_is_described_and_each_operation_has_a_name_of_its_own() {
        let document = include_str!("../../openapi.json");
        let document: serde_json::Value = serde_json::from_str(document).expect("JSON");
        let paths = document["paths"].as_object().expect("paths");

        let mut names = BTreeSet::new();
        for operation in
            paths.values().filter_map(serde_json::Value::as_object).flat_map(|item| item.values())
        {
            let Some(name) = operation["operationId"].as_str() else { continue };
            assert!(names.insert(name), "two operations are called {name}");
            for (status, response) in operation["responses"].as_object().expect("responses") {
                let says = response["description"].as_str().unwrap_or_default();
                assert!(!says.is_empty(), "{name}: {status} says nothing");
            }
        }
        assert!(names.len() > 40, "{} operations", names.len());
    }
}

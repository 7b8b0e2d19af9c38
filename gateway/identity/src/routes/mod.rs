//! Routes of identity: set-up, sign-in, people, sessions, keys.
//!
//! Parse, permit, one store call, view. Every answer is counted in `auth_requests_total`.

mod keys;
mod people;
mod session;
mod sessions;
mod setup;
mod view;

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Identity;

/// All routes of the slice.
pub(crate) fn all(identity: &Identity) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(setup::read))
        .routes(routes!(setup::owner))
        .routes(routes!(setup::finish))
        .routes(routes!(session::read, session::sign_in, session::sign_out))
        .routes(routes!(people::list, people::create))
        .routes(routes!(people::edit, people::delete))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::end))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .route_layer(middleware::from_fn_with_state(identity.clone(), count))
        .with_state(identity.clone())
}

async fn count(State(identity): State<Identity>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let endpoint =
        request.extensions().get::<MatchedPath>().map_or_else(String::new, |path| path.as_str().to_owned());
    let start = Instant::now();
    let response = next.run(request).await;
    identity.inner.signals.count(method.as_str(), &endpoint, response.status().as_u16(), start.elapsed());
    response
}

//! The routes, who may use each, and their description.
//!
//! Claim: a route under `/v1` cannot be added without saying who may use it, and [`Routes::listed`] has every one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State as Of};
use axum::http::{header, HeaderValue, Method, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, MethodRouter};
use axum::{Json as Answer, Router};
use tower_http::cors::CorsLayer;
use tower_http::services::ServeDir;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use super::problem::Problem;
use super::state::Shared;
use super::{decisions, events, evidence, log, models};
use crate::config::Role;

/// Who asks.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) name: String,
    pub(super) role: Role,
}

type Access = &'static [Role];
const ANY: Access = &[Role::Trader, Role::Auditor, Role::Admin];
const DECIDE: Access = &[Role::Trader, Role::Admin];
const READ: Access = &[Role::Auditor, Role::Admin];
const ADMIN: Access = &[Role::Admin];

/// Routes as they are added.
pub(super) struct Routes {
    router: Router<Shared>,
    state: Shared,
    /// Method and path of each.
    pub(super) listed: Vec<(Method, &'static str)>,
}

impl Routes {
    fn add(
        mut self,
        method: Method,
        path: &'static str,
        access: Access,
        handler: MethodRouter<Shared>,
    ) -> Self {
        let state = (Arc::clone(&self.state), access);
        let handler = handler.layer(from_fn_with_state(state, authorize));
        self.router = self.router.route(path, handler);
        self.listed.push((method, path));
        self
    }

    fn get(self, path: &'static str, access: Access, handler: MethodRouter<Shared>) -> Self {
        self.add(Method::GET, path, access, handler)
    }

    fn post(self, path: &'static str, access: Access, handler: MethodRouter<Shared>) -> Self {
        self.add(Method::POST, path, access, handler)
    }

    /// All routes of the service.
    pub(super) fn new(state: &Shared) -> Self {
        let routes = Self {
            router: Router::new().route("/health", get(log::health)),
            state: Arc::clone(state),
            listed: vec![(Method::GET, "/health")],
        };
        routes
            .post("/v1/decisions", DECIDE, post(decisions::decide))
            .post("/v1/decisions/batch", DECIDE, post(decisions::decide_batch))
            .get("/v1/decisions/{seq}", ANY, get(decisions::decision))
            .get("/v1/history", READ, get(decisions::history))
            .get("/v1/statistics", READ, get(log::statistics))
            .get("/v1/proofs/{id}", READ, get(evidence::proof))
            .get("/v1/proofs/{id}/file", READ, get(evidence::proof_file))
            .post("/v1/proofs/{id}/verify", READ, post(evidence::verify_proof))
            .get("/v1/failures", READ, get(evidence::failures))
            .post("/v1/failures/{id}/retry", ADMIN, post(evidence::retry))
            .post("/v1/evidence", READ, post(evidence::export))
            .post("/v1/disclosures", ADMIN, post(evidence::disclose))
            .post("/v1/verify", READ, post(evidence::verify))
            .post("/v1/checkpoints", READ, post(log::checkpoint))
            .get("/v1/checkpoints/{size}", ANY, get(log::checkpoint_from))
            .get("/v1/log-key", ANY, get(log::log_key))
            .get("/v1/log/{*path}", ANY, get(log::tile))
            .get("/v1/models", ANY, get(models::models))
            .post("/v1/models/load", ADMIN, post(models::load))
            .get("/v1/models/{model}/bundle", ANY, get(models::bundle))
            .post("/v1/models/{model}/register", ADMIN, post(models::register))
            .post("/v1/models/{model}/approve", ADMIN, post(models::approve))
            .post("/v1/models/{model}/change", ADMIN, post(models::replace))
            .post("/v1/models/{model}/retire", ADMIN, post(models::retire))
            .get("/v1/policies", ANY, get(models::policies))
            .get("/v1/metrics", READ, get(log::metrics))
            .get("/v1/events", READ, get(events::events))
            .get("/v1/openapi.json", ANY, get(openapi))
    }

    /// The router, with what holds for all routes.
    pub(super) fn router(self) -> Router {
        let state = self.state;
        let limits = state.config.limits;
        let timeout = Duration::from_secs(limits.timeout_s);
        let no_route = || async { Problem::not_found("there is nothing at this path") };
        let no_method = || async {
            let detail = "this path does not take that method; see /v1/openapi.json";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
        };
        let mut router = self
            .router
            .route("/v1", axum::routing::any(no_route))
            .route("/v1/{*path}", axum::routing::any(no_route))
            .method_not_allowed_fallback(no_method);
        router = match &state.config.portal {
            None => router.fallback(no_route),
            Some(portal) => router.fallback_service(ServeDir::new(portal)),
        };
        let cors = CorsLayer::new()
            .allow_origin(state.config.portal_origins.clone())
            .allow_methods([Method::GET, Method::POST])
            .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE]);
        router
            .layer(from_fn(move |request: Request, next: Next| async move {
                let answered = tokio::time::timeout(timeout, next.run(request)).await;
                answered.unwrap_or_else(|_| {
                    let detail = "the request took too long; a decision may stand in the log: ask again with the same Idempotency-Key";
                    Problem::unavailable(detail).into_response()
                })
            }))
            .layer(from_fn_with_state(Arc::clone(&state), count))
            .layer(DefaultBodyLimit::max(limits.body_bytes))
            .layer(cors)
            .with_state(state)
    }
}

/// Finds out who asks, and whether that key may.
async fn authorize(
    Of((state, access)): Of<(Shared, Access)>,
    mut request: Request,
    next: Next,
) -> Response {
    let presented = request.headers().get(header::AUTHORIZATION);
    let presented = presented.and_then(|value| value.to_str().ok());
    let presented = presented.and_then(|value| value.split_once(' '));
    let presented = presented.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let key = presented.and_then(|(_, key)| state.config.key(key.trim()));
    let Some(key) = key else {
        let detail = "give a valid API key: Authorization: Bearer KEY";
        return Problem::new(StatusCode::UNAUTHORIZED, detail).into_response();
    };
    if !access.contains(&key.role) {
        let detail = format!("a key of role {} may not do this", key.role.name());
        return Problem::new(StatusCode::FORBIDDEN, detail).into_response();
    }
    if !state.buckets.take(&key.name, Instant::now()) {
        let detail = "this key asks more often than it may; wait a moment";
        return Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).into_response();
    }
    let caller = Caller {
        name: key.name.clone(),
        role: key.role,
    };
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// Counts the request, and adds the headers of all answers.
async fn count(Of(state): Of<Shared>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let path = request.extensions().get::<MatchedPath>();
    let path = path.map_or("/", MatchedPath::as_str).to_owned();
    // Any word can be a method; what is counted must stay small.
    let method = match *request.method() {
        Method::GET => "GET",
        Method::POST => "POST",
        _ => "other",
    };
    let mut response = next.run(request).await;
    let status = response.status().as_u16();
    state.metrics.count(method, &path, status, start.elapsed());
    let headers = response.headers_mut();
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    if !path.starts_with("/v1") {
        // Beside the policy in the page itself, which knows the digests of its script and style.
        let policy = HeaderValue::from_static(PORTAL_POLICY);
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        let never = HeaderValue::from_static("no-referrer");
        headers.insert(header::REFERRER_POLICY, never);
    }
    if path.starts_with("/v1") && !headers.contains_key(header::CACHE_CONTROL) {
        let never = HeaderValue::from_static("no-store");
        headers.insert(header::CACHE_CONTROL, never);
    }
    response
}

/// What the portal's pages may do at most, whatever they say themselves.
const PORTAL_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval'; style-src 'unsafe-inline'; \
    img-src 'self' data:; worker-src blob:; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types clearproof-portal clearproof-worker";

/// This description.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "log", responses((status = 200, body = Object)))]
async fn openapi() -> Answer<utoipa::openapi::OpenApi> {
    Answer(Description::openapi())
}

#[derive(OpenApi)]
#[openapi(
    info(title = "clearproof", description = "Decides with a committed private model, keeps a log, and proves behind it."),
    modifiers(&Keys, &Refusals),
    components(schemas(Problem)),
    security(("key" = [])),
    paths(
        log::health, decisions::decide, decisions::decide_batch, decisions::decision, decisions::history,
        log::statistics, evidence::proof, evidence::proof_file, evidence::verify_proof, evidence::failures,
        evidence::retry, evidence::export, evidence::disclose, evidence::verify, log::checkpoint,
        log::checkpoint_from, log::log_key, log::tile, models::models, models::load, models::bundle,
        models::register, models::approve, models::replace, models::retire, models::policies, log::metrics,
        events::events, openapi,
    )
)]
struct Description;

struct Keys;

impl Modify for Keys {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::Http(bearer));
    }
}

/// Every operation may be refused, and always in the same form.
struct Refusals;

impl Modify for Refusals {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        for item in openapi.paths.paths.values_mut() {
            for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
                let responses = &mut operation.responses.responses;
                for (status, response) in responses.iter_mut() {
                    let RefOr::T(response) = response else {
                        continue;
                    };
                    if status.starts_with(['4', '5']) {
                        response.content = [(PROBLEM.to_owned(), problem())].into_iter().collect();
                    }
                }
                for (range, words) in [("4XX", "Refused"), ("5XX", "Not possible now")] {
                    let response = ResponseBuilder::new().description(words);
                    let response = response.content(PROBLEM, problem()).build();
                    responses.insert(range.into(), RefOr::T(response));
                }
            }
        }
    }
}

fn problem() -> Content {
    Content::new(Some(Ref::from_schema_name("Problem")))
}

const PROBLEM: &str = "application/problem+json";

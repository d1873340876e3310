//! The API's description in OpenAPI 3.1. It is made from the table that the routes are served from, and from
//! the types that they read and write, so exactly the served routes are described.

use axum::Router;
use axum::routing::MethodRouter;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::error::Envelope;
use super::service::Service;

/// One route: how it is served, and how it is described.
pub(super) struct Route {
    method: &'static str,
    path: &'static str,
    serve: MethodRouter<Service>,
    summary: &'static str,
    query: Option<SchemaOf>,
    body: Option<SchemaOf>,
    answer: Answer,
    /// Can be called without token or cookie.
    open: bool,
}

type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

enum Answer {
    Nothing,
    Of(&'static str, Option<SchemaOf>),
}

impl Route {
    pub fn new(
        method: &'static str,
        path: &'static str,
        serve: MethodRouter<Service>,
        summary: &'static str,
    ) -> Self {
        Self { method, path, serve, summary, query: None, body: None, answer: Answer::Nothing, open: false }
    }

    pub fn query<T: JsonSchema>(self) -> Self {
        // Not as a reference: each field is a separate parameter.
        Self { query: Some(T::json_schema), ..self }
    }

    pub fn body<T: JsonSchema>(self) -> Self {
        Self { body: Some(SchemaGenerator::subschema_for::<T>), ..self }
    }

    pub fn answer<T: JsonSchema>(self) -> Self {
        self.stream::<T>("application/json")
    }

    /// The answer is a sequence of values of the type, or one value.
    pub fn stream<T: JsonSchema>(self, content_type: &'static str) -> Self {
        Self { answer: Answer::Of(content_type, Some(SchemaGenerator::subschema_for::<T>)), ..self }
    }

    pub fn bytes(self, content_type: &'static str) -> Self {
        Self { answer: Answer::Of(content_type, None), ..self }
    }

    pub fn open(self) -> Self {
        Self { open: true, ..self }
    }

    fn describe(&self, generator: &mut SchemaGenerator) -> Value {
        let mut parameters: Vec<Value> = self
            .path
            .split('/')
            .filter_map(|part| part.strip_prefix('{'))
            .map(|name| {
                let name = name.trim_end_matches('}');
                json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})
            })
            .collect();
        if let Some(query) = self.query {
            let schema = query(generator).to_value();
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            for (name, field) in schema["properties"].as_object().into_iter().flatten() {
                let required = required.iter().any(|required| required == name);
                parameters.push(json!({"name": name, "in": "query", "required": required, "schema": field}));
            }
        }
        let mut operation = json!({
            "summary": self.summary,
            "responses": {"default": {
                "description": "Refused or failed; unless the message says otherwise, nothing has changed.",
                "content": {"application/json": {"schema": generator.subschema_for::<Envelope>()}},
            }},
        });
        let (status, answer) = match &self.answer {
            Answer::Nothing => ("204", json!({"description": "Done."})),
            Answer::Of(content_type, None) => {
                ("200", json!({"description": "Bytes.", "content": {*content_type: {}}}))
            }
            Answer::Of(content_type, Some(schema)) => (
                "200",
                json!({"description": "Done.", "content": {*content_type: {"schema": schema(generator)}}}),
            ),
        };
        operation["responses"][status] = answer;
        if !parameters.is_empty() {
            operation["parameters"] = parameters.into();
        }
        if let Some(body) = self.body {
            operation["requestBody"] =
                json!({"required": true, "content": {"application/json": {"schema": body(generator)}}});
        }
        if self.open {
            operation["security"] = json!([]);
        }
        operation
    }
}

/// Serves exactly the routes that are described.
pub(super) fn router(routes: Vec<Route>) -> Router<Service> {
    routes.into_iter().fold(Router::new(), |router, route| router.route(route.path, route.serve))
}

pub(super) fn document(routes: &[Route]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
    });
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for route in routes {
        let operation = route.describe(&mut generator);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "peer",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The local API of a running peer. Its address and token are in api.json in the data directory.",
        },
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "browser": {"type": "apiKey", "in": "cookie", "name": "peer_PORT"},
            },
        },
        "security": [{"token": []}, {"browser": []}],
    })
}

//! `/v1` only grows: everything that its description has ever contained stays, with the same type, and old
//! requests stay valid.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::api::Caller;
use crate::peer::Peer;

const RECORD: &str = "PEER_RECORD_API";

/// A description as lines, each of which states one fact.
#[derive(Default)]
struct Shape {
    /// Paths, methods, parameters, fields and their types, and the fields that an answer always has.
    there: BTreeSet<String>,
    /// The parameters and fields that a request must have.
    wanted: BTreeSet<String>,
}

impl Shape {
    fn of(document: &Value) -> Self {
        let mut shape = Self::default();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                shape.operation(document, operation, &format!("{method} {path}"));
            }
        }
        shape
    }

    fn operation(&mut self, document: &Value, operation: &Value, at: &str) {
        self.there.insert(at.to_owned());
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let text = |key: &str| parameter[key].as_str().unwrap().to_owned();
            let at = format!("{at} {} {}", text("in"), text("name"));
            if parameter["required"] == true {
                self.wanted.insert(at.clone());
            }
            fields(document, &parameter["schema"], &at, &mut self.there, &mut self.wanted);
        }
        for (kind, content) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
            let at = format!("{at} request {kind}");
            fields(document, &content["schema"], &at, &mut self.there, &mut self.wanted);
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            self.there.insert(format!("{at} {status}"));
            for (kind, content) in response["content"].as_object().into_iter().flatten() {
                let (at, mut always) = (format!("{at} {status} {kind}"), BTreeSet::new());
                fields(document, &content["schema"], &at, &mut self.there, &mut always);
                self.there.extend(always.into_iter().map(|field| format!("{field} always")));
            }
        }
    }

    /// What clients of `self` would miss in `now`, and what is new in `now`.
    fn compare(&self, now: &Self) -> (Vec<String>, Vec<String>) {
        let mut missed: Vec<String> = self.there.difference(&now.there).cloned().collect();
        missed.extend(now.wanted.difference(&self.wanted).map(|wanted| format!("{wanted} may be left out")));
        let mut new: Vec<String> = now.there.difference(&self.there).cloned().collect();
        new.extend(self.wanted.difference(&now.wanted).map(|free| format!("{free} may be left out")));
        (missed, new)
    }
}

fn target<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).expect(reference),
        None => schema,
    }
}

fn options(schema: &Value) -> impl Iterator<Item = &Value> {
    ["oneOf", "anyOf", "allOf"].into_iter().filter_map(|key| schema[key].as_array()).flatten()
}

fn types(document: &Value, schema: &Value) -> BTreeSet<String> {
    let schema = target(document, schema);
    let own = match &schema["type"] {
        Value::Array(many) => many.clone(),
        one => vec![one.clone()],
    };
    let own = own.iter().filter_map(Value::as_str).map(str::to_owned);
    own.chain(options(schema).flat_map(|option| types(document, option))).collect()
}

/// Collects every field below `schema` with its type, and the required fields.
fn fields(
    document: &Value,
    schema: &Value,
    at: &str,
    there: &mut BTreeSet<String>,
    required: &mut BTreeSet<String>,
) {
    let schema = target(document, schema);
    let types: Vec<String> = types(document, schema).into_iter().collect();
    there.insert(format!("{at}: {}", types.join("|")));
    for option in options(schema) {
        // Alternatives are distinguished by a field that has only one possible value.
        let mut values = target(document, option)["properties"].as_object().into_iter().flatten();
        let tag = values.find_map(|(_, field)| field["const"].as_str());
        let at = tag.map_or(at.to_owned(), |tag| format!("{at}({tag})"));
        fields(document, option, &at, there, required);
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        fields(document, field, &format!("{at}.{name}"), there, required);
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        required.insert(format!("{at}.{name}"));
    }
    if let Some(items) = schema.get("items") {
        fields(document, items, &format!("{at}[]"), there, required);
    }
}

#[test]
fn the_api_only_grows() {
    let peer = Peer::created("anna");
    let server = peer.serve(&[]);
    let (status, document) = Caller::new(&peer, &server).ask("GET /v1/openapi.json", "");
    server.stop();
    assert_eq!(status, 200);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/api/v1.json");
    let record = std::env::var_os(RECORD).is_some();
    if !record || path.exists() {
        let recorded = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let (missed, new) = Shape::of(&recorded).compare(&Shape::of(&document));
        assert!(missed.is_empty(), "clients of /v1 would miss:\n{}", missed.join("\n"));
        let how = format!("if it is meant, record it: {RECORD}=1 cargo test --test cli_process only_grows");
        assert!(record || new.is_empty(), "new in /v1; {how}\n{}", new.join("\n"));
    }
    if record {
        std::fs::write(&path, serde_json::to_string_pretty(&document).unwrap() + "\n").unwrap();
    }
}

#[test]
fn what_is_gone_or_another_is_found() {
    let row = json!({"type": "object", "required": ["id"], "properties": {
        "id": {"type": "string"}, "body": {"type": ["string", "null"]},
    }});
    let document = json!({"components": {"schemas": {"Row": row}}, "paths": {"/v1/rows": {"post": {
        "parameters": [{"name": "limit", "in": "query", "required": false, "schema": {"type": "integer"}}],
        "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Row"}}}},
        "responses": {"200": {"content": {"application/json": {"schema": {
            "type": "array", "items": {"$ref": "#/components/schemas/Row"},
        }}}}},
    }}}});
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut other = document.clone();
        change(&mut other);
        let (missed, new) = Shape::of(&document).compare(&Shape::of(&other));
        (missed.len(), new.len())
    };
    let row = |document: &mut Value, path: &str, value: Value| {
        *document.pointer_mut(&format!("/components/schemas/Row{path}")).unwrap() = value;
    };
    let operation = "/paths/~1v1~1rows/post";
    assert_eq!(changed(&|_| {}), (0, 0));
    // A new field, in the request and in the answer.
    assert_eq!(
        changed(&|api| api["components"]["schemas"]["Row"]["properties"]["at"] = json!({"type": "string"})),
        (0, 2)
    );
    // A field that was removed, or has another type, in both.
    assert_eq!(changed(&|api| row(api, "/properties/body", json!({"type": "string"}))), (2, 2));
    // The field becomes optional, in the answer and in the request.
    assert_eq!(changed(&|api| row(api, "/required", json!([]))), (1, 1));
    // The field becomes required in the request.
    assert_eq!(changed(&|api| row(api, "/required", json!(["id", "body"]))), (1, 1));
    assert_eq!(
        changed(&|api| api.pointer_mut(operation).unwrap()["parameters"][0]["required"] = true.into()),
        (1, 0)
    );
    assert_eq!(changed(&|api| api.pointer_mut(operation).unwrap()["parameters"] = json!([])), (1, 0));
    assert!(changed(&|api| api["paths"] = json!({})).0 > 8);
}

//! The API behaves as its OpenAPI description says.

use serde_json::{Value, json};

use crate::api::Caller;
use crate::peer::Peer;

/// The differences between `value` and `schema`: types, fields, references and alternatives.
fn faults(document: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#')).expect(reference);
        return faults(document, target, value, at);
    }
    let mut found = Vec::new();
    for key in ["oneOf", "anyOf"] {
        if let Some(options) = schema[key].as_array() {
            let tried: Vec<_> = options.iter().map(|option| faults(document, option, value, at)).collect();
            if tried.iter().all(|faults| !faults.is_empty()) {
                found.push(format!("{at}: none of {tried:?}"));
            }
        }
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        found.extend(faults(document, part, value, at));
    }
    if let Some(only) = schema.get("const").filter(|only| *only != value) {
        found.push(format!("{at}: {value} is not {only}"));
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let is = |name: &&str| match *name {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        other => panic!("{other}"),
    };
    if !types.is_empty() && !types.iter().any(is) {
        found.push(format!("{at}: {value} is none of {types:?}"));
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            found.push(format!("{at}: no {name}"));
        }
    }
    if let (Some(properties), Some(fields)) = (schema["properties"].as_object(), value.as_object()) {
        for (name, field) in fields {
            match properties.get(name) {
                Some(schema) => found.extend(faults(document, schema, field, &format!("{at}.{name}"))),
                // If the schema has alternatives, the field may belong to one of them.
                None if schema.get("oneOf").is_none() && schema.get("allOf").is_none() => {
                    found.push(format!("{at}: {name} is not described"));
                }
                None => {}
            }
        }
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
        for (number, value) in values.iter().enumerate() {
            found.extend(faults(document, items, value, &format!("{at}[{number}]")));
        }
    }
    found
}

#[test]
fn every_route_answers_as_it_is_described() {
    let (anna, ben) = (Peer::created("anna"), Peer::nowhere());
    let server = anna.serve(&[]);
    let other = ben.serve(&["--name", "ben", "--join", &server.ticket()]);
    ben.run(&["groups", "create", "rust"]).ok();
    ben.run(&["send", "rust", "@anna hello"]).ok();
    while !anna.bodies("rust").contains(&"@anna hello".to_owned()) {}
    let caller = Caller::new(&anna, &server);
    let (status, document) = caller.ask("GET /v1/openapi.json", "");
    assert_eq!((status, document["openapi"].as_str()), (200, Some("3.1.0")));
    let id = caller.ask("GET /v1/groups/rust/history", "").1["entries"][0]["id"].as_str().unwrap().to_owned();

    // The request to each route; routes that are missing here are covered by other tests, or never end.
    let asked = |method: &str, path: &str| match (method, path) {
        (
            _,
            "/v1/session" | "/v1/events" | "/v1/invite/qr" | "/v1/groups/{name}/export" | "/v1/openapi.json",
        ) => None,
        ("get", "/v1/search") => Some(("?text=hello", Value::Null)),
        ("get", _) => Some(("", Value::Null)),
        (_, "/v1/name") => Some(("", json!({"name": "anna"}))),
        (_, "/v1/groups") => Some(("", json!({"name": "other"}))),
        (_, "/v1/groups/{name}/topic") => Some(("", json!({"topic": "all"}))),
        (_, "/v1/groups/{name}/read") => Some(("", json!({"arrival": 1}))),
        (_, "/v1/groups/{name}/messages") => {
            Some(("", json!({"messages": [{"body": "a", "key": "k", "re": id}], "patience_ms": 0})))
        }
        _ => Some(("", Value::Null)),
    };
    let mut answered = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let Some((query, body)) = asked(method, path) else { continue };
            // The routes come in no particular order: after the group was left, its own route joins it again.
            let real = path
                .replace("{name}", if path.ends_with("/leave") { "other" } else { "rust" })
                .replace("{id}", &id);
            if let Some(described) = operation.pointer("/requestBody/content/application~1json/schema") {
                assert_eq!(faults(&document, described, &body, path), [""; 0]);
            }
            let body = if body.is_null() { String::new() } else { body.to_string() };
            let (status, answer) = caller.ask(&format!("{} {real}{query}", method.to_uppercase()), &body);
            assert_eq!(status, 200, "{method} {path}: {answer}");
            let described = &operation["responses"]["200"]["content"]["application/json"]["schema"];
            assert!(described.is_object(), "{method} {path}");
            assert_eq!(faults(&document, described, &answer, path), [""; 0]);
            // A refused request has the one format of errors.
            let headers = format!("Host: {}\r\n", caller.address);
            let (status, refused) = caller.raw(&format!("{} {real}", method.to_uppercase()), &headers, "");
            assert_eq!(status, 401);
            let described = &operation["responses"]["default"]["content"]["application/json"]["schema"];
            assert_eq!(faults(&document, described, &refused, path), [""; 0]);
            answered += 1;
        }
    }
    assert!(answered >= 17, "{answered}");
    assert!(!faults(&document, &json!({"$ref": "#/components/schemas/Row"}), &json!({}), "").is_empty());
    server.stop();
    other.stop();
}

//! The table against itself; against the server it is checked in `tests/server.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

#[test]
fn rows_name_each_method_once_and_types_that_exist() {
    let (types, mut seen) = (schemas::all(), BTreeSet::new());
    for (name, parameters, result) in table::METHODS {
        assert!(seen.insert(name), "{name} has two rows");
        let parameters = parameters.split(", ").filter(|text| !text.is_empty());
        let kinds = parameters.map(|text| text.split_once(": ").expect("name: Type").1).chain([*result]);
        for kind in kinds {
            assert!(types.contains_key(kind.trim_end_matches(['?', '[', ']'])), "{name}: {kind}");
        }
    }
}

#[test]
fn the_document_shows_what_is_registered() {
    let document = document(&BTreeSet::from(["eth_getBalance", "eth_new"]), "test").unwrap();
    let document: Value = serde_json::from_str(document.get()).unwrap();
    let methods = document["methods"].as_array().unwrap();
    assert_eq!(methods.len(), 2);
    assert_eq!((&methods[1]["name"], &methods[1]["x-undescribed"]), (&json!("eth_new"), &json!(true)));
    assert_eq!(
        methods[0]["params"][1],
        json!({
            "name": "block", "required": false, "schema": {"$ref": "#/components/schemas/Block"},
        })
    );
    assert_eq!(schema("Hash?")["oneOf"][1]["type"], "null");
}

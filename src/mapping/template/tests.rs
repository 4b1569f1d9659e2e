use super::*;
use serde_json::json;

fn template(text: &str) -> Template {
    Template::parse(text, |name| match name {
        "id" => Some(Ok(Slot::Id)),
        "value" => Some(Ok(Slot::Value)),
        "env.KEY" => Some(Err("secret".to_owned())),
        _ => None,
    })
    .unwrap()
}

fn rendered(call: &CallTemplate, value: &Value) -> Result<String, Unfit> {
    let scope = Scope { id: Some(value), value: Some(value), ..Scope::default() };
    call.render(&scope).map(|request| request.target)
}

#[test]
fn escapes_by_where_a_value_stands() {
    let mut call = CallTemplate::new("GET", template("/users/{id}.json"));
    assert_eq!(rendered(&call, &json!("a/b?c#d é")), Ok("/users/a%2Fb%3Fc%23d%20%C3%A9.json".into()));
    assert_eq!(rendered(&call, &json!(7)), Ok("/users/7.json".into()));
    for hostile in [json!(".."), json!("."), json!(""), json!("../admin"), json!("a/../b"), json!("a\\..\\b")] {
        assert!(rendered(&call, &hostile).is_err());
    }
    call.path = template("/users");
    for (written, value, expected) in [
        (json!("{value}"), json!("a&b=c"), "q=a%26b%3Dc"),
        (json!("name eq \"{value}\""), json!("a\"b\\"), "q=name%20eq%20%22a%5C%22b%5C%5C%22"),
        (json!("name eq '{value}'"), json!("o'b"), "q=name%20eq%20%27o%27%27b%27"),
        (json!({"email": {"_eq": "{value}"}}), json!("a\"b"), "q=%7B%22email%22%3A%7B%22_eq%22%3A%22a%5C%22b%22%7D%7D"),
    ] {
        call.query = vec![("q".into(), JsonTemplate::parse(&written, &mut |text| template(text)))];
        assert_eq!(rendered(&call, &value), Ok(format!("/users?{expected}")));
    }
}

#[test]
fn a_lone_placeholder_keeps_its_type() {
    let body =
        JsonTemplate::parse(&json!({"n": "{value}", "t": "n={value}", "k": "{env.KEY}"}), &mut |text| template(text));
    let value = json!(7);
    let scope = Scope { value: Some(&value), ..Scope::default() };
    assert_eq!(body.render(&scope), json!({"n": 7, "t": "n=7", "k": "secret"}));
}

#[test]
fn keys_are_texts_of_values_that_are_there() {
    let written = json!({ "k-{value}": { "{value}": "{value}" }, "{id}": 1, "x{id}": 2, "{{id}}": 3 });
    let body = JsonTemplate::parse(&written, &mut |text| template(text));
    let value = json!(7);
    let scope = Scope { value: Some(&value), id: Some(&Value::Null), ..Scope::default() };
    let expected = json!({ "k-7": { "7": 7 }, "{id}": 3 });
    assert_eq!((body.render(&scope), body.parameter(&scope)), (expected.clone(), Some(expected)));
}

#[test]
fn a_header_has_no_line_breaks() {
    let mut call = CallTemplate::new("GET", template("/"));
    call.headers = vec![("x-user".into(), template("{value}"))];
    assert_eq!(rendered(&call, &json!("a\r\nx: y")), Err(Unfit::HeaderValue));
}

#[test]
fn a_form_leaves_something_of_what_is_there() {
    let emptied = Err(Unfit::Emptied("value|slug".into()));
    for (written, value, expected) in [
        ("{value|slug}", json!("開発"), emptied.clone()),
        ("{value|slug}@example.org", json!("!!!"), emptied),
        ("{value|slug}", json!("開発 2"), Ok(())),
        ("{value|slug}", json!(""), Ok(())),
        ("{value|csv}", json!([]), Ok(())),
        ("{value|csv}", json!(["a,b"]), Err(Unfit::Emptied("value|csv".into()))),
        ("{id|slug}", json!("a"), Ok(())),
    ] {
        let rendered = |set: &dyn Fn(&mut CallTemplate, Template)| {
            let mut call = CallTemplate::new("POST", template("/users"));
            set(&mut call, template(written));
            call.render(&Scope { value: Some(&value), ..Scope::default() }).map(drop)
        };
        let all: [&dyn Fn(&mut CallTemplate, Template); 4] = [
            &|call, it| call.query = vec![("q".into(), JsonTemplate::Text(it))],
            &|call, it| call.headers = vec![("x".into(), it)],
            &|call, it| call.body = Some(JsonTemplate::List(vec![JsonTemplate::Text(it)])),
            &|call, it| call.body = Some(JsonTemplate::Object(vec![(it, JsonTemplate::Constant(json!(1)))])),
        ];
        for set in all {
            assert_eq!(rendered(set), expected, "{written} {value}");
        }
    }
}

#[test]
fn braces() {
    assert_eq!(template("{{id}}").0, vec![Piece::Text("{id}".into())]);
    let parse = |text| Template::parse(text, |_| None).unwrap_err();
    assert_eq!(parse("{id"), TemplateError::Braces);
    assert_eq!(parse("a}"), TemplateError::Braces);
    assert_eq!(parse("{x}"), TemplateError::Unknown("x".into()));
}

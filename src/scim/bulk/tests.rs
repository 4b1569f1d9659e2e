use super::*;

#[allow(clippy::needless_pass_by_value)]
fn request(operations: Value) -> Result<BulkRequest, Error> {
    let body = json!({"schemas": [REQUEST_SCHEMA], "failOnErrors": 1, "Operations": operations});
    parse(body, 5, Leniency::Strict)
}

#[test]
fn rfc7644_3_7_2_references_come_after_what_they_name() {
    let mut request = request(json!([
        {"method": "POST", "path": "/Groups", "bulkId": "ytrewq", "data": {
            "displayName": "Tour Guides", "members": [{"type": "User", "value": "bulkId:qwerty"}]}},
        {"method": "POST", "path": "/Users", "bulkId": "qwerty", "data": {"userName": "Alice"}},
        {"method": "PATCH", "path": "/Groups/bulkId:ytrewq", "data": {"Operations": []}},
        {"method": "DELETE", "path": "/Users/7", "version": "W/\"1\""},
    ]))
    .unwrap();
    assert_eq!(request.fail_on_errors, Some(1));
    assert_eq!(request.order(), (vec![1, 3, 0, 2], BTreeSet::new()));
    let ids = BTreeMap::from([("qwerty".to_owned(), "1".to_owned()), ("ytrewq".to_owned(), "2".to_owned())]);
    request.operations.iter_mut().for_each(|operation| operation.resolve(&ids));
    assert_eq!(request.operations[0].data["members"][0], json!({"type": "User", "value": "1"}));
    assert_eq!(request.operations[2].path, "/Groups/2");
}

#[test]
fn rfc7644_3_7_1_circles_and_loose_ends_are_told() {
    let request = request(json!([
        {"method": "POST", "path": "/Groups", "bulkId": "a", "data": {"members": [{"value": "bulkId:b"}]}},
        {"method": "POST", "path": "/Groups", "bulkId": "b", "data": {"members": [{"value": "bulkId:a"}]}},
        {"method": "PUT", "path": "/Users/bulkId:nobody", "data": {}},
        {"method": "POST", "path": "/Users", "bulkId": "c", "data": {"manager": "bulkId:a"}},
        {"method": "DELETE", "path": "/Users/7"},
    ]))
    .unwrap();
    assert_eq!(request.order(), (vec![0, 1, 2, 3, 4], BTreeSet::from([0, 1, 3])));
}

#[test]
fn only_ids_are_references() {
    let operation = |data: Value| {
        let one = json!([{"method": "PATCH", "path": "/Groups/1", "data": data}]);
        request(one).unwrap().operations.remove(0)
    };
    let ids = BTreeMap::from([("u".to_owned(), "1\"".to_owned())]);
    for (data, resolved) in [
        (json!({"members": [{"value": "bulkId:u"}]}), json!({"members": [{"value": "1\""}]})),
        (json!({"members": ["bulkId:u"]}), json!({"members": ["1\""]})),
        (json!({"manager": {"managerId": "bulkId:u"}}), json!({"manager": {"managerId": "1\""}})),
        (json!({"manager": {"$ref": "bulkId:u"}}), json!({"manager": {"$ref": "1\""}})),
        (
            json!({"Operations": [{"op": "add", "path": "urn:x:User:manager", "value": "bulkId:u"}]}),
            json!({"Operations": [{"op": "add", "path": "urn:x:User:manager", "value": "1\""}]}),
        ),
        (
            json!({"Operations": [{"op": "add", "value": {"members": [{"value": "bulkId:u"}]}}]}),
            json!({"Operations": [{"op": "add", "value": {"members": [{"value": "1\""}]}}]}),
        ),
        (
            json!({"Operations": [{"op": "remove", "path": "members[value eq \"bulkId:u\" or value eq \"2\"]"}]}),
            json!({"Operations": [{"op": "remove", "path": "members[value eq \"1\\\"\" or value eq \"2\"]"}]}),
        ),
    ] {
        let mut operation = operation(data.clone());
        assert_eq!(operation.references(), BTreeSet::from(["u"]), "{data}");
        operation.resolve(&ids);
        assert_eq!(operation.data, resolved);
    }
    for data in [
        json!({"title": "bulkId:u"}),
        json!({"name": {"givenName": "bulkId:u"}}),
        json!({"path": "\"bulkId:u\""}),
        json!({"Operations": [{"op": "add", "path": "title", "value": "bulkId:u"}]}),
    ] {
        let mut operation = operation(data.clone());
        assert_eq!(operation.references(), BTreeSet::new(), "{data}");
        operation.resolve(&ids);
        assert_eq!(operation.data, data);
    }
}

#[test]
fn a_refusal_says_which_operation_it_is_about() {
    for (second, expected) in
        [(json!({"method": "GET"}), "operation 2: "), (json!({"bulkId": "b"}), "operation 2 (`b`): ")]
    {
        let error = request(json!([{"method": "DELETE", "path": "/Users/1"}, second])).unwrap_err();
        assert!(error.detail.starts_with(expected), "{}", error.detail);
    }
}

#[test]
fn rfc7644_3_7_3_response() {
    let request = request(json!([{"method": "post", "path": "/Users", "bulkId": "q", "data": {}}])).unwrap();
    let operation = &request.operations[0];
    assert_eq!(
        response(vec![
            operation.outcome(201, Some("https://x/Users/1"), Some("W/\"1\""), None),
            operation.outcome(409, None, None, Some(Error::uniqueness("taken").body())),
        ]),
        json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkResponse"], "Operations": [
            {"method": "POST", "bulkId": "q", "status": "201", "location": "https://x/Users/1", "version": "W/\"1\""},
            {"method": "POST", "bulkId": "q", "status": "409", "response": Error::uniqueness("taken").body()},
        ]})
    );
}

#[test]
fn refusals() {
    let post = json!({"method": "POST", "path": "/Users", "bulkId": "a", "data": {}});
    for (operations, status) in [
        (json!({}), 400),
        (json!([7]), 400),
        (json!([{"method": "GET", "path": "/Users"}]), 400),
        (json!([{"method": "DELETE", "path": "Users/1"}]), 400),
        (json!([{"method": "POST", "path": "/Users", "data": {}}]), 400),
        (json!([{"method": "PUT", "path": "/Users/1"}]), 400),
        (json!([post, post]), 400),
        (json!([post, post, post, post, post, post]), 413),
    ] {
        assert_eq!(request(operations.clone()).expect_err(&operations.to_string()).status, status);
    }
    assert!(parse(json!({"Operations": [], "failOnErrors": 0}), 5, Leniency::Lenient).is_err());
    assert!(parse(json!({"Operations": []}), 5, Leniency::Strict).is_err());
    assert!(parse(json!({"operations": []}), 5, Leniency::Lenient).is_ok());
}

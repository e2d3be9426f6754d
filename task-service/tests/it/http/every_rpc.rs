//! Every RPC by every protocol.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use test_support::{Via, Wire};

use super::wire;
use crate::support::App;

#[tokio::test]
async fn every_rpc_answers_by_every_protocol() {
    let app = App::start().await;
    for via in Via::ALL {
        let (wire, token) = wire(&app);
        let session = Session { wire, token, via, called: BTreeSet::new() };
        session.run().await;
    }
}

/// The calls of a user by one protocol.
struct Session {
    wire: Wire,
    token: String,
    via: Via,
    called: BTreeSet<String>,
}

impl Session {
    async fn call(&mut self, method: &str, request: Value) -> Value {
        self.called.insert(method.to_owned());
        let answer = self.wire.call(self.via, method, &self.token, &request).await;
        answer.unwrap_or_else(|fault| panic!("{:?} {method}: {fault:?}", self.via))
    }

    async fn run(mut self) {
        let create = json!({ "task": {
            "title": "Water the plants", "description": "ü\n\"", "priority": "PRIORITY_HIGH",
            "labels": ["home"], "due": { "moment": {
                "time": "2026-01-02T03:04:05.678900Z", "timeZone": "Europe/Berlin" } },
        }});
        let task = self.call("CreateTask", create.clone()).await["task"].clone();
        for field in ["title", "description", "priority", "labels", "due"] {
            assert_eq!(task[field], create["task"][field], "{:?}", self.via);
        }
        let id = task["id"].clone();
        let got = self.call("GetTask", json!({ "taskId": id })).await;
        assert_eq!(got["task"], task, "{:?}", self.via);

        let update = json!({
            "task": { "id": id, "isComplete": true }, "updateMask": "isComplete,description",
        });
        let updated = self.call("UpdateTask", update).await["task"].clone();
        assert_eq!(updated["isComplete"], true);
        assert_eq!(updated["description"], Value::Null);
        assert_eq!(updated["title"], task["title"]);

        let filter = json!({ "filter": {
            "isComplete": true, "labels": ["home"], "priorities": ["PRIORITY_HIGH"],
            "dueAfter": "2026-01-01T00:00:00Z", "text": "plants",
        }, "orderBy": "priority desc, due", "pageSize": 1 });
        let listed = self.call("ListTasks", filter).await;
        assert_eq!(listed["tasks"], json!([updated]), "{:?}", self.via);

        let etag = updated["etag"].clone();
        let deleted = self.call("DeleteTask", json!({ "taskId": id, "etag": etag })).await;
        assert_ne!(deleted["task"]["deleteTime"], Value::Null);
        let restored = self.call("UndeleteTask", json!({ "taskId": id })).await;
        assert_eq!(restored["task"]["deleteTime"], Value::Null);

        let one = |title: &str| json!({ "task": { "title": title } });
        let batch = json!({ "requests": [one("one"), one("two")] });
        let created = self.call("BatchCreateTasks", batch).await;
        let ids: Vec<_> = [0, 1].map(|i| created["tasks"][i]["id"].clone()).into();
        let got = self.call("BatchGetTasks", json!({ "taskIds": ids })).await;
        assert_eq!(got, created, "{:?}", self.via);
        let change = |id: &Value| json!({ "task": { "id": id, "title": "new" } });
        let batch = json!({ "requests": [change(&ids[0]), change(&ids[1])] });
        let changed = self.call("BatchUpdateTasks", batch).await;
        assert_eq!(changed["tasks"][1]["title"], "new");
        let batch = json!({ "requests": [{ "taskId": ids[0] }, { "taskId": ids[1] }] });
        let deleted = self.call("BatchDeleteTasks", batch).await;
        assert_eq!(deleted["tasks"].as_array().map(Vec::len), Some(2));

        let all = self.wire.methods().into_iter().collect();
        assert_eq!(self.called, all, "every method is called");
    }
}

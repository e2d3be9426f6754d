//! What a running service tells on its operations port.

use crate::{Service, eventually};

impl Service {
    /// What the operations port answers to a GET: the HTTP status, and the body.
    pub async fn ops(&self, path: &str) -> (u16, String) {
        let url = format!("http://{}{path}", self.ops_address());
        let response = reqwest::get(url).await.expect("the operations port answers");
        let status = response.status().as_u16();
        (status, response.text().await.expect("it answers with a text"))
    }

    /// The value of a metric that is a whole number, by its name and its labels as they are
    /// exported.
    pub async fn count(&self, series: &str) -> u64 {
        self.metric(series).await.parse().unwrap_or_else(|_| panic!("{series} is no whole number"))
    }

    /// The value of a metric as it is exported.
    pub async fn metric(&self, series: &str) -> String {
        let (_, metrics) = self.ops("/metrics").await;
        let value = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{series} is not among\n{metrics}")).to_owned()
    }

    /// How many calls of a method have ended with a code.
    pub async fn handled(&self, (service, method): (&str, &str), code: &str) -> u64 {
        let kind = if method == "Watch" { "server_stream" } else { "unary" };
        let labels = format!("grpc_method=\"{method}\",grpc_service=\"{service}\"");
        let labels = format!("grpc_code=\"{code}\",{labels},grpc_type=\"{kind}\"");
        self.count(&format!("grpc_server_handled_total{{{labels}}}")).await
    }

    /// Waits until `/readyz` says why no calls should come.
    pub async fn eventually_says(&self, reason: &str) {
        let expected = (503, format!("{reason}\n"));
        let what = format!("/readyz says {reason:?}");
        eventually(&what, async || self.ops("/readyz").await == expected).await;
    }
}

//! The operations port of a running service.

use crate::{Service, eventually};

impl Service {
    /// GETs a path of the operations port. Returns the HTTP status and the body.
    pub async fn ops(&self, path: &str) -> (u16, String) {
        let url = format!("http://{}{path}", self.ops_address());
        let response = reqwest::get(url).await.expect("the operations port answers");
        let status = response.status().as_u16();
        (status, response.text().await.expect("the body is text"))
    }

    /// The value of a metric that is a whole number, by its exported name and labels.
    pub async fn count(&self, series: &str) -> u64 {
        self.metric(series).await.parse().unwrap_or_else(|_| panic!("{series} is not an integer"))
    }

    /// The exported value of a metric.
    pub async fn metric(&self, series: &str) -> String {
        let (_, metrics) = self.ops("/metrics").await;
        let value = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {series} in\n{metrics}")).to_owned()
    }

    /// The number of calls of a method that have ended with a code.
    pub async fn handled(&self, (service, method): (&str, &str), code: &str) -> u64 {
        let kind = if method == "Watch" { "server_stream" } else { "unary" };
        let labels = format!("grpc_method=\"{method}\",grpc_service=\"{service}\"");
        let labels = format!("grpc_code=\"{code}\",{labels},grpc_type=\"{kind}\"");
        self.count(&format!("grpc_server_handled_total{{{labels}}}")).await
    }

    /// Waits until `/readyz` reports that the service is not ready for this reason.
    pub async fn eventually_says(&self, reason: &str) {
        let expected = (503, format!("{reason}\n"));
        let what = format!("/readyz reports {reason:?}");
        eventually(&what, async || self.ops("/readyz").await == expected).await;
    }
}

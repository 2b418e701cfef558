//! `--demo`: replays the shipped day of a real shop.

use std::process::ExitCode;

use anyhow::Context;
use reqwest::Url;

use super::announce::Ready;
use crate::replay::plan::{Plan, Stock};
use crate::replay::source::Source;
use crate::replay::{CLIENTS, Options, replay};

/// Replays the sample, then prints the report and some commands to try.
pub(crate) async fn run(ready: &Ready) -> anyhow::Result<ExitCode> {
    let plan = Plan::new(Stock::Full, &[Source::sample()?])?;
    let parse = |url: &String| Url::parse(url).with_context(|| format!("{url} is not a URL"));
    let options = Options {
        command: ready.command.iter().map(parse).collect::<Result<_, _>>()?,
        query: ready.query.first().map(parse).context("no query-service")??,
        clients: CLIENTS,
        access: ready.access.clone().unwrap_or_default(),
    };
    let to_try = to_try(&options, &ready.curl(), ready.console.as_deref());
    replay(&plan, &options).await?.print(&to_try)
}

fn to_try(options: &Options, curl: &str, console: Option<&str>) -> String {
    let console = console.map(|url| format!("\nSee it in a browser: {url}\n"));
    let console = console.unwrap_or_default();
    let query = options.query.as_str().trim_end_matches('/');
    let command = options.command[0].as_str().trim_end_matches('/');
    format!(
        "{console}
Try these in another terminal:
  {curl} {query}/v1/stock/85123A
  {curl} '{query}/v1/movements?sku=85123A&limit=5'
  {curl} -i {command}/v1/reservations -H 'content-type: application/json' \\
    -d '{{\"owner\":\"cart-7\",\"ttl_seconds\":600,\"lines\":[{{\"sku\":\"85123A\",\"location\":\"MAIN\",\"quantity\":6}}]}}'
  cargo stack topic --lane 0 --limit 3
"
    )
}

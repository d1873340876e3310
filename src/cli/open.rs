//! `peer open`: shows the running peer's page in a browser.

use super::context::Context;
use super::failure::{Failure, Result};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Only print the link
    #[arg(long)]
    print: bool,
}

pub(super) async fn run(args: Args, context: &mut Context) -> Result<()> {
    let client = context.client().await?;
    let serving = client.is_serving();
    let answer = if serving { Some(client.link().await) } else { None };
    client.close().await;
    let Some(answer) = answer else {
        return Err(Failure::new("the page needs a running peer; start one with `peer serve`"));
    };
    let link = answer?;
    if context.out.is_json() {
        context.out.json(&link)?
    } else {
        context.out.line(&link.url)?
    }
    context.out.flush()?;
    if args.print {
        return Ok(());
    }
    crate::api::open_in_browser(&context.data, &link).map_err(|error| {
        Failure::new(format!("no browser could be started ({error}); open the link above in one"))
    })
}

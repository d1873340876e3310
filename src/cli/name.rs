//! `peer name`: shows or changes the display name.

use super::context::Context;
use super::failure::Result;
use super::input;
use crate::text;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The new name
    new: Option<String>,
}

pub(super) async fn run(args: Args, context: &mut Context) -> Result<()> {
    if let Some(new) = &args.new {
        input::check_line("name", new)?;
    }
    let client = context.client().await?;
    let answer = match &args.new {
        Some(new) => client.set_name(new).await.map(|set| Some(set.name)),
        None => client.status().await.map(|status| status.name),
    };
    client.close().await;
    let name = answer?;
    if context.out.is_json() {
        return context.out.json(&serde_json::json!({ "name": name }));
    }
    context.out.line(&text::line(name.as_deref().unwrap_or("you have no name yet; `peer name NEW` sets one")))
}

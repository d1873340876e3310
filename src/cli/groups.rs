//! `peer groups`: lists, creates, joins and leaves groups, and sets topics.

use peer_engine::id::GroupName;

use super::context::Context;
use super::failure::Result;
use super::input;
use super::output::count;
use crate::api::{Client, Group};
use crate::text;

#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    /// Only groups whose name contains this
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(clap::Subcommand, Debug)]
enum Action {
    /// Create a group, or join the one that has this name
    Create { name: GroupName },
    /// Join a group that others have created
    Join { name: GroupName },
    /// Leave a group; its history stays readable
    Leave { name: GroupName },
    /// Say what a group is about
    Topic { name: GroupName, text: String },
}

pub(super) async fn run(args: Args, context: &mut Context) -> Result<()> {
    if let Some(Action::Topic { text, .. }) = &args.action {
        input::check_line("topic", text)?;
    }
    let client = context.client().await?;
    let done = match args.action {
        None => list(&client, args.search, context).await,
        Some(action) => act(&client, action, context).await,
    };
    client.close().await;
    done
}

async fn list(client: &Client, search: Option<String>, context: &mut Context) -> Result<()> {
    let groups = client.groups(search).await?;
    if context.out.is_json() {
        return groups.iter().try_for_each(|group| context.out.json(group));
    }
    if groups.is_empty() {
        return context.out.line("no groups; `peer groups create NAME` makes one");
    }
    let row = |group: &Group| {
        let entries =
            if group.joined { count(group.entries, "entry", "entries") } else { "not joined".to_owned() };
        let topic = text::line(group.topic.as_deref().unwrap_or_default()).into_owned();
        [group.name.to_string(), entries, topic]
    };
    context.out.table(&groups.iter().map(row).collect::<Vec<_>>())
}

async fn act(client: &Client, action: Action, context: &mut Context) -> Result<()> {
    let out = &mut context.out;
    match action {
        Action::Create { name } => {
            let created = client.create(&name).await?;
            if out.is_json() { out.json(&created) } else { out.line(&format!("you are in {name}")) }
        }
        Action::Join { name } => {
            let joined = client.join(&name).await?;
            if out.is_json() { out.json(&joined) } else { out.line(&format!("you are in {name}")) }
        }
        Action::Leave { name } => {
            let left = client.leave(&name).await?;
            if out.is_json() { out.json(&left) } else { out.line(&format!("you have left {name}")) }
        }
        Action::Topic { name, text } => {
            let sent = client.set_topic(&name, &text).await?;
            if out.is_json() { out.json(&sent) } else { out.line(&format!("{name} has a new topic")) }
        }
    }
}

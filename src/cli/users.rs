//! `peer users`: lists people.

use peer_engine::id::GroupName;

use super::context::Context;
use super::failure::Result;
use crate::api::{User, UsersQuery};
use crate::text;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Only people of this group
    group: Option<GroupName>,
    /// Only people whose name or key contains this
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
}

pub(super) async fn run(args: Args, context: &mut Context) -> Result<()> {
    let client = context.client().await?;
    let answer = client.users(&UsersQuery { group: args.group.map(Into::into), search: args.search }).await;
    client.close().await;
    let users = answer?;
    if context.out.is_json() {
        return users.iter().try_for_each(|user| context.out.json(user));
    }
    let row = |user: &User| {
        let name = text::line(user.name.as_deref().unwrap_or("(no name)")).into_owned();
        let connected = if user.connected { "connected" } else { "" };
        let joined = if user.joined { "" } else { "not joined" };
        [name, connected.to_owned(), joined.to_owned(), user.key.to_string()]
    };
    context.out.table(&users.iter().map(row).collect::<Vec<_>>())
}

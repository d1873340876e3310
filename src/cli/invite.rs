//! `peer invite`: prints a ticket for a newcomer.

use super::context::Context;
use super::failure::Result;

pub(super) async fn run(context: &mut Context) -> Result<()> {
    let client = context.client().await?;
    let answer = client.invite().await;
    client.close().await;
    let invitation = answer?;
    if context.out.is_json() { context.out.json(&invitation) } else { context.out.line(&invitation.ticket) }
}

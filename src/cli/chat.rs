//! `peer chat`: the terminal UI, on the running peer or on one that it starts itself.

use std::io::{self, IsTerminal};

use super::context::Context;
use super::failure::{Failure, Result};
use super::signals::Signals;
use super::start::Start;
use crate::tui;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    start: Start,
}

pub(super) async fn run(args: Args, context: &mut Context) -> Result<()> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(Failure::usage(
            "peer chat needs a terminal; `peer send` and `peer history` work without one",
        ));
    }
    let options = args.start.options()?;
    let mut signals = Signals::new()?;
    Ok(tui::run(&context.data, options, signals.next()).await?)
}

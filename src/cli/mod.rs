//! The command line: the commands and their exit codes. Each command has a file.
//!
//! Commands use only the API's client. They print results to standard output, clean other people's text with
//! `crate::text`, and report a failure in one line on standard error: what happened, and what to do.

mod chat;
mod context;
mod export;
mod failure;
mod groups;
mod history;
mod import;
mod input;
mod invite;
mod join;
mod log;
mod name;
mod open;
mod output;
mod progress;
mod rows;
mod search;
mod send;
mod serve;
mod signals;
mod start;
mod status;
mod ticket;
mod users;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Parser, Subcommand};

use context::Context;
use failure::{Failure, Result};

use crate::text;

/// A serverless group chat: every peer keeps everything, and peers that meet agree.
#[derive(Parser, Debug)]
#[command(name = "peer", version, arg_required_else_help = true)]
struct Cli {
    /// This peer's data directory [default: in the platform's directory for application data]
    #[arg(long, global = true, value_name = "DIR", env = "PEER_DATA", hide_env_values = true)]
    data: Option<PathBuf>,
    /// Print JSON, one object per line
    #[arg(long, global = true)]
    json: bool,
    /// Log more (-v, -vv, -vvv); RUST_LOG has precedence
    #[arg(short, global = true, action = ArgAction::Count)]
    verbose: u8,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run this peer until it is interrupted; the first run creates it
    Serve(serve::Args),
    /// Show the running peer's page in a browser
    Open(open::Args),
    /// Chat in the terminal; starts the peer where none runs
    Chat(chat::Args),
    /// Print a ticket: all that a newcomer needs to enter this mesh
    Invite,
    /// Take a ticket into a new data directory
    Join(join::Args),
    /// Send a message, or each line of standard input as one
    Send(send::Args),
    /// Show a group's messages, oldest first
    History(history::Args),
    /// List groups; create, join and leave them; set topics
    Groups(groups::Args),
    /// List people
    Users(users::Args),
    /// Show or change your display name
    Name(name::Args),
    /// Find messages by their words, newest first
    Search(search::Args),
    /// Show this peer, its groups and its links
    Status,
    /// Send messages from a file, with their original times and names
    Import(import::Args),
    /// Write a whole group to a file
    Export(export::Args),
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    // Log lines on the terminal would be painted over the chat.
    if !matches!(cli.command, Command::Chat(_)) || !std::io::stderr().is_terminal() {
        log::start(cli.verbose);
    }
    // For a command that only prints, a closed pipe is a normal end. One that sends may have left messages unsent.
    let writes = matches!(cli.command, Command::Send(_) | Command::Import(_));
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_broken_pipe() => ExitCode::from(u8::from(writes)),
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "peer: {failure}");
            failure.exit_code()
        }
    }
}

/// Prints clap's text: the help (exit code 0), or what is wrong with the arguments (2). That text repeats the
/// arguments, so tickets are taken out of it.
fn usage(error: &clap::Error) -> ExitCode {
    let printed = match error.use_stderr() {
        true => write!(std::io::stderr(), "{}", text::block(&without_tickets(&error.render().to_string()))),
        false => error.print(),
    };
    // If nothing can be printed, the exit code still says which it was.
    drop(printed);
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Replaces every word that looks like a ticket, which is a secret.
fn without_tickets(text: &str) -> String {
    let secret = |word: &str| word.to_ascii_lowercase().contains("peer1") && word.len() > 40;
    text.split_inclusive(char::is_whitespace)
        .map(|word| if secret(word) { "TICKET " } else { word })
        .collect()
}

fn run(cli: Cli) -> Result<()> {
    let mut context = Context::new(cli.data, cli.json)?;
    let runtime = match cli.command {
        Command::Serve(_) | Command::Chat(_) => {
            tokio::runtime::Builder::new_multi_thread().enable_all().build()
        }
        // Starting threads would take a short command longer than they save.
        _ => tokio::runtime::Builder::new_current_thread().enable_all().build(),
    };
    let runtime = runtime.map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let done = runtime.block_on(dispatch(cli.command, &mut context));
    let flushed = context.out.flush();
    // Do not wait for a thread that may still be reading standard input.
    runtime.shutdown_background();
    done.and(flushed)
}

async fn dispatch(command: Command, context: &mut Context) -> Result<()> {
    match command {
        Command::Serve(args) => serve::run(args, context).await,
        Command::Open(args) => open::run(args, context).await,
        Command::Chat(args) => chat::run(args, context).await,
        Command::Invite => invite::run(context).await,
        Command::Join(args) => join::run(args, context).await,
        Command::Send(args) => send::run(args, context).await,
        Command::History(args) => history::run(args, context).await,
        Command::Groups(args) => groups::run(args, context).await,
        Command::Users(args) => users::run(args, context).await,
        Command::Name(args) => name::run(args, context).await,
        Command::Search(args) => search::run(args, context).await,
        Command::Status => status::run(context).await,
        Command::Import(args) => import::run(args, context).await,
        Command::Export(args) => export::run(args, context).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> std::result::Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("peer").chain(line.split_whitespace()))
    }

    #[test]
    fn the_definition_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn every_documented_command_parses() {
        for line in [
            "serve",
            "serve --listen 127.0.0.1:0 --listen [::1]:0 --advertise a.example:7117 --join T --join @f --name anna",
            "serve --no-api",
            "chat",
            "chat --listen 127.0.0.1:0 --join T --name anna",
            "serve --api 127.0.0.1:4000 --json",
            "invite",
            "join peer1abc",
            "join - --offline",
            "send rust hello",
            "send rust",
            "history rust",
            "history rust --limit 10 --before 0101010101010101010101010101010101010101010101010101010101010101",
            "history rust --all --follow",
            "groups",
            "groups --search ru",
            "groups create rust",
            "groups join rust",
            "groups leave rust",
            "groups topic rust Borrowing",
            "users",
            "users rust --search an",
            "name",
            "name anna",
            "search borrow --group rust",
            "status -vv",
            "import rust file.jsonl",
            "export rust",
            "export rust --format automerge --output f",
            "--data d --json status",
        ] {
            if let Err(error) = parse(line) {
                panic!("{line}: {error}");
            }
        }
    }

    #[test]
    fn a_ticket_in_the_wrong_place_is_not_repeated() {
        let ticket = format!("peer1{}", "a".repeat(150));
        let error = parse(&format!("serve {ticket}")).unwrap_err().render().to_string();
        assert!(error.contains(&ticket));
        let shown = without_tickets(&error);
        assert!(!shown.contains("aaaa") && shown.contains("TICKET") && shown.contains("Usage"), "{shown}");
    }

    #[test]
    fn bad_usage_exits_with_2() {
        for line in [
            "fly",
            "send",
            "history",
            "history #rust",
            "history rust --before xyz",
            "history rust --limit 0",
            "history rust --limit 1001",
            "history rust --all --before 0101010101010101010101010101010101010101010101010101010101010101",
            "groups topic rust",
            "groups --search a create rust",
            "serve --listen nowhere",
            "serve --api 0.0.0.0:4000",
            "serve --api 127.0.0.1:0 --no-api",
            "export rust --format pdf",
        ] {
            let error = parse(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
        assert_eq!(parse("--help").unwrap_err().exit_code(), 0);
    }
}

//! `peer export`: a whole group, as JSON lines or as an Automerge document.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::failure::{Failure, Result};
use super::output::{count, encode};
use super::{Context, history};
use crate::api::Client;
use crate::id::GroupName;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    group: GroupName,
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// Where to write it [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// The rows of `peer history --all --json`
    Jsonl,
    /// A document that every Automerge reader opens
    Automerge,
}

pub(super) async fn run(args: Args, context: &mut Context) -> Result<()> {
    if args.format == Format::Automerge && args.output.is_none() && context.out.is_terminal() {
        return Err(Failure::usage("an Automerge document is binary; write it to a file with --output FILE"));
    }
    let client = context.client().await?;
    let done = export(&client, &args, context).await;
    client.close().await;
    done
}

async fn export(client: &Client, args: &Args, context: &mut Context) -> Result<()> {
    let Some(path) = &args.output else {
        write(client, args, &mut async |bytes| context.out.bytes(bytes)).await?;
        return context.out.flush();
    };
    let mut file = Draft::create(path)?;
    let written = write(client, args, &mut async |bytes| file.write(bytes)).await;
    match written {
        Ok(entries) => {
            file.keep()?;
            report(entries, path, context)
        }
        Err(failure) => {
            file.discard();
            Err(failure)
        }
    }
}

/// Hands on the export in pieces; counts the entries where they are told apart.
async fn write(
    client: &Client,
    args: &Args,
    sink: &mut impl AsyncFnMut(&[u8]) -> Result<()>,
) -> Result<Option<u64>> {
    if args.format == Format::Automerge {
        let mut document = client.export(&args.group).await?;
        if document.reauthored {
            let _ = writeln!(
                std::io::stderr(),
                "peer: somebody wrote two entries in one place, which Automerge cannot hold; the document has all entries in order, written anew without their signatures"
            );
        }
        while let Some(bytes) = document.chunk().await? {
            sink(&bytes).await?;
        }
        return Ok(None);
    }
    let start = client.group(&args.group).await?.id.genesis();
    let mut entries = 0;
    history::every(client, &args.group, start, async |row| {
        entries += 1;
        let mut line = encode(row)?;
        line.push('\n');
        sink(line.as_bytes()).await
    })
    .await?;
    Ok(Some(entries))
}

fn report(entries: Option<u64>, path: &Path, context: &mut Context) -> Result<()> {
    let file = path.display().to_string();
    if context.out.is_json() {
        return context.out.json(&serde_json::json!({ "file": file, "entries": entries }));
    }
    let what = entries.map_or("the group".to_owned(), |entries| count(entries, "row", "rows"));
    context.out.line(&format!("wrote {what} to {}", crate::text::line(&file)))
}

/// A file that appears under its name once it is whole.
struct Draft {
    file: BufWriter<File>,
    draft: PathBuf,
    path: PathBuf,
}

impl Draft {
    fn create(path: &Path) -> Result<Self> {
        let mut draft = path.as_os_str().to_owned();
        draft.push(".part");
        let draft = PathBuf::from(draft);
        let file = File::create(&draft).map_err(|error| cannot_write(path, &error))?;
        Ok(Self { file: BufWriter::new(file), draft, path: path.to_owned() })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| cannot_write(&self.path, &error))
    }

    fn keep(mut self) -> Result<()> {
        let kept = self
            .file
            .flush()
            .and_then(|()| self.file.get_ref().sync_all())
            .and_then(|()| fs::rename(&self.draft, &self.path));
        kept.map_err(|error| {
            let failure = cannot_write(&self.path, &error);
            let _ = fs::remove_file(&self.draft);
            failure
        })
    }

    fn discard(self) {
        let _ = fs::remove_file(&self.draft);
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot write {}: {error}", path.display()))
}

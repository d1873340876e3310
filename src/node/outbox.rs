//! The queue of frames to be written to one link: bounded, so that a reader that does not read costs little.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use peer_engine::limits::LINK_QUEUE_BYTES_MAX;
use peer_engine::sync::LinkId;
use peer_engine::wire::CloseCode;
use peer_engine::wire::frame::Frame;
use tokio::sync::{Notify, mpsc};

use crate::limits::CLOSE_MS_MAX;
use crate::transport::LinkWriter;

/// The queue of frames to one link. Clones share the same queue.
#[derive(Clone)]
pub(super) struct Outbox(Arc<Outgoing>);

struct Outgoing {
    link: LinkId,
    queue: mpsc::UnboundedSender<Message>,
    bytes: AtomicUsize,
    wedged: Notify,
    closing: Notify,
}

pub(super) enum Message {
    Frame(Vec<u8>),
    Close(CloseCode),
}

/// The queue has exceeded its maximum size; the link is being closed.
pub(super) struct Wedged;

impl Outbox {
    pub fn new(link: LinkId) -> (Self, mpsc::UnboundedReceiver<Message>) {
        let (queue, outgoing) = mpsc::unbounded_channel();
        let state = Outgoing {
            link,
            queue,
            bytes: AtomicUsize::new(0),
            wedged: Notify::new(),
            closing: Notify::new(),
        };
        (Self(Arc::new(state)), outgoing)
    }

    pub fn link(&self) -> LinkId {
        self.0.link
    }

    pub fn push(&self, frame: &Frame) -> Result<(), Wedged> {
        let bytes = frame.encode();
        let waiting = self.0.bytes.fetch_add(bytes.len(), Ordering::Relaxed) + bytes.len();
        if waiting > LINK_QUEUE_BYTES_MAX {
            self.0.wedged.notify_one();
            return Err(Wedged);
        }
        // An error means that the link has ended.
        let _ = self.0.queue.send(Message::Frame(bytes));
        Ok(())
    }

    /// Closes the link once the queued frames have been sent.
    pub fn close(&self, code: CloseCode) {
        let _ = self.0.queue.send(Message::Close(code));
        self.0.closing.notify_one();
    }

    /// Returns once the queue has exceeded its maximum size.
    pub async fn wedged(&self) {
        self.0.wedged.notified().await;
    }

    /// Returns `CLOSE_MS_MAX` after the link was closed: frames that were not read by then are dropped.
    pub async fn overdue(&self) {
        self.0.closing.notified().await;
        tokio::time::sleep(Duration::from_millis(CLOSE_MS_MAX)).await;
    }
}

/// Writes until the link is closed or breaks. With `deflate`, long messages are compressed.
pub(super) async fn write_all(
    mut writer: LinkWriter,
    mut queue: mpsc::UnboundedReceiver<Message>,
    outbox: &Outbox,
    deflate: bool,
) {
    while let Some(message) = queue.recv().await {
        let mut next = Some(message);
        while let Some(message) = next {
            match message {
                Message::Frame(bytes) => {
                    let length = bytes.len();
                    let packed = if deflate { Frame::deflate(&bytes) } else { None };
                    if writer.send(packed.unwrap_or(bytes)).await.is_err() {
                        return;
                    }
                    outbox.0.bytes.fetch_sub(length, Ordering::Relaxed);
                }
                Message::Close(code) => return writer.close(code).await,
            }
            next = queue.try_recv().ok();
        }
        if writer.flush().await.is_err() {
            return;
        }
    }
}

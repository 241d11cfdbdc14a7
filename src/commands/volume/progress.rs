use std::io::{IsTerminal, stderr};
use std::pin::pin;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{interval, sleep};

use super::Result;
use super::client::Client;

/// What is quicker needs no bar.
const QUICK: Duration = Duration::from_millis(300);
/// How often the disk is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Shows a person how far a volume is, where it takes long: the whole of it may have to be written.
pub(super) async fn while_creating(
    client: &Client,
    name: &str,
    creating: impl Future<Output = Result<()>>,
) -> Result<()> {
    if !stderr().is_terminal() {
        return creating.await;
    }
    let mut creating = pin!(creating);
    tokio::select! {
        done = &mut creating => return done,
        () = sleep(QUICK) => {}
    }
    let bar = ProgressBar::new_spinner();
    let mut looks = interval(LOOK);
    loop {
        tokio::select! {
            done = &mut creating => {
                bar.finish_and_clear();
                return done;
            }
            _ = looks.tick() => look(client, name, &bar).await,
        }
    }
}

/// A spinner becomes a bar when the volume can be seen.
async fn look(client: &Client, name: &str, bar: &ProgressBar) {
    let style = match client.get(name).await {
        Ok(volume) if !volume.sparse => {
            bar.set_length(volume.size_bytes);
            bar.set_position(volume.allocated_bytes.min(volume.size_bytes));
            "{spinner} reserving {bar:32} {binary_bytes} of {binary_total_bytes}"
        }
        _ => "{spinner} making the volume",
    };
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar.tick();
}

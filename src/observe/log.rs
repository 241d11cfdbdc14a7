//! The log: lines on standard error.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, Write};
use std::panic::{self, PanicHookInfo};
use std::sync::{Mutex, PoisonError};

use time::OffsetDateTime;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

pub use super::level::{Error, Format, Level};
use super::line::Line;
use super::trace::{Fields, Step, Steps};

/// Writes events as lines.
struct Lines<W> {
    format: Format,
    colour: bool,
    out: Mutex<W>,
}

/// Whose events and spans are ours; of everybody else's only warnings are heard.
const OURS: &str = "ullage";

/// Sets up the log of this process on standard error, and writes panics there. Once, before the first line.
pub fn init(level: Level, format: Format) -> Result<(), Error> {
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let subscriber = Registry::default().with(layer(level, format, colour, io::stderr()));
    tracing::subscriber::set_global_default(subscriber).map_err(|_| Error::Twice)?;
    // The standard library's own words are several lines of no format, which belong to no call.
    panic::set_hook(Box::new(panicked));
    Ok(())
}

/// Writes the line of a panic. It is called where the panic is, so within the spans of the call.
fn panicked(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let said = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let location = info.location().map(ToString::to_string);
    let backtrace = Backtrace::capture(); // only where RUST_BACKTRACE asks for it
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(said, location, backtrace, "a fault of the program: panicked");
}

/// The log as a layer, on any writer. Each line is one write.
pub fn layer<W>(level: Level, format: Format, colour: bool, out: W) -> impl Layer<Registry>
where
    W: Write + Send + 'static,
{
    // Our spans are kept down to info: an error deep in a call needs the call's id, however little is said.
    let spans = level.0.max(tracing::Level::INFO);
    let heard = move |metadata: &Metadata<'_>| match (is_ours(metadata.target()), metadata.is_span()) {
        (true, true) => *metadata.level() <= spans,
        (true, false) => *metadata.level() <= level.0,
        (false, true) => false,
        (false, false) => *metadata.level() <= level.0.min(tracing::Level::WARN),
    };
    let filter = filter_fn(heard).with_max_level_hint(LevelFilter::from_level(spans));
    Steps.and_then(Lines { format, colour, out: Mutex::new(out) }).with_filter(filter)
}

fn is_ours(target: &str) -> bool {
    target.strip_prefix(OURS).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Write + Send + 'static,
{
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        let mut trace = None;
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            let extensions = span.extensions();
            let Some(step) = extensions.get::<Step>() else { continue };
            step.fields.0.iter().for_each(|(name, value)| fields.set(name, value.clone()));
            trace = step.trace.clone().or(trace);
        }
        event.record(&mut fields);
        let message = fields.take("message").unwrap_or_default();
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        let line = Line { time: OffsetDateTime::now_utc(), level, target, message, fields, trace };
        self.write(line);
    }
}

impl<W: Write> Lines<W> {
    fn write(&self, line: Line) {
        let text = match self.format {
            Format::Json => line.json(),
            Format::Text => line.text(),
            Format::Nice => line.nice(self.colour),
        };
        // A log that nobody can read any more must not stop the work.
        let _ = self.out.lock().unwrap_or_else(PoisonError::into_inner).write_all(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tracing::subscriber::with_default;
    use tracing::{debug, debug_span, error, info, info_span};

    use super::*;
    use crate::observe::trace::Call;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines that some work writes, without their time.
    fn lines(level: &str, format: Format, work: impl FnOnce()) -> Vec<String> {
        let paper = Paper::default();
        let layer = layer(level.parse().unwrap(), format, false, paper.clone());
        with_default(Registry::default().with(layer), work);
        let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
    }

    #[test]
    fn every_line_of_a_call_has_its_id_and_that_of_its_step() {
        let mut id = String::new();
        let lines = lines("info", Format::Text, || {
            let call = Call::begin("CreateVolume");
            id = call.id().to_owned();
            call.run(|| {
                info!("begun");
                info_span!("provision", volume = "v1").in_scope(|| {
                    debug_span!("format").in_scope(|| info!(fs = "xfs", "formatted"));
                    debug_span!("attach").in_scope(|| info!("attached"));
                });
                let dispatch = tracing::dispatcher::get_default(Clone::clone);
                let span = info_span!("record");
                let other = move || tracing::dispatcher::with_default(&dispatch, || span.in_scope(|| info!("written")));
                std::thread::spawn(other).join().unwrap();
            });
            call.finish("Internal", Some("no room"));
            info!("outside");
        });
        assert_eq!(id.len(), 26);
        let expected = [
            format!("INFO  begun method=CreateVolume trace={id}"),
            format!("INFO  formatted method=CreateVolume volume=v1 fs=xfs trace={id}.1"),
            format!("INFO  attached method=CreateVolume volume=v1 trace={id}.1"),
            format!("INFO  written method=CreateVolume trace={id}.2"),
        ];
        assert_eq!(lines[..4], expected);
        assert!(lines[4].starts_with("ERROR failed method=CreateVolume code=Internal seconds="), "{}", lines[4]);
        assert!(lines[4].ends_with(&format!(" reason=\"no room\" trace={id}")), "{}", lines[4]);
        assert_eq!(lines[5..], ["INFO  outside"]);
    }

    #[test]
    fn a_panic_is_one_line_of_its_call() {
        // The hook is that of the whole process: whatever else fails meanwhile says so as ever.
        let (here, before) = (std::thread::current().id(), Arc::new(panic::take_hook()));
        let others = before.clone();
        panic::set_hook(Box::new(move |info| match std::thread::current().id() == here {
            true => panicked(info),
            false => others(info),
        }));
        let mut id = String::new();
        let lines = lines("0", Format::Text, || {
            let call = Call::begin("A");
            id = call.id().to_owned();
            let fault = || panic!("two\n{}", "lines");
            call.run(|| info_span!("step").in_scope(|| panic::catch_unwind(fault))).unwrap_err();
        });
        panic::set_hook(Box::new(move |info| before(info)));
        assert_eq!(lines.len(), 1, "{lines:?}");
        let start = "ERROR a fault of the program: panicked method=A said=\"two\\nlines\" location=src/observe/log.rs:";
        assert!(lines[0].starts_with(start) && lines[0].ends_with(&format!(" trace={id}.1")), "{}", lines[0]);
    }

    #[test]
    fn what_a_caller_names_forges_no_line() {
        let names =
            ["db\nERROR forged trace=0", "\r\u{1b}[2J\u{7}", "a\u{2028}b\u{85}c", "\u{202e}dlo", "x trace=1\t\u{0}"];
        for format in [Format::Text, Format::Nice] {
            for name in names {
                let lines = lines("info", format, || {
                    let call = Call::begin("DeleteVolume");
                    call.about(name);
                    call.finish("NotFound", Some(&format!("volume '{name}' does not exist")));
                    call.run(|| info!(volume = %name, "deleted {}", name.replace('=', ":")));
                });
                assert_eq!(lines.len(), 2, "{lines:?}");
                for line in lines {
                    let harmless = |c: char| c == ' ' || (!c.is_whitespace() && !c.is_control() && c != '\u{202e}');
                    assert!(line.chars().all(harmless), "{line:?}");
                    assert_eq!(
                        line.split('"').step_by(2).filter(|part| part.contains(" trace=")).count(),
                        1,
                        "{line:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn steps_of_steps_are_numbered_and_calls_do_not_nest() {
        let lines = lines("debug", Format::Text, || {
            Call::begin("A").run(|| {
                let _step = debug_span!("a").entered();
                debug_span!("b").in_scope(|| ());
                debug_span!("c").in_scope(|| debug!("deep"));
                Call::begin("B").run(|| debug!("own"));
            });
        });
        assert!(lines[0].starts_with("DEBUG deep method=A trace=") && lines[0].ends_with(".1.2"), "{}", lines[0]);
        assert!(lines[1].starts_with("DEBUG own method=B trace=") && !lines[1].contains('.'), "{}", lines[1]);
    }

    #[test]
    fn an_error_has_the_id_however_little_is_said() {
        let lines = lines("0", Format::Text, || {
            Call::begin("A").run(|| {
                info_span!("step").in_scope(|| {
                    info!("not said");
                    error!("said");
                })
            });
        });
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with("ERROR said method=A trace=") && lines[0].ends_with(".1"), "{}", lines[0]);
    }

    #[test]
    fn others_are_heard_only_when_they_warn() {
        let lines = lines("4", Format::Text, || {
            tracing::info!(target: "h2", "a frame");
            tracing::info!(target: "ullagest", "nobody of ours");
            tracing::warn!(target: "h2", "a broken frame");
            tracing::trace!(target: "ullage", "ours");
        });
        assert_eq!(lines, ["WARN  a broken frame", "TRACE ours"]);
    }
}

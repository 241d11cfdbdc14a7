//! The id of a call, and of the steps in it.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Span, Subscriber, error, info, info_span, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// One call from outside: its id (a ULID), and the span in which all its work is done.
///
/// A span opened within it, on whatever thread, is a step: `ID.1`, and a step of that `ID.1.1`.
#[derive(Debug)]
pub struct Call {
    id: String,
    span: Span,
    begun: Instant,
}

/// What a span carries: its id, where it belongs to a call, and its fields.
#[derive(Default, Debug)]
pub(super) struct Step {
    pub(super) trace: Option<String>,
    pub(super) fields: Fields,
    steps: AtomicU32,
}

/// Fields of a span or an event, in their order.
#[derive(Default, Debug)]
pub(super) struct Fields(pub(super) Vec<(&'static str, serde_json::Value)>);

/// Gives every span its [`Step`].
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Steps;

/// The field that marks the span of a call.
const TRACE: &str = "trace";

impl Call {
    /// A call of that method, beginning now.
    pub fn begin(method: &str) -> Self {
        let id = ulid::Ulid::generate().to_string();
        let span = info_span!(parent: None, "call", trace = %id, method, volume = tracing::field::Empty);
        Self { id, span, begun: Instant::now() }
    }

    /// Its id, for the answer's `x-ullage-trace`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its span, for work that is not done by [`Call::run`].
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// Says which volume it is about: on every line from now on.
    pub fn about(&self, volume: &str) {
        self.span.record("volume", volume);
    }

    /// How long it has taken so far.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Does work of this call, on this thread.
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        self.span.in_scope(work)
    }

    /// Writes the line of the call: its outcome, and the reason where it was refused.
    pub fn finish(&self, code: &str, reason: Option<&str>) {
        let seconds = self.elapsed().as_secs_f64();
        self.run(|| match (code, reason) {
            ("Ok", _) => info!(code, seconds, "answered"),
            // These codes are faults of ours or of the machine; any other is the caller's to mend.
            ("Internal" | "Unknown" | "DataLoss", reason) => error!(code, seconds, reason, "failed"),
            (_, reason) => warn!(code, seconds, reason, "refused"),
        });
    }
}

impl Step {
    fn of(attributes: &Attributes<'_>, parent: Option<&Self>) -> Self {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let given = fields.take(TRACE);
        let next = |parent: &Self| {
            let number = parent.steps.fetch_add(1, Ordering::Relaxed) + 1;
            parent.trace.as_ref().map(|trace| format!("{trace}.{number}"))
        };
        Self { trace: given.or_else(|| parent.and_then(next)), fields, steps: AtomicU32::new(0) }
    }
}

impl<S> Layer<S> for Steps
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let step = match span.parent() {
            Some(parent) => Step::of(attributes, parent.extensions().get::<Step>()),
            None => Step::of(attributes, None),
        };
        span.extensions_mut().insert(step);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(step) = span.extensions_mut().get_mut::<Step>() {
            values.record(&mut step.fields);
        }
    }
}

impl Fields {
    /// Sets a field: the later value of one name replaces the earlier.
    pub(super) fn set(&mut self, name: &'static str, value: serde_json::Value) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    /// Takes a field of text out.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| *known == name)?;
        match self.0.remove(at).1 {
            serde_json::Value::String(text) => Some(text),
            other => Some(other.to_string()),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field.name(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field.name(), value.into());
    }
}

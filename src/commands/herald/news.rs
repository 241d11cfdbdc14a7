use crate::api::alerts::frames::OUT_OF_STORAGE;
use crate::k8s::events::{Notice, Severity, Subject, SubjectKind};
use crate::model::{Bytes, Claim, Level, PodRef, VolumeId};
use crate::monitor::{Event, Monitor, Status};

/// Something about a volume that people should hear. `docs/events.md` says what each means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct News {
    severity: Severity,
    /// Stable: people alert on it.
    reason: &'static str,
    action: &'static str,
    headline: &'static str,
    detail: String,
    /// The size that was asked for: the same of another size is something else, and the same with another detail is not.
    asked: Option<Bytes>,
    lasts: bool,
}

/// What external-provisioner calls its volumes: the claim's uid behind this (`--volume-name-prefix`).
const PREFIX: &str = "pvc-";

impl News {
    /// What an event of the monitor is to people; most are nothing.
    pub(super) fn of(event: &Event) -> Option<Self> {
        match event {
            Event::Level { status, .. } => Some(Self::of_level(status)),
            Event::Reminder(status) => Some(Self::lasting(status)),
            Event::Measured(_) | Event::Resized { .. } | Event::Lost(_) | Event::Found(_) | Event::Gone(_) => None,
        }
    }

    fn of_level(status: &Status) -> Self {
        let (severity, reason, headline) = match status.level {
            Level::Ok => (Severity::Normal, "VolumeRecovered", "There is room again"),
            Level::Warning => (Severity::Warning, "VolumeNearlyFull", "Nearly full"),
            Level::Full => (Severity::Warning, "VolumeOutOfStorage", OUT_OF_STORAGE),
        };
        let detail = status.reading.unwrap_or_default().to_string();
        Self { severity, reason, action: "Measuring", headline, detail, asked: None, lasts: false }
    }

    /// It is as it was.
    fn lasting(status: &Status) -> Self {
        Self { lasts: true, ..Self::of_level(status) }
    }

    /// Blocks that were promised to a volume are gone, and the pool has none for it.
    pub(super) fn broken_reservation(lasts: bool) -> Self {
        Self {
            severity: Severity::Warning,
            reason: "ReservationBroken",
            action: "Reserving",
            headline: "Reserved space is missing, and the pool has no room for it",
            detail: "writes may fail before the volume is full".to_owned(),
            asked: None,
            lasts,
        }
    }

    /// A growth to that size does not fit.
    pub(super) fn refused_expansion(asked: Bytes, detail: &str) -> Self {
        Self {
            severity: Severity::Warning,
            reason: "ExpansionRefused",
            action: "Expanding",
            headline: "The volume does not grow",
            detail: detail.to_owned(),
            asked: Some(asked),
            lasts: false,
        }
    }

    /// As it is posted; people know the volume by what it is `called`.
    pub(super) fn notice(&self, volume: &VolumeId, called: &str) -> Notice {
        let Self { severity, reason, action, headline, detail, asked, lasts } = self;
        let asked = asked.map(|size| size.get().to_string()).unwrap_or_default();
        Notice {
            severity: *severity,
            reason,
            action,
            note: format!("{headline} ({called}): {detail}"),
            topic: format!("{volume} {asked}"),
            lasts: *lasts,
        }
    }
}

/// What people call a volume: by its claim, where it has one.
pub(super) fn called(volume: &str, claim: Option<&str>) -> String {
    claim.map_or_else(|| format!("volume {volume}"), |claim| format!("claim {claim}"))
}

/// What is to be told where too much has happened to hear of everything: what is full now.
pub(super) fn missed(monitor: &Monitor) -> Vec<(VolumeId, News)> {
    let statuses = monitor.statuses();
    let full = statuses.iter().filter(|status| status.level == Level::Full);
    full.map(|status| (status.id.clone(), News::lasting(status))).collect()
}

/// Whom events of a volume are posted on: its claim, and the pods that use it. A claim whose uid is not in the volume's
/// name is left out: an event with another uid is shown nowhere.
pub(super) fn subjects(volume: &VolumeId, claim: &Claim, users: Vec<PodRef>) -> Vec<Subject> {
    let of_claim = || {
        let (namespace, name) = (claim.namespace.clone()?, claim.name.clone()?);
        Some(Subject { kind: SubjectKind::Claim, namespace, name, uid: claim_uid(volume)?.to_owned() })
    };
    let of_pod = |PodRef { namespace, name, uid }| Subject { kind: SubjectKind::Pod, namespace, name, uid };
    of_claim().into_iter().chain(users.into_iter().map(of_pod)).collect()
}

fn claim_uid(volume: &VolumeId) -> Option<&str> {
    let uid = volume.as_str().strip_prefix(PREFIX)?;
    // Other spellings of one are no uid of Kubernetes.
    (uid.len() == 36 && uuid::Uuid::try_parse(uid).is_ok()).then_some(uid)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Inodes, Reading};

    const UID: &str = "b7f0a9e2-3c1d-4f5e-8a6b-0123456789ab";

    fn status(level: Level, used: u64, inodes: Inodes) -> Arc<Status> {
        let reading = Reading { size: Bytes::gib(2), available: Bytes::mib(2048 - used), inodes };
        Arc::new(Status { reading: Some(reading), level, ..Status::new(VolumeId::from_name("pvc-1")) })
    }

    #[test]
    fn each_event_of_the_monitor_is_news_or_not() {
        use Level::{Full, Warning};
        use Severity::Normal;
        let (none, few) = (Inodes::default(), Inodes { total: 1000, used: 991, free: 9 });
        let level = |level, previous, used, inodes| Event::Level { status: status(level, used, inodes), previous };
        let cases = [
            (
                level(Warning, Level::Ok, 1700, none),
                Some((
                    Severity::Warning,
                    "VolumeNearlyFull",
                    "Nearly full (claim data): 83.01 % of 2Gi used, 348Mi left",
                )),
            ),
            (
                level(Full, Warning, 1997, none),
                Some((
                    Severity::Warning,
                    "VolumeOutOfStorage",
                    "System out of storage (claim data): 97.51 % of 2Gi used, 51Mi left",
                )),
            ),
            (
                level(Full, Level::Ok, 512, few),
                Some((
                    Severity::Warning,
                    "VolumeOutOfStorage",
                    "System out of storage (claim data): 25 % of 2Gi used, 1.5Gi left, 9 of 1000 inodes left",
                )),
            ),
            (
                level(Warning, Full, 1700, none),
                Some((
                    Severity::Warning,
                    "VolumeNearlyFull",
                    "Nearly full (claim data): 83.01 % of 2Gi used, 348Mi left",
                )),
            ),
            (
                level(Level::Ok, Full, 512, none),
                Some((Normal, "VolumeRecovered", "There is room again (claim data): 25 % of 2Gi used, 1.5Gi left")),
            ),
            (Event::Measured(status(Full, 2000, none)), None),
            (Event::Lost(status(Full, 2000, none)), None),
            (Event::Found(status(Full, 2000, none)), None),
            (Event::Resized { status: status(Full, 2000, none), previous: Bytes::gib(1) }, None),
            (Event::Gone(VolumeId::from_name("pvc-1")), None),
        ];
        for (event, expected) in cases {
            let notice = News::of(&event).map(|news| news.notice(event.id(), "claim data"));
            let found = notice.as_ref().map(|notice| (notice.severity, notice.reason, notice.note.as_str()));
            assert_eq!(found, expected, "{event:?}");
            assert!(notice.is_none_or(|notice| !notice.lasts));
        }
        let reminder = News::of(&Event::Reminder(status(Full, 1997, none))).unwrap();
        let notice = reminder.notice(&VolumeId::from_name("pvc-1"), "claim data");
        assert_eq!((notice.reason, notice.lasts), ("VolumeOutOfStorage", true));
    }

    #[test]
    fn only_refusals_differ_by_the_size_and_none_by_what_it_says() {
        let volume = VolumeId::from_name("pvc-1");
        let topic = |news: News| news.notice(&volume, "claim data").topic;
        let refused = |gib, detail| topic(News::refused_expansion(Bytes::gib(gib), detail));
        assert_ne!(refused(4, "is full"), refused(8, "is full"));
        assert_eq!(refused(4, "2Gi available"), refused(4, "1.9Gi available"));
        let full = |used| News::of_level(&status(Level::Full, used, Inodes::default()));
        assert_eq!(topic(full(2000)), topic(full(2001)));
        assert_eq!(topic(News::broken_reservation(false)), topic(News::broken_reservation(true)));
    }

    #[test]
    fn events_are_posted_on_the_claim_whose_uid_is_known_and_on_the_pods() {
        let claim = |name: Option<&str>, namespace: Option<&str>| Claim {
            name: name.map(Into::into),
            namespace: namespace.map(Into::into),
            volume: None,
        };
        let full = claim(Some("data"), Some("shop"));
        let provisioned = format!("pvc-{UID}");
        let cases = [
            (provisioned.as_str(), full.clone(), true),
            (UID, full.clone(), false),
            ("pvc-data", full.clone(), false),
            ("pvc-b7f0a9e23c1d4f5e8a6b0123456789ab", full.clone(), false),
            ("my-volume", full, false),
            (&provisioned, claim(Some("data"), None), false),
            (&provisioned, claim(None, None), false),
        ];
        let pod = PodRef { namespace: "shop".into(), name: "web-0".into(), uid: "u".into() };
        for (volume, claim, has_claim) in cases {
            let found = subjects(&VolumeId::from_name(volume), &claim, vec![pod.clone()]);
            let kinds: Vec<_> = found.iter().map(|subject| subject.kind).collect();
            let expected: &[_] = if has_claim { &[SubjectKind::Claim, SubjectKind::Pod] } else { &[SubjectKind::Pod] };
            assert_eq!(kinds, expected, "{volume} {claim:?}");
            assert!(!has_claim || found[0].uid == UID);
        }
    }
}

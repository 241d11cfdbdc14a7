use super::{Error, Result};
use crate::model::{Backend, MountOptions};

/// That a volume of a backend can be mounted so. Asked before it is made, too: a claim that is bound to one that can never be
/// staged waits for ever.
pub fn check_options(backend: Backend, sparse: bool, options: &MountOptions) -> Result<()> {
    let mut of_filesystem = options.filesystem.iter().map(|(option, _)| option);
    match backend {
        Backend::Loop if !sparse && of_filesystem.any(|option| option == "discard") => Err(Error::DiscardReserved),
        Backend::Loop => Ok(()),
        Backend::Quota => match of_filesystem.next() {
            Some(option) => Err(Error::SharedFilesystem { option: option.clone() }),
            None => Ok(()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gives_reserved_space_away_and_what_is_the_pools_is_refused() {
        let cases: [(Backend, bool, &[&str], Option<&str>); 6] = [
            (Backend::Loop, false, &["noatime", "commit=60"], None),
            (Backend::Loop, false, &["noatime,discard"], Some("'discard' would give reserved space away")),
            (Backend::Loop, true, &["discard"], None),
            (Backend::Loop, false, &["nodiscard"], None),
            (Backend::Quota, false, &["noatime", "ro"], None),
            (Backend::Quota, false, &["ro", "logbufs=8"], Some("'logbufs' is the whole pool's")),
        ];
        for (backend, sparse, flags, expected) in cases {
            let said =
                check_options(backend, sparse, &MountOptions::from_flags(flags)).map_err(|error| error.to_string());
            match expected {
                None => assert_eq!(said, Ok(()), "{flags:?}"),
                Some(text) => assert!(said.as_ref().is_err_and(|said| said.contains(text)), "{flags:?}: {said:?}"),
            }
        }
    }
}

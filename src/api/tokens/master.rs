use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::file::{self, Access, Staged};
use super::{Error, Result, Token};

/// Where tokens are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The file with the master token, where there is one: a mounted Secret.
    pub token_file: Option<PathBuf>,
    /// The directory of what is made here: `token`, `tokens.yaml`, `tokens.lock`.
    pub state_dir: PathBuf,
    /// The mode of a `token` that is made here: 0644 where any user of a pod reads it, else 0600.
    pub mode: u32,
}

/// The file in which the master token lies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenFile {
    path: PathBuf,
    /// Given, so somebody else makes it.
    is_given: bool,
    mode: u32,
}

/// No token is longer, with some space around it.
const LONGEST: u64 = 4096;

impl Settings {
    /// The mode of the token's file for one user alone.
    pub const PRIVATE: u32 = 0o600;

    /// The mode of the token's file for every user of a pod.
    pub const SHARED: u32 = 0o644;

    /// The file in which the master token lies.
    pub fn master(&self) -> TokenFile {
        let path = self.token_file.clone().unwrap_or_else(|| self.state_dir.join("token"));
        TokenFile { path, is_given: self.token_file.is_some(), mode: self.mode }
    }
}

impl TokenFile {
    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The token in it, without the space around it.
    ///
    /// # Errors
    /// There is none, it is no token, or it cannot be read.
    pub fn read(&self) -> Result<Token> {
        let found = file::read(&self.path, LONGEST).map_err(Error::io("read", &self.path))?;
        let Some((content, _)) = found else { return Err(self.missing()) };
        let text = String::from_utf8_lossy(&content);
        Token::parse(text.trim_ascii()).map_err(|fault| Error::Invalid { file: self.path.clone(), fault })
    }

    /// Replaces the token: whole, durable, with the mode and owner of the file that was there.
    ///
    /// # Errors
    /// The file is a Secret's, is read-only, or cannot be written.
    pub fn replace(&self, token: &Token) -> Result<()> {
        let (target, access) = self.target()?;
        self.prepare()?;
        let staged = Staged::write(&target, &line(token), access);
        staged.and_then(Staged::replace).map(drop).map_err(|error| self.refused(error))
    }

    /// The token in it, which is made where there is none. Of processes that start together one makes it, and all have it.
    pub(super) fn obtain(&self) -> Result<Token> {
        match self.read() {
            Err(Error::NoneYet(_)) => {}
            read => return read,
        }
        self.prepare()?;
        let token = Token::generate()?;
        let staged = Staged::write(&self.path, &line(&token), Access { mode: self.mode, owner: None });
        match staged.and_then(Staged::put_first).map_err(|error| self.refused(error))? {
            true => Ok(token),
            false => self.read(),
        }
    }

    fn missing(&self) -> Error {
        if self.is_given { Error::NotThere(self.path.clone()) } else { Error::NoneYet(self.path.clone()) }
    }

    /// The file to replace; a link that was given stays one.
    fn target(&self) -> Result<(PathBuf, Access)> {
        let found = match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok((self.path.clone(), Access { mode: self.mode, owner: None }));
            }
            found => found.map_err(Error::io("look at", &self.path))?,
        };
        // What lies here is ours, and whoever may write here is not to lead us elsewhere.
        if found.is_symlink() && !self.is_given {
            return Ok((self.path.clone(), Access { mode: self.mode, owner: None }));
        }
        // kubelet's volumes: FILE -> ..data/FILE, ..data -> ..DATE. What is written there is lost at the next change.
        if found.is_symlink() && file::parent(&self.path).join("..data").is_symlink() {
            return Err(Error::Secret(self.path.clone()));
        }
        let target = fs::canonicalize(&self.path).map_err(Error::io("follow the link", &self.path))?;
        let found = fs::metadata(&target).map_err(Error::io("look at", &self.path))?;
        // Root could replace it all the same; whoever took the right to write away did not want that.
        if found.mode() & 0o222 == 0 {
            return Err(Error::ReadOnly(self.path.clone()));
        }
        Ok((target, Access { mode: found.mode() & 0o777, owner: Some((found.uid(), found.gid())) }))
    }

    fn prepare(&self) -> Result<()> {
        let dir = file::parent(&self.path);
        if self.is_given { Ok(()) } else { file::make_dir(dir).map_err(|error| self.refused(error)) }
    }

    fn refused(&self, error: io::Error) -> Error {
        match error.raw_os_error().map(Errno::from_raw) {
            // Busy: the file itself is a mount, as with `subPath`.
            Some(Errno::EROFS | Errno::EBUSY) => Error::ReadOnly(self.path.clone()),
            _ => Error::io("write", &self.path)(error),
        }
    }
}

fn line(token: &Token) -> Vec<u8> {
    format!("{}\n", token.as_str()).into_bytes()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    const TOKEN: &str = "lightd_0123456789abcdef0123456789abcdef";

    fn given(path: &Path) -> TokenFile {
        TokenFile { path: path.to_owned(), is_given: true, mode: 0o600 }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn what_lies_in_the_file_is_read_or_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        assert!(given(&path).read().unwrap_err().to_string().ends_with("(a key of a mounted Secret)"));
        for content in [TOKEN.to_owned(), format!("{TOKEN}\n"), format!(" {TOKEN}\r\n")] {
            fs::write(&path, content).unwrap();
            assert_eq!(given(&path).read().unwrap().as_str(), TOKEN);
        }
        let name = path.display();
        for (content, said) in [
            ("", "Token must start with 'lightd_'"),
            ("lightd_secret", "Token too short (minimum 20 characters)"),
            ("lightd_secret secret secret", "Token must be printable ASCII without spaces"),
        ] {
            fs::write(&path, content).unwrap();
            let error = given(&path).read().unwrap_err().to_string();
            assert_eq!(error, format!("{name}: {said}: write one there, or run `ullage token reset`"));
        }
    }

    #[test]
    fn a_replaced_file_keeps_its_mode_and_a_link_stays_one() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::write(&real, "").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("real", &link).unwrap();
        given(&link).replace(&Token::parse(TOKEN).unwrap()).unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), format!("{TOKEN}\n"));
        assert!(link.is_symlink());
        assert_eq!(mode(&real), 0o640);

        // In our own directory a link leads nowhere.
        let state = tempfile::tempdir().unwrap();
        symlink(&real, state.path().join("token")).unwrap();
        let settings = Settings { token_file: None, state_dir: state.path().to_owned(), mode: 0o644 };
        settings.master().replace(&Token::generate().unwrap()).unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), format!("{TOKEN}\n"));
        assert!(!settings.master().path().is_symlink());
    }

    #[test]
    fn a_file_that_is_not_ours_to_write_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let token = Token::parse(TOKEN).unwrap();
        let path = dir.path().join("read-only");
        fs::write(&path, TOKEN).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        let said = given(&path).replace(&token).unwrap_err().to_string();
        assert!(said.starts_with(&format!("{}: is read-only: ", path.display())), "{said}");
        let said = given(Path::new("/proc/version")).replace(&token).unwrap_err().to_string();
        assert!(said.starts_with("/proc/version: "), "{said}");
        let lost = dir.path().join("no/dir");
        assert!(given(&lost).replace(&token).unwrap_err().to_string().starts_with(&lost.display().to_string()));
    }

    #[test]
    fn the_first_start_makes_it_once() {
        for wanted in [Settings::SHARED, Settings::PRIVATE] {
            let dir = tempfile::tempdir().unwrap();
            let settings = Settings { token_file: None, state_dir: dir.path().join("a/b"), mode: wanted };
            let file = settings.master();
            assert!(file.read().unwrap_err().to_string().contains("no token yet"));
            let made = file.obtain().unwrap();
            assert_eq!(made.as_str(), file.obtain().unwrap().as_str());
            assert_eq!(mode(file.path()), wanted);
            fs::write(file.path(), "").unwrap();
            assert!(matches!(file.obtain(), Err(Error::Invalid { .. })), "a token is not made over something else");
        }
    }
}

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio_stream::Stream;

use super::{Error, failed, temporary};

/// Who may connect to a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// The owner alone: mode 0600.
    Owner,
    /// The owner and that group: mode 0660.
    Group(u32),
}

/// A listening unix socket: a stream of connections. Dropped, it removes its file, if that is still its own.
#[derive(Debug)]
pub struct Listener {
    inner: UnixListener,
    path: PathBuf,
    file: FileKey,
}

/// Device and inode.
type FileKey = (u64, u64);

/// How long the directory may be another's who starts: it takes some ms.
const PATIENCE: Duration = Duration::from_secs(2);

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 128;

/// Listens at `path`, and makes the directory where it is missing. A socket that nobody answers on is replaced.
///
/// The file has its final owner and mode before the first connection is possible, whatever the umask: it is bound under
/// another name, and nobody can connect to it before `listen(2)`, which comes after them.
///
/// # Errors
/// [`Error::InUse`] while a living process answers there; [`Error::Occupied`] where something else lies there;
/// [`Error::Locked`] where somebody keeps the directory locked.
pub async fn listen(path: &Path, access: Access) -> Result<Listener, Error> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(directory).map_err(failed("make", directory))?;
    // Of two that start at once, the second shall meet the first listening, and not replace its socket.
    let _start = lock(directory).await?;
    refuse_the_living(path).await?;

    let temporary = temporary(path);
    remove_if_there(&temporary)?;
    let socket = UnixSocket::new_stream().map_err(failed("make a socket for", path))?;
    socket.bind(&temporary).map_err(failed("bind", &temporary))?;
    let placed = place(socket, &temporary, path, access);
    if placed.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    placed
}

impl Access {
    fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Group(_) => 0o660,
        }
    }

    fn group(self) -> Option<u32> {
        match self {
            Self::Owner => None,
            Self::Group(gid) => Some(gid),
        }
    }
}

impl Stream for Listener {
    type Item = io::Result<UnixStream>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let accepted = ready!(self.inner.poll_accept(context));
        Poll::Ready(Some(accepted.map(|(stream, _)| stream)))
    }
}

impl Drop for Listener {
    /// While this still listens no other `listen` replaces the file, so it cannot change between look and removal.
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| key(&found) == self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn place(socket: UnixSocket, temporary: &Path, path: &Path, access: Access) -> Result<Listener, Error> {
    std::os::unix::fs::lchown(temporary, None, access.group()).map_err(failed("give to its group", temporary))?;
    let permissions = fs::Permissions::from_mode(access.mode());
    fs::set_permissions(temporary, permissions).map_err(failed("set the mode of", temporary))?;
    let bound = fs::symlink_metadata(temporary).map_err(failed("look at", temporary))?;
    let inner = socket.listen(BACKLOG).map_err(failed("listen at", path))?;
    fs::rename(temporary, path).map_err(failed("put a socket at", path))?;
    Ok(Listener { inner, path: path.to_owned(), file: key(&bound) })
}

async fn refuse_the_living(path: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("look at", path)(error)),
        Ok(found) if !found.file_type().is_socket() => return Err(Error::Occupied(path.to_owned())),
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => Ok(()),
        // A full backlog is somebody's too.
        Err(error) if error.kind() != ErrorKind::WouldBlock => Err(failed("connect to", path)(error)),
        _ => Err(Error::InUse(path.to_owned())),
    }
}

async fn lock(directory: &Path) -> Result<Flock<File>, Error> {
    let mut file = File::open(directory).map_err(failed("open", directory))?;
    let begun = Instant::now();
    loop {
        file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Err((file, Errno::EAGAIN)) if begun.elapsed() < PATIENCE => file,
            Err((_, Errno::EAGAIN)) => return Err(Error::Locked(directory.to_owned())),
            locked => return locked.map_err(|(_, errno)| failed("lock", directory)(errno.into())),
        };
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn remove_if_there(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

fn key(found: &Metadata) -> FileKey {
    (found.dev(), found.ino())
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[tokio::test]
    async fn listens_with_the_mode_asked_for_and_leaves_nothing() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("made/for/it/csi.sock");
        for (access, expected) in [(Access::Owner, 0o600), (Access::Group(0), 0o660)] {
            // Chowning to group 0 is root's.
            if access != Access::Owner && !nix::unistd::geteuid().is_root() {
                continue;
            }
            let mut listener = listen(&path, access).await.unwrap();
            assert_eq!(mode(&path), expected);
            let _client = UnixStream::connect(&path).await.unwrap();
            assert!(listener.next().await.unwrap().is_ok());
            drop(listener);
            assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
        }
    }

    #[tokio::test]
    async fn replaces_the_socket_of_a_dead_process_and_not_that_of_a_living_one() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("csi.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());

        let first = listen(&path, Access::Owner).await.unwrap();
        let error = listen(&path, Access::Owner).await.unwrap_err();
        assert!(matches!(&error, Error::InUse(at) if *at == path), "{error}");
        drop(first);
        listen(&path, Access::Owner).await.unwrap();
    }

    #[test]
    fn of_many_that_start_at_once_one_listens() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("csi.sock");
        let start = |path: PathBuf| {
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                (runtime.block_on(listen(&path, Access::Owner)), runtime)
            })
        };
        let starting: Vec<_> = (0..8).map(|_| start(path.clone())).collect();
        let ended: Vec<_> = starting.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(ended.iter().filter(|(listener, _)| listener.is_ok()).count(), 1);
    }

    #[tokio::test]
    async fn whoever_keeps_the_directory_locked_is_told_of() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("csi.sock");
        let kept = Flock::lock(File::open(scratch.path()).unwrap(), FlockArg::LockExclusive).unwrap();
        let error = listen(&path, Access::Owner).await.unwrap_err();
        assert!(matches!(&error, Error::Locked(at) if at == scratch.path()), "{error}");
        let freed = tokio::spawn(async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            drop(kept);
        });
        listen(&path, Access::Owner).await.unwrap();
        freed.await.unwrap();
    }

    #[tokio::test]
    async fn leaves_alone_what_is_not_its_own() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("csi.sock");
        fs::write(&path, "letters").unwrap();
        let error = listen(&path, Access::Owner).await.unwrap_err();
        assert!(matches!(error, Error::Occupied(_)), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "letters");

        fs::remove_file(&path).unwrap();
        let listener = listen(&path, Access::Owner).await.unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "letters").unwrap();
        drop(listener);
        assert!(path.exists());
    }
}

use std::path::PathBuf;

use clap::Args;

use crate::commands;
use crate::inject::Task;

/// `ullage inject`.
#[derive(Args, Debug)]
#[command(after_help = "ullage inject -f app.yaml | kubectl apply -f -")]
pub(super) struct Inject {
    /// A manifest, or - for standard input; may be repeated [default: standard input]
    #[arg(short, long, env = "ULLAGE_FILENAME", hide_env_values = true, value_name = "FILE")]
    filename: Vec<PathBuf>,
    /// The image of the quota API
    #[arg(long, env = "ULLAGE_IMAGE", hide_env_values = true, value_name = "IMAGE", default_value = IMAGE,
          value_parser = image)]
    image: String,
    /// Take the quota API away again
    #[arg(long, env = "ULLAGE_REMOVE", hide_env_values = true)]
    remove: bool,
    /// Tell of workloads, too, in which nothing is to do
    #[arg(short, long, env = "ULLAGE_VERBOSE", hide_env_values = true)]
    verbose: bool,
}

/// That of this program's own version.
const IMAGE: &str = concat!("ullage/ullage:", env!("CARGO_PKG_VERSION"));

impl Inject {
    pub(super) fn run(self) -> commands::Result<()> {
        commands::inject(self.into())
    }
}

impl From<Inject> for commands::Inject {
    fn from(inject: Inject) -> Self {
        let Inject { filename, image, remove, verbose } = inject;
        Self { files: filename, task: Task { image, remove }, is_verbose: verbose }
    }
}

fn image(text: &str) -> Result<String, String> {
    let is_image = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:@".contains(c));
    if is_image { Ok(text.to_owned()) } else { Err(format!("write [REGISTRY/]NAME[:TAG][@DIGEST], such as {IMAGE}")) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::super::{Cli, Command};
    use super::*;

    fn asked(words: &str) -> commands::Inject {
        match Cli::try_parse_from(words.split(' ')).unwrap().command {
            Command::Inject(inject) => inject.into(),
            _ => panic!("nothing to inject"),
        }
    }

    #[test]
    fn files_are_as_many_as_are_named_and_the_image_is_the_program_s() {
        let plain = asked("ullage inject");
        assert_eq!((plain.files.len(), plain.task.remove, plain.is_verbose), (0, false, false));
        assert_eq!(plain.task.image, format!("ullage/ullage:{}", env!("CARGO_PKG_VERSION")));
        let named = asked("ullage inject -f a.yaml -f - --image r.io:5000/u@sha256:0a --remove -v");
        assert_eq!(named.files, [Path::new("a.yaml"), Path::new("-")]);
        assert_eq!(named.task, Task { image: "r.io:5000/u@sha256:0a".to_owned(), remove: true });
        assert!(named.is_verbose);
        assert!(Cli::try_parse_from(["ullage", "inject", "--image", "a b"]).is_err());
    }

    #[test]
    fn what_is_injected_is_a_command_line_of_this_program() {
        let task = Task { image: IMAGE.to_owned(), remove: false };
        let text =
            include_str!("../../tests/inject/list.json").replace("\"claimName\": \"data\"", "\"claimName\": \"a.b-0\"");
        let text = crate::inject::inject(&text, &task).unwrap().text;
        let list: serde_json::Value = serde_json::from_str(&text).unwrap();
        let pod = &list["items"][1]["spec"]["jobTemplate"]["spec"]["template"]["spec"];
        let args = pod["initContainers"][0]["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap());
        let words: Vec<_> = std::iter::once("ullage").chain(args).collect();
        assert_eq!(words[1..], ["quota-api", "--volume=data=/volumes/data,pvc=a.b-0"]);
        assert!(matches!(Cli::try_parse_from(&words).unwrap().command, Command::QuotaApi(_)));
    }
}

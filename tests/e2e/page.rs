//! docs/kubernetes.md, followed to the letter.

use crate::cluster::{kubectl, project, so, try_kubectl, try_run, wait_for};
use crate::install::with_values;

/// The commands of the page's section, block by block, as they stand there.
fn blocks(section: &str) -> Vec<String> {
    let page = std::fs::read_to_string(project("docs/kubernetes.md")).unwrap();
    let text = page.split_once(&format!("\n## {section}\n")).expect(section).1;
    let text = text.split("\n## ").next().expect("a first part");
    // Every second part is a block; one of a language is no commands.
    let blocks: Vec<String> =
        text.split("\n```").skip(1).step_by(2).filter(|block| block.starts_with('\n')).map(str::to_owned).collect();
    assert!(!blocks.is_empty(), "the section '{section}' has no commands");
    blocks
}

fn follow(commands: &str) -> String {
    let script = format!("cd '{}'\n{commands}", project("").display());
    try_run("sh", &["-exc", &script], "").unwrap_or_else(|error| panic!("{error}"))
}

/// Installs the chart, with what the cluster of the tests needs behind the page's own words.
pub(crate) fn install(values: &str, more: &str) -> String {
    let commands = &blocks("Installing")[0];
    let installing = commands.lines().find(|line| line.starts_with("helm install ")).expect("it installs");
    let words = with_values(&[installing], values, more).join(" ");
    follow(&commands.replace(installing, &words))
}

/// What the page has made in the namespace `default`, which no test owns.
struct Example;

impl Drop for Example {
    fn drop(&mut self) {
        let file = project("manifests/examples/app.yaml");
        // On the way out of a failure, too, and that one is to be read.
        let _ = try_kubectl(&["delete", "-f", file.to_str().expect("a path of text"), "--timeout=90s"]);
    }
}

#[test]
fn a_first_claim_is_made_grown_and_described_as_the_page_says() {
    let _example = Example;
    let said = blocks("The first claim").iter().map(|block| follow(block)).collect::<String>();
    assert!(said.contains("/data"), "{said}");
    let said = follow(&blocks("Growing it")[0]);
    assert!(said.contains("persistentvolumeclaim/data patched"), "{said}");
    wait_for("the pod sees 2 GiB", 90, || {
        let size = kubectl(&["exec", "app", "-c", "app", "--", "df", "-m", "/data"]);
        let mib = size.lines().last().and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        so(mib.is_some_and(|mib| mib > 1900), size)
    });
    follow(&blocks("Hearing that it fills")[0]);
}

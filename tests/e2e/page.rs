//! docs/kubernetes.md, followed to the letter.

use crate::api;
use crate::cluster::{kubectl, nodes, project, so, try_kubectl, try_run, wait_for};
use crate::install::with_values;
use crate::place::Place;
use crate::shapes::{Claim, Pod, app_image};
use crate::snippets::{KUBERNETES, README, begin, follow, take, take_values};

/// Installs the chart as the page says.
pub(crate) fn install(values: &str, more: &str) -> String {
    begin();
    follow(&installing(&take(KUBERNETES, "Installing", "helm install"), values, more))
}

/// The page's commands, with what the cluster of the tests needs behind the page's own words.
pub(crate) fn installing(commands: &str, values: &str, more: &str) -> String {
    let line = commands.lines().find(|line| line.starts_with("helm install ")).expect("it installs");
    let own = line.split(" #").next().expect("a first part");
    commands.replace(line, &with_values(&[own], values, more).join(" "))
}

/// What the pages have made in the namespace `default`, which no test owns.
pub(crate) struct Example;

impl Drop for Example {
    fn drop(&mut self) {
        let file = project("manifests/examples/app.yaml");
        // On the way out of a failure, too, and that one is to be read.
        let _ = try_kubectl(&["delete", "-f", file.to_str().expect("a path of text"), "--timeout=90s"]);
    }
}

impl Example {
    pub(crate) fn has_grown(&self) {
        wait_for("the pod sees 2 GiB", 90, || {
            let size = kubectl(&["exec", "app", "-c", "app", "--", "df", "-m", "/data"]);
            let mib = size.lines().last().and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
            so(mib.is_some_and(|mib| mib > 1900), size)
        });
    }
}

#[test]
fn a_first_claim_is_made_grown_and_described_as_the_page_says() {
    let example = Example;
    let said = follow(&take(KUBERNETES, "The first claim", "kubectl apply -f"));
    assert!(said.contains("/data"), "{said}");
    let said = follow(&take(KUBERNETES, "The first claim", "kubectl get csistoragecapacities"));
    let has_room = |node: &String| {
        said.lines().any(|line| matches!(line.split_whitespace().collect::<Vec<_>>()[..], [on, "ullage", room] if on == node && room != "0"))
    };
    assert!(nodes().iter().all(has_room), "{said}");
    let said = follow(&take(KUBERNETES, "Growing it", "kubectl patch pvc"));
    assert!(said.contains("persistentvolumeclaim/data patched"), "{said}");
    example.has_grown();
    follow(&take(KUBERNETES, "Hearing that it fills", "kubectl describe pvc"));
    // It looks on until it is ended.
    let watch = take(KUBERNETES, "Hearing that it fills", "ullage watch");
    let said = follow(&format!("timeout 5 {watch} || [ $? = 124 ]"));
    assert!(said.contains("running"), "{said}");
}

#[test]
fn where_the_reason_is_when_something_does_not_work() {
    let section = "When something does not work";
    for words in ["kubectl get csistoragecapacities", "logs ds/ullage", "describe ds/ullage", "ullage volume list"] {
        let said = follow(&take(KUBERNETES, section, words));
        assert!(said.lines().count() > 0, "{words}");
    }
}

#[test]
fn the_values_of_the_pages_are_taken_by_the_chart() {
    let chart = project("charts/ullage");
    for values in take_values() {
        let words = ["template", "ullage", chart.to_str().unwrap(), "--kube-version", "1.36.0", "-f", "-"];
        let said = try_run("helm", &words, &values.text).unwrap_or_else(|error| panic!("{error}"));
        assert!(said.contains("kind: DaemonSet"), "{said}");
    }
}

/// Commands that name no namespace, in that of a test.
fn within(place: &Place, commands: &str) -> String {
    commands.replace("kubectl ", &format!("kubectl -n {} ", place.name))
}

/// The pods of a namespace have the quota API beside them.
fn has_quota_api(place: &Place) {
    wait_for("the quota API is beside the application", 60, || {
        let pods = api::items(&format!("/api/v1/namespaces/{}/pods", place.name));
        let with = |pod: &&serde_json::Value| {
            pod["spec"]["initContainers"][0]["name"] == "quota-api" && pod["status"].to_string().contains("\"Running\"")
        };
        so(pods.iter().filter(with).count() == 1 && pods.len() == 1, &pods)
    });
}

#[test]
fn a_deployment_gets_the_quota_api_by_the_pages_patch() {
    let place = Place::new("page-annotation");
    let example = std::fs::read_to_string(project("manifests/examples/annotated.yaml")).unwrap();
    let plain = example.replace("      annotations: { ullage.dev/quota-api: \"true\" }\n", "");
    assert_ne!(plain, example);
    place.apply(&plain.replace("annotated", "shop").replace("busybox:1", &app_image()));
    place.kubectl(&["rollout", "status", "deployment/shop", "--timeout=90s"]);
    follow(&within(&place, &take(KUBERNETES, "Hearing that it fills", "kubectl patch deployment shop")));
    has_quota_api(&place);
    place.kubectl(&["delete", "deployment,pvc", "--all"]);
}

/// Both pages say the same; what has it already is left as it is.
#[test]
fn a_manifest_gets_the_quota_api_by_inject() {
    let place = Place::new("page-inject");
    let directory = project("target/e2e/inject");
    std::fs::create_dir_all(&directory).unwrap();
    let plain = Claim::new("data", "ullage-sparse", "320Mi").yaml() + &Pod::new("app", "data").yaml();
    std::fs::write(directory.join("app.yaml"), plain).unwrap();
    let program = project(&std::env::var("ULLAGE").unwrap_or_default());
    for (page, section) in [(README, "On Kubernetes"), (KUBERNETES, "Hearing that it fills")] {
        let command = within(&place, &take(page, section, "ullage inject -f app.yaml"));
        let path = program.parent().unwrap().display();
        follow(&format!("cd {}; PATH={path}:$PATH\n{command}", directory.display()));
    }
    has_quota_api(&place);
    // Its words of how to take it away again, without a cluster.
    let remove = take(crate::snippets::OPERATIONS, "Uninstalling", "ullage inject --remove");
    let path = program.parent().unwrap().display();
    let back = follow(&format!("cd {}; PATH={path}:$PATH\nullage inject -f app.yaml | {remove}", directory.display()));
    assert_eq!(back, std::fs::read_to_string(directory.join("app.yaml")).unwrap());
    place.delete_pod("app");
    place.delete_claim("data");
}

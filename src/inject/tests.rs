use super::*;

fn task(image: &str, remove: bool) -> Task {
    Task { image: image.to_owned(), remove }
}

fn added(text: &str) -> Outcome {
    inject(text, &task("ullage/ullage:1.2.3", false)).unwrap()
}

fn removed(text: &str) -> Outcome {
    inject(text, &task("", true)).unwrap()
}

/// Every stream beside the tests, by its name: as it is given, and as it shall become.
fn streams() -> Vec<(&'static str, &'static str, &'static str)> {
    macro_rules! streams {
        ($($name:literal),*) => {
            vec![$(($name, include_str!(concat!("../../tests/inject/", $name)),
                   include_str!(concat!("../../tests/inject/injected/", $name)))),*]
        };
    }
    streams![
        "anchors.yaml",
        "crlf.yaml",
        "deployment.yaml",
        "list.json",
        "list.yaml",
        "merged.yaml",
        "statefulset.yaml"
    ]
}

/// A pod that mounts a claim, with these lines more in its spec and its only container.
fn pod(spec: &str, container: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\nspec:\n{spec}  containers:\n  - name: c\n{container}    \
         volumeMounts:\n    - {{name: d, mountPath: /d}}\n  volumes:\n  - name: d\n    persistentVolumeClaim: \
         {{claimName: c}}\n"
    )
}

fn lines(outcome: &Outcome) -> Vec<String> {
    let line = |note: &Note| format!("{:?} {}: {}", note.weight, note.workload, note.text);
    outcome.notes.iter().map(line).collect()
}

#[test]
fn a_stream_becomes_what_it_shall_and_comes_back_byte_for_byte() {
    for (name, given, expected) in streams() {
        let once = added(given).text;
        assert!(once == expected, "{name}:\n{once}");
        assert!(added(&once).text == once, "{name}: twice is not once");
        assert!(removed(&once).text == given, "{name}: it does not come back:\n{}", removed(&once).text);
        assert!(removed(given).text == given, "{name}: there is nothing to take away");
        let json = name.ends_with(".json").then(|| serde_json::from_str::<serde_json::Value>(&once).unwrap());
        assert_eq!(json.is_some(), given.starts_with('{'), "{name}");
    }
}

#[test]
fn an_older_one_is_renewed_and_what_is_its_neighbour_stays() {
    for (name, given, expected) in streams() {
        let older = inject(given, &task("ullage/ullage:0.0.1", false)).unwrap().text;
        // As another version may have had it.
        let older = older.replace("periodSeconds: 1", "periodSeconds: 7").replace("POD_UID", "POD_IP");
        assert!(added(&older).text == expected, "{name}:\n{}", added(&older).text);
        assert!(removed(&older).text == given, "{name}");
    }
    let renewed = added(&added(&pod("", "")).text.replace("1.2.3", "1.2.2"));
    assert_eq!(lines(&renewed), ["Done pod/p: quota API renewed, for d (claim c)"]);
}

#[test]
fn what_needs_nothing_stays_as_it_is() {
    let texts = [
        "",
        "\n# nothing\n---\n---\n...\n",
        "a: b # c\r\n\r\n",
        "\u{feff}a: [ 1,2 , ]\n---\n? x\n: &a !t  'y'\n",
        "%YAML 1.2\n---\na: |+\n\n   b\n\n...\n",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {containers: [{name: c}]}",
        "apiVersion: example.com/v1\nkind: Deployment\nspec: {template: no}",
        "apiVersion: v1\nkind: List\nitems: []\n",
    ];
    for text in texts {
        assert_eq!(added(text).text, text);
    }
}

#[test]
fn what_was_cut_off_or_has_a_line_less_is_refused_or_done_once() {
    for (name, given, _) in streams() {
        let cuts = (0..given.len()).step_by(11).filter_map(|end| given.get(..end)).map(str::to_owned);
        let lines: Vec<_> = given.split_inclusive('\n').collect();
        let without =
            |gone: usize| lines.iter().enumerate().filter(|(at, _)| *at != gone).map(|(_, line)| *line).collect();
        for text in cuts.chain((0..lines.len()).map(without)) {
            let Ok(once) = inject(&text, &task("x", false)) else { continue };
            let twice = inject(&once.text, &task("x", false)).map(|twice| twice.text);
            assert_eq!(twice.as_ref(), Ok(&once.text), "{name}\n{text}");
            // A key with nothing under it is the one thing that does not come back.
            let given = text.replace("        volumeMounts:\n        volumeDevices:\n", "        volumeDevices:\n");
            assert_eq!(inject(&once.text, &task("", true)).map(|back| back.text), Ok(given), "{name}");
        }
    }
}

/// It is written out for people to read; a test of the chart holds the annotation to it, too.
#[test]
fn the_example_has_what_would_be_added() {
    let example = include_str!("../../manifests/examples/app.yaml");
    let done = inject(example, &task(concat!("ullage/ullage:", env!("CARGO_PKG_VERSION")), false)).unwrap();
    assert_eq!(lines(&done), ["Done pod/app: has the quota API already, for data (claim data)"]);
    assert_eq!(done.text, example);
}

#[test]
fn it_says_what_it_did() {
    let devices = pod("", "    volumeDevices: [{name: d, devicePath: /e}]\n");
    let gone = added(&pod("", "")).text.replace("name: d, mountPath: /d", "name: e, mountPath: /d");
    let annotated = |asked| {
        pod("", "").replace("name: p\n", &format!("name: p\n  annotations: {{ullage.dev/quota-api: '{asked}'}}\n"))
    };
    let cases = [
        (pod("", ""), vec!["Done pod/p: quota API for d (claim c)"]),
        (added(&pod("", "")).text, vec!["Done pod/p: has the quota API already, for d (claim c)"]),
        (devices, vec!["Idle pod/p: mounts no claim with a filesystem"]),
        (gone, vec!["Done pod/p: quota API removed: it mounts no claim with a filesystem"]),
        (annotated("true"), vec!["Done pod/p: quota API for d (claim c)"]),
        (annotated("false"), vec!["Idle pod/p: left as it is: ullage.dev/quota-api is \"false\""]),
        (pod("", "    args: [quota-api]\n"), vec!["Idle pod/p: has a quota API of its own, the container c"]),
        (
            pod("  hostNetwork: true\n", "    ports: [{containerPort: 8070}]\n"),
            vec![
                "Done pod/p: quota API for d (claim c)",
                "Warning pod/p: hostNetwork: one pod alone can have the ports 8070 and 9870 of a node",
                "Warning pod/p: the container c listens at 8070, where the quota API does: one of them fails",
            ],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(lines(&added(&text)), expected, "{text}");
    }
    let said = lines(&removed(&added(&annotated("true")).text));
    assert_eq!(said[0], "Done pod/p: quota API removed");
    assert!(said[1].starts_with("Warning pod/p: the annotation ullage.dev/quota-api asks the cluster"), "{said:?}");
}

#[test]
fn it_says_where_it_is_wrong_and_what_would_be_right() {
    let shared = "apiVersion: v1\nkind: Pod\nmetadata: {name: x, annotations: {x: &m [{name: d, mountPath: /d}]}}\nspec:\n  \
                  containers: [{name: a, volumeMounts: *m}]\n  volumes: [{name: d, persistentVolumeClaim: {claimName: c}}]\n";
    let cases = [
        ("a: 1\n---\nb: \"\n".to_owned(), "document 2, line 3, column 4: this is no YAML"),
        (
            "a: {{ .Values.x }}\n".to_owned(),
            "line 1, column 5: a key has to be a text here; if '{{ … }}' is a template",
        ),
        ("{{- if x }}\na: b\n{{- end }}\n".to_owned(), "render it first, as with 'helm template'"),
        (
            "error: no such thing\n---\nno such thing\n".to_owned(),
            "document 2, line 3, column 1: an object of Kubernetes",
        ),
        (
            pod("", "").replace("containers:", "container:"),
            "line 6, column 3: pod/p: spec.containers: a pod has a list",
        ),
        (
            "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: x}\n".to_owned(),
            "daemonset/x: spec.template: there is no pod",
        ),
        (pod("  initContainers: 5\n", ""), "line 6, column 19: pod/p: spec.initContainers: there has to be a list"),
        (pod("  initContainers: [{name: quota-api, image: x}]\n", ""), "none of this program: call it something else"),
        (
            pod("  hostNetwork: true\n  hostNetwork: false\n", ""),
            "line 7, column 3: the key 'hostNetwork' is there twice",
        ),
        (
            pod("", "").replace("/d}", "/run/ullage/}"),
            "spec.containers.0.volumeMounts.0: /run/ullage is where the token",
        ),
        (
            pod("", "") + "  - {name: ullage-token, hostPath: {path: /}}\n",
            "spec.volumes.1: the volume ullage-token is not",
        ),
        (
            format!("a: b\n---\n{shared}"),
            "document 2, line 3, column 1: this cannot be changed in its place, as where anchors",
        ),
    ];
    for (text, expected) in cases {
        let said = inject(&text, &task("x", false)).unwrap_err().to_string();
        assert!(said.starts_with("document ") && said.contains(expected), "{text}\n{said}\n{expected}");
    }
}

//! `proto/csi.proto` is the published CSI 1.13, to the last option.
//!
//! Both are compiled to descriptors and taken apart into facts, `path = value`, for every field of every descriptor
//! there is. Only the order of declarations, comments and positions in the text do not count.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use prost_reflect::{DynamicMessage, ReflectMessage, Value};

/// Pinned in `tests/tools/go.mod`, with its checksum in `go.sum`.
const SPECIFICATION: &str = "github.com/container-storage-interface/spec@v1.13.0";

type Facts = BTreeMap<String, String>;

#[test]
fn csi_proto_is_the_published_one() {
    let published = facts(&module(SPECIFICATION), "csi.proto");
    let ours = facts(Path::new("proto"), "csi.proto");
    // A comparison of nothing would pass too.
    for kind in ["message", "field", "enum", "value", "service", "method", "extension", "oneof", "reserved_range"] {
        let mark = format!("{kind} ");
        assert!(published.keys().any(|path| path.contains(&mark)), "the published file seems to have no {kind}");
    }
    let differences = differences(&published, &ours);
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

/// Every kind of change is seen: each of these is one edit of the text, or a few that belong together.
#[test]
fn no_change_goes_unseen() {
    let text = std::fs::read_to_string("proto/csi.proto").unwrap();
    let published = facts(Path::new("proto"), "csi.proto");
    let edits = [
        ("string vendor_version = 2;", "string vendor_version = 4;"),
        ("string vendor_version = 2;", "string vendor_versions = 2;"),
        ("string vendor_version = 2;", "bytes vendor_version = 2;"),
        ("string vendor_version = 2;", "repeated string vendor_version = 2;"),
        ("string vendor_version = 2;", "optional string vendor_version = 2;"),
        ("string vendor_version = 2;", "string vendor_version = 2 [deprecated = true];"),
        ("string vendor_version = 2;", "string vendor_version = 2 [json_name = \"v\"];"),
        ("string vendor_version = 2;", ""),
        ("map<string, string> manifest = 3;", "map<string, bytes> manifest = 3;"),
        ("map<string, string> secrets = 2 [(csi_secret) = true];", "map<string, string> secrets = 2;"),
        ("minimum_volume_size = 3 [(alpha_field) = true];", "minimum_volume_size = 3;"),
        ("GET_VOLUME = 12 [(alpha_enum_value) = true];", "GET_VOLUME = 12;"),
        ("GET_VOLUME = 12 [(alpha_enum_value) = true];", "GET_VOLUME = 18 [(alpha_enum_value) = true];"),
        ("reserved 11;", ""),
        ("reserved 11;", "reserved 11 to 11, 30;"),
        ("reserved 4;", "reserved 4; reserved \"OLD\";"),
        ("reserved 2;", ""),
        ("oneof access_type {", "oneof access {"),
        (
            "    BlockVolume block = 1;\n    MountVolume mount = 2;\n  }",
            "    BlockVolume block = 1;\n  }\n  MountVolume mount = 2;",
        ),
        ("message GetPluginInfoRequest {}", "message GetPluginInfoRequest { option deprecated = true; }"),
        ("message VolumeHealth {\n  option (alpha_message) = true;", "message VolumeHealth {"),
        ("option (alpha_service) = true;", ""),
        ("option (alpha_method) = true;", ""),
        ("rpc Probe(ProbeRequest) returns (ProbeResponse) {}", ""),
        ("rpc Probe(ProbeRequest)", "rpc Probe(stream ProbeRequest)"),
        ("returns (stream GetMetadataDeltaResponse)", "returns (GetMetadataDeltaResponse)"),
        ("rpc NodeGetInfo(NodeGetInfoRequest)", "rpc NodeGetInfo(ProbeRequest)"),
        ("bool csi_secret = 1059;", "bool csi_secret = 1061;"),
        ("bool alpha_enum = 1060;", "bool alpha_enum = 1060; bool beta_enum = 1070;"),
        ("enum BlockMetadataType {", "message Additional {}\nenum BlockMetadataType {"),
        ("  FIXED_LENGTH = 1;\n", "  FIXED_LENGTH = 1;\n  OTHER_LENGTH = 3;\n"),
        ("spec/lib/go/csi\";", "spec/lib/go/other\";"),
        (
            "import \"google/protobuf/wrappers.proto\";",
            "import \"google/protobuf/wrappers.proto\";\nimport \"google/protobuf/any.proto\";",
        ),
    ];
    for (from, to) in edits {
        let edited = text.replacen(from, to, 1);
        assert_ne!(edited, text, "nothing to edit: {from}");
        let scratch = tempfile::tempdir().unwrap();
        std::fs::write(scratch.path().join("csi.proto"), edited).unwrap();
        let seen = differences(&published, &facts(scratch.path(), "csi.proto"));
        assert!(!seen.is_empty(), "unseen: {from} -> {to}");
    }
}

/// Where Go keeps the module's files, once it has checked them against `go.sum`.
fn module(version: &str) -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools");
    let command = Command::new("go").args(["mod", "download", "-json", version]).current_dir(tools).output();
    let output = command.unwrap_or_else(|error| {
        panic!("cannot run go ({error}): it fetches the published specification. tests/prepare installs it")
    });
    let said = String::from_utf8_lossy(&output.stdout);
    let answer: serde_json::Value = serde_json::from_str(&said).unwrap_or_default();
    let directory = answer["Dir"].as_str().map(PathBuf::from);
    directory.filter(|_| output.status.success()).unwrap_or_else(|| {
        let errors = String::from_utf8_lossy(&output.stderr);
        panic!("go mod download {version} failed: is a Go module proxy in reach (GOPROXY)?\n{said}{errors}")
    })
}

/// Compiles a file, and says everything that is true of it.
fn facts(directory: &Path, file: &str) -> Facts {
    let mut compiler = protox::Compiler::new([directory]).unwrap();
    compiler.include_imports(false).include_source_info(false);
    compiler.open_file(directory.join(file)).unwrap_or_else(|error| panic!("{error:?}"));
    let pool = compiler.descriptor_pool();
    // Read with the extensions that the file itself declares, so that options such as csi_secret are fields like others.
    let set = pool.get_message_by_name("google.protobuf.FileDescriptorSet").unwrap();
    let set = DynamicMessage::decode(set, compiler.encode_file_descriptor_set().as_slice()).unwrap();
    let mut facts = Facts::new();
    collect(&set, "", &mut facts);
    facts
}

fn collect(message: &DynamicMessage, path: &str, facts: &mut Facts) {
    let name = message.descriptor().full_name().to_owned();
    assert_eq!(message.unknown_fields().count(), 0, "{path}: a {name} has fields that are not understood");
    // The message itself counts, also when it is empty.
    facts.insert(path.to_owned(), name);
    for (field, value) in message.fields() {
        collect_value(value, &format!("{path}/{}", label(field.name())), facts);
    }
    for (extension, value) in message.extensions() {
        collect_value(value, &format!("{path}/({})", extension.full_name()), facts);
    }
}

fn collect_value(value: &Value, path: &str, facts: &mut Facts) {
    match value {
        Value::Message(message) => collect(message, path, facts),
        Value::List(items) => {
            for item in items {
                let path = format!("{path} {}", identity(item));
                assert!(!facts.contains_key(&path), "two of {path}");
                collect_value(item, &path, facts);
            }
        }
        plain => {
            facts.insert(path.to_owned(), format!("{plain:?}"));
        }
    }
}

/// What tells an item of a list from the others: its name where it has one, else all of it.
fn identity(item: &Value) -> String {
    let name = item.as_message().and_then(|message| message.get_field_by_name("name"));
    match name {
        Some(name) => name.as_str().unwrap().to_owned(),
        None => item.to_string(),
    }
}

fn label(field: &str) -> &str {
    match field {
        "message_type" | "nested_type" => "message",
        "enum_type" => "enum",
        "oneof_decl" => "oneof",
        other => other,
    }
}

fn differences(published: &Facts, ours: &Facts) -> Vec<String> {
    let paths: std::collections::BTreeSet<_> = published.keys().chain(ours.keys()).collect();
    let say = |path: &String| match (published.get(path), ours.get(path)) {
        (Some(theirs), Some(ours)) if theirs == ours => None,
        (Some(theirs), Some(ours)) => Some(format!("{path}: {theirs} is published, {ours} is ours")),
        (Some(theirs), None) => Some(format!("{path}: {theirs} is missing in ours")),
        (None, ours) => Some(format!("{path}: {} is only in ours", ours.unwrap())),
    };
    paths.into_iter().filter_map(say).collect()
}

//! Makes the gRPC stubs of `proto/`. Needs no `protoc`: protox is a compiler of its own.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = ["proto/csi.proto", "proto/pluginregistration.proto", "proto/ullage.proto"];
    let descriptors = protox::compile(files, ["proto"])?;
    // Ordered maps: the same parameters are always refused with the same text.
    let stubs = tonic_prost_build::configure().btree_map(".").generate_default_stubs(true);
    // What Admin answers is what `ullage volume` prints.
    let printed = "#[derive(serde::Serialize)] #[serde(rename_all = \"camelCase\")]";
    let octal = "#[serde(serialize_with = \"crate::rpc::octal\")]";
    let stubs = stubs.type_attribute(".ullage.v1", printed).field_attribute(".ullage.v1.Volume.mode", octal);
    stubs.compile_fds(descriptors)?;
    Ok(())
}

//! Makes the gRPC stubs of `proto/`. Needs no `protoc`: protox is a compiler of its own.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(["proto/csi.proto", "proto/ullage.proto"], ["proto"])?;
    // Ordered maps: the same parameters are always refused with the same text.
    tonic_prost_build::configure().btree_map(".").generate_default_stubs(true).compile_fds(descriptors)?;
    Ok(())
}

//! The program: see `ullage --help`.

fn main() -> std::process::ExitCode {
    ullage::cli::main()
}

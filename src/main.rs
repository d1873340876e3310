fn main() -> std::process::ExitCode {
    peer::cli::main()
}

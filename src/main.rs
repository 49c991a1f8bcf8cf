//! argv -> one command.

fn main() -> std::process::ExitCode {
    pillarbox::command::main(std::env::args_os())
}

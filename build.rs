//! Notices when the page was built anew, so that the binary takes it up.

fn main() {
    // Cargo can only watch what is there; the folder is not in the repository.
    let _ = std::fs::create_dir_all("web/dist");
    println!("cargo:rerun-if-changed=web/dist");
}

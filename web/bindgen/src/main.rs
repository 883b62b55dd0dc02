//! Writes the JavaScript side of the WASM module: `letterbox-bindgen MODULE.wasm OUT_DIR`.

use std::process::ExitCode;
use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(module), Some(out)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: letterbox-bindgen MODULE.wasm OUT_DIR");
        return ExitCode::from(2);
    };
    let result = Bindgen::new().input_path(&module).web(true).and_then(|bindgen| {
        bindgen
            .typescript(true)
            .omit_default_module_path(false)
            .remove_name_section(true)
            .remove_producers_section(true)
            .generate(&out)
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{module}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

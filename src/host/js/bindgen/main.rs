//! `bindgen MODULE DIRECTORY`

use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [module, directory] =
        std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "two paths are needed")?;
    Bindgen::new()
        .input_path(module)
        .web(true)?
        .omit_default_module_path(true)
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(directory)?;
    Ok(())
}
